#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

/// Projects, datasets and models: their values, their states, and which state may follow which. This module does no
/// I/O.
namespace vedette {

/// Where a resource lives. The scope is part of every key and every ARN.
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
  std::string uid;  ///< Identifies this dataset; a later dataset of the same name has another uid.
};

struct DatasetEntry {
  std::string source_ref;
  std::optional<bool> is_anomalous;
  Timestamp created{};  ///< When the label was made, or when the entry was added if the label has no date.
  std::string line;     ///< The manifest line, as JSON.
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
  std::string uid;  ///< Names the model's artifact.
  std::optional<std::string> description;
  ModelStatus status = ModelStatus::training;
  std::string status_message;
  Timestamp created{};
  ObjectLocation output;  ///< The bucket and prefix that the caller asked for.
  std::optional<std::string> kms_key_id;
  std::vector<Tag> tags;
  std::optional<std::int64_t> min_inference_units, max_inference_units;
  // The members below are set when the training has ended.
  std::optional<Performance> performance;
  std::optional<ObjectLocation> evaluation_manifest, evaluation_result;
  std::optional<Timestamp> evaluation_end;
};

enum class PackagingJobStatus { created, running, succeeded, failed };

/// The job that makes a model archive in a bucket. It also remembers that its component name and version are taken.
struct PackagingJob {
  std::string project;
  std::string name;
  std::int64_t model_version = 0;
  std::optional<std::string> description;
  std::string configuration;  ///< The Greengrass configuration as the caller gave it, as JSON.
  std::string component_name, component_version;
  PackagingJobStatus status = PackagingJobStatus::created;
  std::string status_message;
  Timestamp created{}, updated{};
};

inline constexpr std::size_t kMostTags = 50;  ///< The most tags that one model may have.

std::string_view to_text(DatasetType type);           ///< Returns a text such as "train".
std::string_view to_text(DatasetStatus status);       ///< Returns a text such as "CREATE_COMPLETE".
std::string_view to_text(ModelStatus status);         ///< Returns a text such as "TRAINED".
std::string_view to_text(PackagingJobStatus status);  ///< Returns a text such as "RUNNING".
std::optional<DatasetType> parse_dataset_type(std::string_view text);
/// These functions read stored text. Unknown text means that the database is damaged; they then throw
/// std::invalid_argument.
DatasetStatus parse_dataset_status(std::string_view text);
ModelStatus parse_model_status(std::string_view text);
PackagingJobStatus parse_packaging_job_status(std::string_view text);

/// Whether a status may follow another. This is the one transition table; every change of a status is a compare-and-set
/// along one of its edges.
bool can_move(ModelStatus from, ModelStatus to);
bool can_move(DatasetStatus from, DatasetStatus to);
bool can_move(PackagingJobStatus from, PackagingJobStatus to);
/// Whether the dataset has finished importing or updating, so that it may be trained on, updated and deleted.
bool is_settled(DatasetStatus status);

std::string project_arn(const Scope& scope, std::string_view project);
std::string model_arn(const Scope& scope, std::string_view project, std::int64_t version);
/// Names one model: arn:<partition>:lookoutvision:<region>:<account>:model/<project>/<version>. The partition may be
/// any and names nothing here, so one model has many spellings. Rights are decided on to_text(), which gives only one.
struct ModelArn {
  Scope scope;
  std::string project;
  std::int64_t version;
};
/// Returns nothing if the text has another form.
std::optional<ModelArn> parse_model_arn(std::string_view arn);
std::string to_text(const ModelArn& arn);  ///< Returns the ARN as model_arn() writes it, however it was spelt.
std::string user_arn(std::string_view account, std::string_view name);
std::string bucket_arn(std::string_view bucket);
std::string object_arn(std::string_view bucket, std::string_view key);
/// Returns arn:aws:greengrass:<region>:<account>:components:<name>:versions:<version>.
std::string component_arn(const Scope& scope, std::string_view name, std::string_view version);

}  // namespace vedette
