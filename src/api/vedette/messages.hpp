#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/model.hpp"
#include "domain/domain.hpp"

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

Json encode_user(const std::string& account, const std::string& name, const std::vector<std::string>& policies,
                 Timestamp created);
Json encode_access_key(const std::string& id, const std::string& user, bool is_active, Timestamp created);
Json encode_policy(const std::string& name, const std::string& document, bool is_managed);

}  // namespace vedette::extension
