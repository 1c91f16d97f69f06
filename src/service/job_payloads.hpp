#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "domain/domain.hpp"

/// What the rows of the job queue say; JSON inside.
namespace vedette {

struct ImportJob {
  Scope scope;
  std::string user;  ///< whose rights count
  std::string project;
  DatasetType type = DatasetType::train;
  std::string dataset_uid;
  std::string bucket, key;
  std::optional<std::string> version_id;
};

struct TrainModelJob {
  Scope scope;
  std::string user;
  std::string project;
  std::int64_t version = 0;
};

std::string to_payload(const ImportJob& job);
std::string to_payload(const TrainModelJob& job);
Result<ImportJob> parse_import_job(const std::string& payload);
Result<TrainModelJob> parse_train_model_job(const std::string& payload);

}  // namespace vedette
