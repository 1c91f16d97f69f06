#include "domain/domain.hpp"

#include <array>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::array<std::pair<DatasetStatus, std::string_view>, 10> kDatasetStatus = {{
    {DatasetStatus::create_in_progress, "CREATE_IN_PROGRESS"},
    {DatasetStatus::create_complete, "CREATE_COMPLETE"},
    {DatasetStatus::create_failed, "CREATE_FAILED"},
    {DatasetStatus::update_in_progress, "UPDATE_IN_PROGRESS"},
    {DatasetStatus::update_complete, "UPDATE_COMPLETE"},
    {DatasetStatus::update_failed_rollback_in_progress, "UPDATE_FAILED_ROLLBACK_IN_PROGRESS"},
    {DatasetStatus::update_failed_rollback_complete, "UPDATE_FAILED_ROLLBACK_COMPLETE"},
    {DatasetStatus::delete_in_progress, "DELETE_IN_PROGRESS"},
    {DatasetStatus::delete_complete, "DELETE_COMPLETE"},
    {DatasetStatus::delete_failed, "DELETE_FAILED"},
}};

constexpr std::array<std::pair<ModelStatus, std::string_view>, 9> kModelStatus = {{
    {ModelStatus::training, "TRAINING"},
    {ModelStatus::trained, "TRAINED"},
    {ModelStatus::training_failed, "TRAINING_FAILED"},
    {ModelStatus::starting_hosting, "STARTING_HOSTING"},
    {ModelStatus::hosted, "HOSTED"},
    {ModelStatus::hosting_failed, "HOSTING_FAILED"},
    {ModelStatus::stopping_hosting, "STOPPING_HOSTING"},
    {ModelStatus::system_updating, "SYSTEM_UPDATING"},
    {ModelStatus::deleting, "DELETING"},
}};

constexpr std::array<std::pair<PackagingJobStatus, std::string_view>, 4> kPackagingJobStatus = {{
    {PackagingJobStatus::created, "CREATED"},
    {PackagingJobStatus::running, "RUNNING"},
    {PackagingJobStatus::succeeded, "SUCCEEDED"},
    {PackagingJobStatus::failed, "FAILED"},
}};

constexpr std::array<std::pair<PackagingJobStatus, PackagingJobStatus>, 4> kPackagingJobMoves = {{
    {PackagingJobStatus::created, PackagingJobStatus::running},
    {PackagingJobStatus::created, PackagingJobStatus::failed},
    {PackagingJobStatus::running, PackagingJobStatus::succeeded},
    {PackagingJobStatus::running, PackagingJobStatus::failed},
}};

constexpr std::array<std::pair<ModelStatus, ModelStatus>, 13> kModelMoves = {{
    {ModelStatus::training, ModelStatus::trained},
    {ModelStatus::training, ModelStatus::training_failed},
    {ModelStatus::trained, ModelStatus::starting_hosting},
    {ModelStatus::trained, ModelStatus::deleting},
    {ModelStatus::training_failed, ModelStatus::deleting},
    {ModelStatus::starting_hosting, ModelStatus::hosted},
    {ModelStatus::starting_hosting, ModelStatus::hosting_failed},
    {ModelStatus::starting_hosting, ModelStatus::stopping_hosting},
    {ModelStatus::hosted, ModelStatus::stopping_hosting},
    {ModelStatus::hosted, ModelStatus::hosting_failed},
    {ModelStatus::hosting_failed, ModelStatus::starting_hosting},
    {ModelStatus::hosting_failed, ModelStatus::deleting},
    {ModelStatus::stopping_hosting, ModelStatus::trained},
}};

constexpr std::array<std::pair<DatasetStatus, DatasetStatus>, 15> kDatasetMoves = {{
    {DatasetStatus::create_in_progress, DatasetStatus::create_complete},
    {DatasetStatus::create_in_progress, DatasetStatus::create_failed},
    {DatasetStatus::create_complete, DatasetStatus::update_in_progress},
    {DatasetStatus::update_complete, DatasetStatus::update_in_progress},
    {DatasetStatus::update_failed_rollback_complete, DatasetStatus::update_in_progress},
    {DatasetStatus::update_in_progress, DatasetStatus::update_complete},
    {DatasetStatus::update_in_progress, DatasetStatus::update_failed_rollback_in_progress},
    {DatasetStatus::update_failed_rollback_in_progress, DatasetStatus::update_failed_rollback_complete},
    {DatasetStatus::create_complete, DatasetStatus::delete_in_progress},
    {DatasetStatus::update_complete, DatasetStatus::delete_in_progress},
    {DatasetStatus::update_failed_rollback_complete, DatasetStatus::delete_in_progress},
    {DatasetStatus::create_failed, DatasetStatus::delete_in_progress},
    {DatasetStatus::delete_in_progress, DatasetStatus::delete_complete},
    {DatasetStatus::delete_in_progress, DatasetStatus::delete_failed},
    {DatasetStatus::delete_failed, DatasetStatus::delete_in_progress},
}};

