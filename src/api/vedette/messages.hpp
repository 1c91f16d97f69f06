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
#include "domain/server_node.hpp"
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

struct ListAuditEventsRequest {
  explicit ListAuditEventsRequest(const Json& members);
  std::optional<Timestamp> start, end;
  std::string user, event, source, error_code, access_key_id, resource;  ///< empty: does not matter
  std::optional<bool> is_read_only, has_failed;
  lookoutvision::PageRequest page;
};

/// A line of the audit log.
struct RecordedEvent {
  Timestamp time;
  std::string id, name, source, user, access_key_id, source_ip, error_code;
  bool is_read_only = false;
  std::string record;  ///< the whole line, JSON
};
struct AuditEvents {
  std::vector<RecordedEvent> events;
  std::string next_token;
  std::optional<Timestamp> searched_until;
};
Json encode_audit_events(const AuditEvents& page);

Json encode_node(const ServerNode& node, NodeState state);

struct RebaseModelRequest {
  explicit RebaseModelRequest(const Json& members);
  lookoutvision::ModelRequest model;  ///< the model that is moved, which stays as it is
  std::string bucket, prefix;         ///< where the pictures are
  std::vector<std::string> keys;      ///< If empty, the pictures are all objects whose keys begin with the prefix.
  std::optional<std::string> description;
  std::vector<Tag> tags;
};

struct ConvertAnnotationsRequest {
  explicit ConvertAnnotationsRequest(const Json& members);
  std::string project_name;
  std::string bucket, prefix, output_prefix;  ///< Both prefixes end with "/", or `prefix` is empty.
  std::optional<std::string> format;          ///< as `vedette convert` names it; if empty, it is found out
  std::string unannotated, boxes;             ///< as `vedette convert` names them
  std::vector<std::string> normal_labels;
};
/// What became of one dataset of a source.
struct ConvertedDataset {
  std::string manifest_key;
  std::int64_t normal = 0, anomaly = 0, unlabelled = 0, masks = 0;
};
struct ConvertedLabel {
  std::string name, source, color;  ///< as the dataset names it; as the source does; "#RRGGBB"
};
struct Conversion {
  std::string format;  ///< as `vedette convert` names it
  ConvertedDataset train;
  std::optional<ConvertedDataset> test;
  std::vector<ConvertedLabel> labels;
  std::int64_t problem_count = 0;
  std::vector<std::string> problems;  ///< the first of them
  std::vector<std::string> notes;
};
Json encode_conversion(const Conversion& conversion);

struct ExportCocoRequest {
  explicit ExportCocoRequest(const Json& members);
  lookoutvision::DatasetRequest dataset;
  std::string bucket, key;  ///< where the file goes
  bool as_runs;             ///< whether areas are runs of pixels, and not polygons
};
struct CocoExport {
  std::int64_t images = 0, unlabelled = 0, problem_count = 0;
  std::vector<std::string> problems;  ///< the first of them
};
Json encode_coco_export(const CocoExport& done);

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

struct CorrectModelRequest {
  explicit CorrectModelRequest(const Json& members);
  lookoutvision::ModelRequest model;
  std::string source_ref;
  bool is_anomalous = false;                 ///< what a person says of the picture
  std::optional<std::pair<int, int>> place;  ///< y and x of where a person sees the defect, in pixels
};
struct DeleteCorrectionRequest {
  explicit DeleteCorrectionRequest(const Json& members);
  lookoutvision::ModelRequest model;
  std::string source_ref;
};
/// A picture that corrects a model.
struct ModelCorrection {
  std::string source_ref;
  bool is_anomalous = false;                 ///< what a person says of the picture
  bool is_needed = false;                    ///< whether the model alone says otherwise
  std::optional<std::pair<int, int>> place;  ///< y and x, in pixels of the picture
  double anomaly_score = 0;                  ///< by the model alone
  std::string user;
  Timestamp time{};
};
/// How the corrections of a model change verdicts on pictures that they were not made from (vision/verdict/corrections).
struct CorrectionEffect {
  std::int64_t images = 0, correct_before = 0, correct_after = 0;
  std::vector<std::string> made_correct, made_incorrect;
  std::int64_t missed = 0, learned = 0;
};
Json encode_correction(const ModelCorrection& correction, const CorrectionEffect& effect);
Json encode_corrections(const std::vector<ModelCorrection>& corrections, const CorrectionEffect& effect);

/// A picture that a model shall look at: exactly one of the two is to be there.
struct LookRequest {
  explicit LookRequest(const Json& members);
  lookoutvision::ModelRequest model;
  std::optional<std::string> source_ref;
  std::optional<std::string> image;  ///< bytes of a picture
};
struct AnomalyMap {
  int height = 0, width = 0;          ///< of the picture
  int map_height = 0, map_width = 0;  ///< of the map
  std::string png;                    ///< bytes: the map as a grey picture
  int map_threshold = 0;              ///< the grey level from which the model's masks mark
  std::string mask_png;               ///< bytes: what the model marks; empty if it marks nothing
  bool is_anomalous = false;
  double confidence = 0, anomaly_score = 0, threshold = 0;
  std::string corrected_by;  ///< the picture that corrects the verdict; empty if none does
};
Json encode_anomaly_map(const AnomalyMap& map);

struct NearestPatchRequest {
  explicit NearestPatchRequest(const Json& members);
  LookRequest look;
  std::optional<std::pair<int, int>> place;  ///< y and x, in pixels of the picture
};
/// A rectangle in pixels of a picture.
struct PictureArea {
  int left = 0, top = 0, width = 0, height = 0;
};
struct NearestPatch {
  struct Source {
    std::string source_ref;
    PictureArea area;
  };
  std::optional<PictureArea> area;  ///< around the place of the picture; empty if the model has no memory bank
  std::optional<Source> nearest;
  std::string reason;  ///< why there is no nearest place, if so
};
Json encode_nearest_patch(const NearestPatch& patch);

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
    std::vector<std::string> anomaly_labels;    ///< those of its mask
    std::string verdict_reason;                 ///< if not empty, why the model cannot judge the picture
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
  /// What the good training pictures looked like: of each statistic, what 5 %, 50 % and 95 % of them did not exceed.
  struct TrainingLooks {
    struct Statistic {
      std::string metric;  ///< "AnomalyScore", …
      double low = 0, median = 0, high = 0;
    };
    std::int64_t images = 0;
    std::vector<Statistic> statistics;
  };
  bool is_out_of_fold = false;
  std::optional<TrainingLooks> looks;  ///< Not of models of earlier versions.
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
