#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "domain/domain.hpp"

/// What the rows of the job queue say; JSON inside.
namespace vedette {

/// Whose dataset, and for whom.
struct DatasetJob {
  Scope scope;
  std::string user;  ///< whose rights count
  std::string project;
  DatasetType type = DatasetType::train;
  std::string dataset_uid;
};

struct ImportJob {
  DatasetJob dataset;
  std::string bucket, key;
  std::optional<std::string> version_id;
};

/// A training, or with a job name a packaging.
struct ModelJob {
  Scope scope;
  std::string user;
  std::string project;
  std::int64_t version = 0;
  std::string name;  ///< of a packaging job
};

std::string to_payload(const DatasetJob& job);
std::string to_payload(const ImportJob& job);
std::string to_payload(const ModelJob& job);
Result<DatasetJob> parse_dataset_job(const std::string& payload);
Result<ImportJob> parse_import_job(const std::string& payload);
Result<ModelJob> parse_model_job(const std::string& payload);

}  // namespace vedette