template <typename Table, typename Value>
bool has_move(const Table& table, Value from, Value to) {
  for (const auto& move : table)
    if (move.first == from && move.second == to) return true;
  return false;
}

template <typename Table, typename Value>
std::string_view text_of(const Table& table, Value value) {
  for (const auto& [v, text] : table)
    if (v == value) return text;
  throw std::logic_error("a status has no text");
}

template <typename Table>
auto value_of(const Table& table, std::string_view text) {
  for (const auto& [value, t] : table)
    if (t == text) return value;
  throw std::invalid_argument("unknown status in the database: " + std::string(text));
}

}  // namespace

std::string_view to_text(DatasetType type) {
  return type == DatasetType::train ? "train" : "test";
}
std::string_view to_text(DatasetStatus status) {
  return text_of(kDatasetStatus, status);
}
std::string_view to_text(ModelStatus status) {
  return text_of(kModelStatus, status);
}

std::string_view to_text(PackagingJobStatus status) {
  return text_of(kPackagingJobStatus, status);
}

std::optional<DatasetType> parse_dataset_type(std::string_view text) {
  if (text == "train") return DatasetType::train;
  if (text == "test") return DatasetType::test;
  return std::nullopt;
}
DatasetStatus parse_dataset_status(std::string_view text) {
  return value_of(kDatasetStatus, text);
}
ModelStatus parse_model_status(std::string_view text) {
  return value_of(kModelStatus, text);
}
PackagingJobStatus parse_packaging_job_status(std::string_view text) {
  return value_of(kPackagingJobStatus, text);
}

bool can_move(ModelStatus from, ModelStatus to) {
  return has_move(kModelMoves, from, to);
}
bool can_move(DatasetStatus from, DatasetStatus to) {
  return has_move(kDatasetMoves, from, to);
}
bool can_move(PackagingJobStatus from, PackagingJobStatus to) {
  return has_move(kPackagingJobMoves, from, to);
}

bool is_settled(DatasetStatus status) {
  return status == DatasetStatus::create_complete || status == DatasetStatus::update_complete ||
         status == DatasetStatus::update_failed_rollback_complete;
}

std::string project_arn(const Scope& scope, std::string_view project) {
  return "arn:aws:lookoutvision:" + scope.region + ":" + scope.account + ":project/" + std::string(project);
}
std::string model_arn(const Scope& scope, std::string_view project, std::int64_t version) {
  return "arn:aws:lookoutvision:" + scope.region + ":" + scope.account + ":model/" + std::string(project) + "/" +
         std::to_string(version);
}
std::optional<ModelArn> parse_model_arn(std::string_view arn) {
  const auto parts = split(arn, ':');
  if (parts.size() != 6 || parts[0] != "arn" || parts[2] != "lookoutvision" || parts[3].empty() || parts[4].empty())
    return std::nullopt;
  const auto resource = split(parts[5], '/');
  if (resource.size() != 3 || resource[0] != "model" || resource[1].empty()) return std::nullopt;
  const auto version = parse_integer(resource[2]);
  // The number must be written as the API writes it: without a sign and without leading zeros.
  if (!version || *version < 1 || std::to_string(*version) != resource[2]) return std::nullopt;
  return ModelArn{{std::string(parts[4]), std::string(parts[3])}, std::string(resource[1]), *version};
}
std::string to_text(const ModelArn& arn) {
  return model_arn(arn.scope, arn.project, arn.version);
}
std::string component_arn(const Scope& scope, std::string_view name, std::string_view version) {
  return "arn:aws:greengrass:" + scope.region + ":" + scope.account + ":components:" + std::string(name) +
         ":versions:" + std::string(version);
}
std::string user_arn(std::string_view account, std::string_view name) {
  return "arn:aws:iam::" + std::string(account) + ":user/" + std::string(name);
}
std::string bucket_arn(std::string_view bucket) {
  return "arn:aws:s3:::" + std::string(bucket);
}
std::string object_arn(std::string_view bucket, std::string_view key) {
  return "arn:aws:s3:::" + std::string(bucket) + "/" + std::string(key);
}

}  // namespace vedette
