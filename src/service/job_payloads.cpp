#include "service/job_payloads.hpp"

#include <functional>
#include <nlohmann/json.hpp>

namespace vedette {
namespace {

using Json = nlohmann::json;

Json encode(const DatasetJob& j) {
  return {{"account", j.scope.account}, {"region", j.scope.region}, {"user", j.user},
          {"project", j.project},       {"type", to_text(j.type)},  {"dataset_uid", j.dataset_uid}};
}

DatasetJob decode_dataset(const Json& j) {
  return {{j.at("account"), j.at("region")},
          j.at("user"),
          j.at("project"),
          j.at("type") == "test" ? DatasetType::test : DatasetType::train,
          j.at("dataset_uid")};
}

template <typename F>
auto parsed(const std::string& payload, F&& decode) -> Result<decltype(decode(Json()))> {
  try {
    return decode(Json::parse(payload));
  } catch (const Json::exception&) {
    return internal_error("A job in the database is damaged.");
  }
}

}  // namespace

std::string to_payload(const DatasetJob& job) {
  return encode(job).dump();
}

std::string to_payload(const ImportJob& j) {
  Json out = encode(j.dataset);
  out["bucket"] = j.bucket;
  out["key"] = j.key;
  if (j.version_id) out["version_id"] = *j.version_id;
  return out.dump();
}

std::string to_payload(const ModelJob& j) {
  Json out = {{"account", j.scope.account},
              {"region", j.scope.region},
              {"user", j.user},
              {"project", j.project},
              {"version", j.version}};
  if (!j.name.empty()) out["name"] = j.name;
  if (const auto& r = j.rebasing)
    out["rebasing"] = {
        {"base_version", r->base_version}, {"base_uid", r->base_uid}, {"bucket", r->bucket}, {"keys", r->keys}};
  return out.dump();
}

Result<DatasetJob> parse_dataset_job(const std::string& payload) {
  return parsed(payload, decode_dataset);
}

Result<ImportJob> parse_import_job(const std::string& payload) {
  return parsed(payload, [](const Json& j) {
    return ImportJob{decode_dataset(j), j.at("bucket"), j.at("key"),
                     j.contains("version_id") ? std::optional(j["version_id"].get<std::string>()) : std::nullopt};
  });
}

Result<ModelJob> parse_model_job(const std::string& payload) {
  return parsed(payload, [](const Json& j) {
    ModelJob job{
        {j.at("account"), j.at("region")}, j.at("user"), j.at("project"), j.at("version"), j.value("name", "")};
    if (j.contains("rebasing")) {
      const auto& r = j["rebasing"];
      job.rebasing = {r.at("base_version"), r.at("base_uid"), r.at("bucket"), r.at("keys")};
    }
    return job;
  });
}

std::string cut_off_sentence(const char* what, const Job& job) {
  return std::string("The ") + what + " was cut off " + std::to_string(job.lease.rescues) +
         " times, each time with the server that ran it; it may be what stops the servers.";
}

}  // namespace vedette
