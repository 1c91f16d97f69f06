#include "service/job_payloads.hpp"

#include <nlohmann/json.hpp>

namespace vedette {
using Json = nlohmann::json;

std::string to_payload(const ImportJob& j) {
  Json out = {
      {"account", j.scope.account}, {"region", j.scope.region},     {"user", j.user},     {"project", j.project},
      {"type", to_text(j.type)},    {"dataset_uid", j.dataset_uid}, {"bucket", j.bucket}, {"key", j.key}};
  if (j.version_id) out["version_id"] = *j.version_id;
  return out.dump();
}

std::string to_payload(const TrainModelJob& j) {
  return Json{{"account", j.scope.account},
              {"region", j.scope.region},
              {"user", j.user},
              {"project", j.project},
              {"version", j.version}}
      .dump();
}

Result<ImportJob> parse_import_job(const std::string& payload) {
  try {
    const Json j = Json::parse(payload);
    return ImportJob{{j.at("account"), j.at("region")},
                     j.at("user"),
                     j.at("project"),
                     j.at("type") == "test" ? DatasetType::test : DatasetType::train,
                     j.at("dataset_uid"),
                     j.at("bucket"),
                     j.at("key"),
                     j.contains("version_id") ? std::optional(j["version_id"].get<std::string>()) : std::nullopt};
  } catch (const Json::exception&) {
    return internal_error("A job in the database is damaged.");
  }
}

Result<TrainModelJob> parse_train_model_job(const std::string& payload) {
  try {
    const Json j = Json::parse(payload);
    return TrainModelJob{{j.at("account"), j.at("region")}, j.at("user"), j.at("project"), j.at("version")};
  } catch (const Json::exception&) {
    return internal_error("A job in the database is damaged.");
  }
}

}  // namespace vedette
