#include "api/vedette/messages.hpp"

#include <nlohmann/json.hpp>

#include "api/members.hpp"

namespace vedette::embedded {
extern const std::string_view vedette_model;
}

namespace vedette::extension {

const ApiModel& api_model() {
  static const ApiModel model = ApiModel::parse(embedded::vedette_model);
  return model;
}

MetricStatisticsRequest::MetricStatisticsRequest(const Json& m)
    : metric(m.at("MetricName")),
      project(optional_text(m, "ProjectName")),
      version(optional_text(m, "ModelVersion")),
      start(std::chrono::milliseconds(m.at("StartTime").get<std::int64_t>())),
      end(std::chrono::milliseconds(m.at("EndTime").get<std::int64_t>())),
      period_seconds(m.value("Period", std::int64_t{60})) {}

Json encode_datapoints(const std::string& metric, const std::vector<Datapoint>& points) {
  Json list = Json::array();
  for (const auto& p : points)
    list.push_back({{"Timestamp", seconds(p.time)},
                    {"Sum", p.sum},
                    {"Average", p.count > 0 ? p.sum / static_cast<double>(p.count) : 0.0},
                    {"Minimum", p.minimum},
                    {"Maximum", p.maximum},
                    {"SampleCount", p.count}});
  return {
      {"MetricName", metric}, {"Unit", metric == "Time" ? "Milliseconds" : "Count"}, {"Datapoints", std::move(list)}};
}

Json encode_progress(const Scope& scope, const Model& model, const std::optional<Progress>& progress) {
  Json out = {{"ModelArn", model_arn(scope, model.project, model.version)},
              {"Status", to_text(model.status)},
              {"StatusMessage", model.status_message}};
  if (progress) {
    out["Stage"] = progress->stage;
    out["FractionDone"] = progress->fraction;
    if (progress->seconds_left) out["SecondsLeft"] = *progress->seconds_left;
    out["StartTimestamp"] = seconds(progress->started);
    out["LastUpdatedTimestamp"] = seconds(progress->updated);
  }
  return {{"TrainingProgress", std::move(out)}};
}

Json encode_user(const std::string& account, const std::string& name, const std::vector<std::string>& policies,
                 Timestamp created) {
  return {{"UserName", name},
          {"UserArn", user_arn(account, name)},
          {"CreationTimestamp", seconds(created)},
          {"AttachedPolicies", policies}};
}

Json encode_access_key(const std::string& id, const std::string& user, bool is_active, Timestamp created) {
  return {{"AccessKeyId", id},
          {"UserName", user},
          {"Status", is_active ? "ACTIVE" : "REVOKED"},
          {"CreationTimestamp", seconds(created)}};
}

Json encode_policy(const std::string& name, const std::string& document, bool is_managed) {
  return {{"PolicyName", name}, {"PolicyDocument", document}, {"IsManaged", is_managed}};
}

}  // namespace vedette::extension
