#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/lookoutvision/messages.hpp"
#include "api/model.hpp"
#include "domain/dataset_check.hpp"
#include "domain/domain.hpp"
#include "domain/trial_detection.hpp"

/// The service `vedette` on the wire: what the original API lacks. The functions are pure. ../model.hpp has checked the
/// members already.
namespace vedette::extension {

/// Returns the service's API model, which is part of the program and is parsed once.
const ApiModel& api_model();

using Json = nlohmann::json;

struct MetricStatisticsRequest {
  explicit MetricStatisticsRequest(const Json& members);
  std::string metric;
  std::optional<std::string> project, version;
  Timestamp start, end;
  std::int64_t period_seconds;  ///< 60 unless the request gives another
};

struct RebaseModelRequest {
  explicit RebaseModelRequest(const Json& members);
  lookoutvision::ModelRequest model;  ///< the model that is moved, which stays as it is
  std::string bucket, prefix;         ///< where the pictures are
  std::vector<std::string> keys;      ///< If empty, the pictures are all objects whose keys begin with the prefix.
  std::optional<std::string> description;
  std::vector<Tag> tags;
};

/// A part of a list whose items are numbered from 0.
struct RangeRequest {
  explicit RangeRequest(const Json& members);
  std::int64_t offset = 0;
  std::int64_t max_results = 1000;
};
struct ListDatasetImagesRequest {
  explicit ListDatasetImagesRequest(const Json& members);
  lookoutvision::DatasetRequest dataset;
  RangeRequest range;
};

/// A picture of a dataset, as its manifest line describes it.
struct DatasetImage {
  std::string source_ref;
  std::optional<bool> is_anomalous;         ///< empty if the picture is unlabelled
  std::vector<std::string> anomaly_labels;  ///< the names in the mask's colour map, without the background
  std::optional<std::string> mask_ref;
  std::optional<Timestamp> creation_date;  ///< of the label
};
Json encode_dataset_images(std::int64_t total, const std::vector<DatasetImage>& images);

struct GetThumbnailsRequest {
  explicit GetThumbnailsRequest(const Json& members);
  std::vector<std::string> source_refs;
};

/// A small picture of a picture, or why there is none.
struct Thumbnail {
  std::string source_ref;
  std::string jpeg;           ///< bytes
  int height = 0, width = 0;  ///< of the original picture
  std::string reason;         ///< if it is not empty, only the name beside it holds
};
Json encode_thumbnails(const std::vector<Thumbnail>& thumbnails);

struct UpdateThresholdRequest {
  explicit UpdateThresholdRequest(const Json& members);
  lookoutvision::ModelRequest model;
  std::optional<double> threshold;  ///< If empty, the model gets back its trained threshold.
};
/// Says who moved a threshold and when.
struct ThresholdMove {
  double threshold = 0;
  std::string user;
  Timestamp time;
};
Json encode_threshold(double trained, const std::optional<ThresholdMove>& moved);

struct AnomalyMapRequest {
  explicit AnomalyMapRequest(const Json& members);
  lookoutvision::ModelRequest model;
  std::string source_ref;
};
struct AnomalyMap {
  int height = 0, width = 0;          ///< of the picture
  int map_height = 0, map_width = 0;  ///< of the map
  std::string png;                    ///< bytes: the map as a grey picture
  int map_threshold = 0;              ///< the grey level from which the model's masks mark
  bool is_anomalous = false;
  double confidence = 0, anomaly_score = 0, threshold = 0;
};
Json encode_anomaly_map(const AnomalyMap& map);

struct StartTrialRequest {
  explicit StartTrialRequest(const Json& members);
  lookoutvision::ModelRequest model;
  std::string trial_name;
  std::string bucket, prefix;     ///< where the pictures are
  std::vector<std::string> keys;  ///< If empty, the pictures are all objects whose keys begin with the prefix.
};
struct TrialRequest {
  explicit TrialRequest(const Json& members);
  std::string project_name, trial_name;
};
struct ListTrialImagesRequest {
  explicit ListTrialImagesRequest(const Json& members);
  TrialRequest trial;
  RangeRequest range;
};
struct VerifyTrialImagesRequest {
  explicit VerifyTrialImagesRequest(const Json& members);
  TrialRequest trial;
  /// For each picture whether its verdict is right; empty: nobody says so any more.
  std::vector<std::pair<std::string, std::optional<bool>>> verifications;
};
Json encode_trial(const TrialDetection& trial);
Json encode_trial_images(const std::string& bucket, std::int64_t total, const std::vector<TrialImage>& images);

struct ListDatasetFindingsRequest {
  explicit ListDatasetFindingsRequest(const Json& members);
  lookoutvision::ProjectRequest project;
  std::optional<std::string> kind;  ///< If empty, findings of all kinds are listed.
  RangeRequest range;
};
Json encode_dataset_check(const DatasetCheck& check, bool is_outdated, const std::vector<FindingCount>& counts);
Json encode_dataset_findings(std::int64_t total, const std::vector<DatasetFinding>& findings);

struct Datapoint {
  Timestamp time;
  double sum = 0, minimum = 0, maximum = 0;
  std::int64_t count = 0;
};
Json encode_datapoints(const std::string& metric, const std::vector<Datapoint>& points);

struct Progress {
  std::string stage;
  double fraction = 0;
  std::optional<double> seconds_left;
  Timestamp started, updated;
};
Json encode_progress(const Scope& scope, const Model& model, const std::optional<Progress>& progress);

/// What a training found out about a model. A figure is empty where it is not defined.
struct Evaluation {
  struct Picture {
    std::string source_ref;
    bool is_anomalous = false;      ///< the label
    bool called_anomalous = false;  ///< the verdict
    double confidence = 0, anomaly_score = 0;
    std::optional<std::int64_t> fold;  ///< whose models judged it, if not all together
    bool is_suspect = false;
    std::optional<std::string> skipped_reason;  ///< if the picture was not judged: then nothing else but the name holds
  };
  struct ClassMetrics {
    std::string name;
    std::optional<double> precision, recall, f1, aiou;
  };
  struct ContestEntry {
    std::string method;
    std::optional<double> auroc;
    double verdict_weight = 0, map_weight = 0;  ///< shares of all, 0 … 1
  };
  struct Interval {
    std::string metric;  ///< "ROCAUC", …
    double low = 0, high = 0;
  };
  /// Whether the training pictures come in batches, and what the models reach on batches that they know.
  struct Batches {
    bool are_clear = false;
    double share = 0;
    std::optional<double> known_auroc, known_f1;
  };
  /// Whether the pictures that are judged of late look like those of the training.
  struct Stream {
    std::string state;  ///< a value of the enum StreamState of the API model
    std::int64_t images = 0;
    std::vector<std::string> differences;
  };
  bool is_out_of_fold = false;
  std::optional<Batches> batches;
  std::optional<Stream> stream;  ///< Only of a model in service.
  std::int64_t training_images = 0, testing_images = 0, suspects = 0, skipped = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, std::optional<double>>> metrics;  ///< by the names that the API model gives them
  std::vector<Interval> intervals;
  std::vector<ClassMetrics> classes;
  std::vector<ContestEntry> contest;
  std::vector<std::string> warnings;
  std::vector<Picture> pictures;  ///< of one page
};
Json encode_evaluation(const Scope& scope, const Model& model, const Evaluation& evaluation,
                       const std::string& next_token);

Json encode_user(const std::string& account, const std::string& name, const std::vector<std::string>& policies,
                 Timestamp created);
Json encode_access_key(const std::string& id, const std::string& user, bool is_active, Timestamp created);
Json encode_policy(const std::string& name, const std::string& document, bool is_managed);

}  // namespace vedette::extension
