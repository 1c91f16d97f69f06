#include "service/extension.hpp"

#include "base/text.hpp"
#include "service/pagination.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kMostDatapoints = 100'000;
constexpr std::int64_t kMinute = 60;

std::int64_t seconds_of(Timestamp time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Result<TrainingState> training_progress(ExtensionServices& services, const CallContext& call,
                                        const lookoutvision::ModelRequest& request) {
  auto model = services.lookout_vision.describe_model(call, request);
  if (!model) return model.error();
  TrainingState state{std::move(*model), std::nullopt};
  if (const auto p = services.metadata.read()->models().progress(state.model.uid))
    state.progress = extension::Progress{p->stage, p->fraction, p->seconds_left, p->started, p->updated};
  return state;
}

Result<std::vector<extension::Datapoint>> metric_statistics(ExtensionServices& services, const CallContext& call,
                                                            const extension::MetricStatisticsRequest& request) {
  if (request.version && !request.project) return invalid_input("ModelVersion needs a ProjectName beside it.");
  if (request.period_seconds % kMinute != 0) return invalid_input("Period must be a multiple of 60 seconds.");
  const auto start = seconds_of(request.start), end = seconds_of(request.end);
  if (start >= end) return invalid_input("StartTime must be before EndTime.");
  if ((end - start) / request.period_seconds > kMostDatapoints)
    return invalid_input("The time frame holds more than " + std::to_string(kMostDatapoints) +
                         " periods; ask for a longer Period.");
  std::vector<extension::Datapoint> out;
  for (const auto& p : services.metrics.query(
           {call.scope, request.metric, request.project, request.version, start, end, request.period_seconds}))
    out.push_back({Timestamp{std::chrono::seconds(p.start)}, p.sum, p.minimum, p.maximum, p.count});
  return out;
}

Result<Page<MetricSeries>> list_metrics(ExtensionServices& services, const CallContext& call,
                                        const lookoutvision::PageRequest& request) {
  const std::string query = "ListMetrics/" + call.scope.account + "/" + call.scope.region;
  const auto after = read_page_token(query, request.next_token);
  if (!after) return after.error();
  MetricSeries place;
  if (const auto parts = split(*after, '/'); parts.size() == 3)
    place = {std::string(parts[0]), std::string(parts[1]), std::string(parts[2])};
  Page<MetricSeries> page{services.metrics.list(call.scope, place, request.max_results + 1), ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.max_results) {
    page.items.pop_back();
    const auto& last = page.items.back();
    page.next_token = make_page_token(query, last.metric + "/" + last.project + "/" + last.version);
  }
  return page;
}

Result<Page<membership::Watch::Seen>> list_nodes(ExtensionServices& services, const CallContext& call,
                                                 const lookoutvision::PageRequest& request) {
  const std::string query = "ListNodes/" + call.scope.account;
  const auto after = read_page_token(query, request.next_token);
  if (!after) return after.error();
  Page<membership::Watch::Seen> page;
  for (auto& seen : services.nodes.known()) {
    if (seen.node.id <= *after) continue;
    if (static_cast<std::int64_t>(page.items.size()) == request.max_results) {
      page.next_token = make_page_token(query, page.items.back().node.id);
      break;
    }
    page.items.push_back(std::move(seen));
  }
  return page;
}

Result<Page<User>> list_users(ExtensionServices& services, const CallContext& call,
                              const lookoutvision::PageRequest& request) {
  const std::string query = "ListUsers/" + call.scope.account;
  const auto after = read_page_token(query, request.next_token);
  if (!after) return after.error();
  Page<User> page{services.identities.list_users(call.scope.account, *after, request.max_results + 1), ""};
  if (static_cast<std::int64_t>(page.items.size()) > request.max_results) {
    page.items.pop_back();
    page.next_token = make_page_token(query, page.items.back().name);
  }
  return page;
}

}  // namespace vedette
