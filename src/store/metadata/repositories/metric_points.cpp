#include <algorithm>

#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

constexpr std::int64_t kDay = 86'400;
/// Points of one period become points of the next period once they are older than `days`. CloudWatch used the same
/// ages.
constexpr struct { std::int64_t period, days, next; } kCoarser[] = {{60, 15, 300}, {300, 63, 3600}};
constexpr std::int64_t kCoarsest = 3600, kKeptDays = 455;
// One call looks at so many points at most, because its transaction holds up other writers.
constexpr std::int64_t kMostPoints = 5'000;

#define VEDETTE_ADD_TO_POINT                                                                                          \
  " ON CONFLICT (account, region, metric, project, start, version, period) DO UPDATE SET sum = metric_points.sum + "  \
  "excluded.sum, count = metric_points.count + excluded.count, minimum = CASE WHEN excluded.minimum < "               \
  "metric_points.minimum THEN excluded.minimum ELSE metric_points.minimum END, maximum = CASE WHEN excluded.maximum " \
  "> "                                                                                                                \
  "metric_points.maximum THEN excluded.maximum ELSE metric_points.maximum END"
#define VEDETTE_SLOTS_OF_METRIC                                                                              \
  "SELECT (start / ?6) * ?6 AS slot, SUM(sum), CAST(SUM(count) AS BIGINT), MIN(minimum), MAX(maximum) FROM " \
  "metric_points WHERE account = ?1 AND region = ?2 AND metric = ?3 AND "
#define VEDETTE_SLOTS_IN_TIME \
  " AND (?8 IS NULL OR version = ?8) AND start >= ?4 AND start < ?5 GROUP BY slot ORDER BY slot"

class MetricPoints : public MetricPointRepository {
 public:
  explicit MetricPoints(Connection& c) : c_(c) {}
  void add(const MetricPoint& p) override {
    c_.prepare(
          "INSERT INTO metric_series (account, region, metric, project, version) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO "
          "NOTHING")
        .bind(p.scope.account)
        .bind(p.scope.region)
        .bind(p.metric)
        .bind(p.project)
        .bind(p.version)
        .send();
    c_.prepare(
          "INSERT INTO metric_points (account, region, metric, project, version, period, start, sum, count, minimum, "
          "maximum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" VEDETTE_ADD_TO_POINT)
        .bind(p.scope.account)
        .bind(p.scope.region)
        .bind(p.metric)
        .bind(p.project)
        .bind(p.version)
        .bind(p.period)
        .bind(p.start)
        .bind(p.sum)
        .bind(p.count)
        .bind(p.minimum)
        .bind(p.maximum)
        .send();
  }
  std::vector<MetricPoint> query(const MetricQuery& r) override {
    // If a project is given, the primary key leads straight to its rows; otherwise it leads to the rows of the metric.
    auto q = c_.prepare(r.project ? VEDETTE_SLOTS_OF_METRIC "project = ?7" VEDETTE_SLOTS_IN_TIME
                                  : VEDETTE_SLOTS_OF_METRIC "(?7 IS NULL OR project = ?7)" VEDETTE_SLOTS_IN_TIME);
    q.bind(r.scope.account)
        .bind(r.scope.region)
        .bind(r.metric)
        .bind(r.start)
        .bind(r.end)
        .bind(r.period)
        .bind(r.project)
        .bind(r.version);
    std::vector<MetricPoint> out;
    while (q.step()) {
      MetricPoint p;
      p.scope = r.scope;
      p.metric = r.metric;
      p.project = r.project.value_or("");
      p.version = r.version.value_or("");
      p.period = r.period;
      p.start = q.integer(0);
      p.sum = q.real(1);
      p.count = q.integer(2);
      p.minimum = q.real(3);
      p.maximum = q.real(4);
      out.push_back(std::move(p));
    }
    return out;
  }
  std::vector<MetricSeries> list(const Scope& s, const MetricSeries& after, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT metric, project, version FROM metric_series WHERE account = ? AND region = ? AND (metric, project, "
        "version) > (?, ?, ?) ORDER BY metric, project, version LIMIT ?");
    q.bind(s.account).bind(s.region).bind(after.metric).bind(after.project).bind(after.version).bind(limit);
    std::vector<MetricSeries> out;
    while (q.step()) out.push_back({q.text(0), q.text(1), q.text(2)});
    return out;
  }
  bool compact(Timestamp now) override {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    bool is_more = false;
    for (const auto& [period, days, next] : kCoarser) {
      // Only whole coarse periods are merged, so that a point never changes again once it is coarse.
      const auto until = bound(period, (seconds - days * kDay) / next * next, next, is_more);
      c_.prepare(
            "INSERT INTO metric_points (account, region, metric, project, version, period, start, sum, count, minimum, "
            "maximum) SELECT account, region, metric, project, version, ?1, (start / ?1) * ?1, SUM(sum), SUM(count), "
            "MIN(minimum), MAX(maximum) FROM metric_points WHERE period = ?3 AND start < ?2 GROUP BY account, region, "
            "metric, project, version, (start / ?1) * ?1" VEDETTE_ADD_TO_POINT)
          .bind(next)
          .bind(until)
          .bind(period)
          .execute();
      remove(period, until);
    }
    remove(kCoarsest, bound(kCoarsest, (seconds - kKeptDays * kDay) / kCoarsest * kCoarsest, kCoarsest, is_more));
    return is_more;
  }

 private:
  /// Returns up to what time the points of a period may be looked at in one call: a multiple of `step`, at most
  /// `until`. Sets `is_more` if older points than `until` remain.
  std::int64_t bound(std::int64_t period, std::int64_t until, std::int64_t step, bool& is_more) {
    auto q =
        c_.prepare("SELECT start FROM metric_points WHERE period = ? AND start < ? ORDER BY start LIMIT 1 OFFSET ?");
    q.bind(period).bind(until).bind(kMostPoints);
    if (!q.step()) return until;
    const auto end = (q.integer(0) / step + 1) * step;
    is_more = is_more || end < until;
    return std::min(end, until);
  }
  void remove(std::int64_t period, std::int64_t until) {
    c_.prepare("DELETE FROM metric_points WHERE period = ? AND start < ?").bind(period).bind(until).execute();
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<MetricPointRepository> make_metric_points(Connection& c) {
  return std::make_unique<MetricPoints>(c);
}

}  // namespace vedette::metadata
