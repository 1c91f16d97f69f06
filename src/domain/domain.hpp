#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// Projects, datasets and models: values, states and which state may follow which. No I/O.
namespace vedette {

/// Where a resource lives; part of every key and ARN.
struct Scope {
  std::string account;  ///< 12 digits
  std::string region;
  bool operator==(const Scope&) const = default;
};

struct Project {
  std::string name;
  Timestamp created;
};

enum class DatasetType { train, test };
enum class DatasetStatus {
  create_in_progress,
  create_complete,
  create_failed,
  update_in_progress,
  update_complete,
  update_failed_rollback_in_progress,
  update_failed_rollback_complete,
  delete_in_progress,
  delete_complete,
  delete_failed,
};

struct ImageStats {
  std::int64_t total = 0, labeled = 0, normal = 0, anomaly = 0;
};

struct Dataset {
  std::string project;
  DatasetType type = DatasetType::train;
  DatasetStatus status = DatasetStatus::create_complete;
  std::string status_message;
  Timestamp created{}, updated{};
  ImageStats stats;
  std::string uid;  ///< this dataset's own; a later one of the same name has another
};

struct DatasetEntry {
  std::string source_ref;
  std::optional<bool> is_anomalous;
  Timestamp created{};  ///< the label's creation date, else when the entry was added
  std::string line;     ///< JSON
};

enum class ModelStatus {
  training,
  trained,
  training_failed,
  starting_hosting,
  hosted,
  hosting_failed,
  stopping_hosting,
  system_updating,
  deleting
};

struct Performance {
  double f1 = 0, recall = 0, precision = 0;
};

struct ObjectLocation {
  std::string bucket;
  std::string key;
};

struct Tag {
  std::string key;
  std::string value;
};

struct Model {
  std::string project;
  std::int64_t version = 0;
  std::string uid;  ///< names its artifact
  std::optional<std::string> description;
  ModelStatus status = ModelStatus::training;
  std::string status_message;
  Timestamp created{};
  ObjectLocation output;  ///< bucket and prefix asked for
  std::optional<std::string> kms_key_id;
  std::vector<Tag> tags;
  std::optional<std::int64_t> min_inference_units, max_inference_units;
  // After training:
  std::optional<Performance> performance;
  std::optional<ObjectLocation> evaluation_manifest, evaluation_result;
  std::optional<Timestamp> evaluation_end;
};

std::string_view to_text(DatasetType type);      ///< "train"
std::string_view to_text(DatasetStatus status);  ///< "CREATE_COMPLETE"
std::string_view to_text(ModelStatus status);    ///< "TRAINED"
std::optional<DatasetType> parse_dataset_type(std::string_view text);
/// Of stored text; an unknown one is a damaged database and throws std::invalid_argument.
DatasetStatus parse_dataset_status(std::string_view text);
ModelStatus parse_model_status(std::string_view text);

/// The one transition table; every status change is a compare-and-set along one of its edges.
bool can_move(ModelStatus from, ModelStatus to);
bool can_move(DatasetStatus from, DatasetStatus to);
/// Finished importing or updating: may be trained on, updated, deleted.
bool is_settled(DatasetStatus status);

std::string project_arn(const Scope& scope, std::string_view project);
std::string model_arn(const Scope& scope, std::string_view project, std::int64_t version);
std::string object_arn(std::string_view bucket, std::string_view key);

}  // namespace vedette
