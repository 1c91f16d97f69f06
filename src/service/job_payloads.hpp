#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "domain/domain.hpp"
#include "store/metadata/jobs.hpp"

/// Reads and writes the payloads of the rows in the job queue, which are JSON.
namespace vedette {

/// Says which dataset a job concerns, and for which user it runs.
struct DatasetJob {
  Scope scope;
  std::string user;  ///< the user with whose rights the job runs
  std::string project;
  DatasetType type = DatasetType::train;
  std::string dataset_uid;
};

struct ImportJob {
  DatasetJob dataset;
  std::string bucket, key;
  std::optional<std::string> version_id;
};

/// Says how a model is moved to another batch: from which model, and with which good pictures.
struct Rebasing {
  std::int64_t base_version = 0;
  std::string base_uid;  ///< names the files of the base, also if it is deleted and its project made anew
  std::string bucket;
  std::vector<std::string> keys;
};

/// Says which model a job makes or, if it holds a name, packages or tries; a check of datasets has no model.
struct ModelJob {
  Scope scope;
  std::string user;
  std::string project;
  std::int64_t version = 0;
  std::string name;  ///< the name of the packaging job, or the uid of the trial or the check; empty for all others
  std::optional<Rebasing> rebasing = {};  ///< If empty, the model is trained.
};

std::string to_payload(const DatasetJob& job);
std::string to_payload(const ImportJob& job);
std::string to_payload(const ModelJob& job);
Result<DatasetJob> parse_dataset_job(const std::string& payload);
Result<ImportJob> parse_import_job(const std::string& payload);
Result<ModelJob> parse_model_job(const std::string& payload);

/// Tells a user why a job is given up. `what` says what the job did: "training", for example.
std::string cut_off_sentence(const char* what, const Job& job);

}  // namespace vedette
