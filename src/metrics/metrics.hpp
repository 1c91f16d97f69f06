#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "domain/domain.hpp"
#include "store/metadata/metadata.hpp"

/// The metrics of the original service, under their names: counted in memory, shown to Prometheus, and kept in the
/// metadata for 15 months. Thread-safe.
namespace vedette {

enum class Metric {
  detected_anomaly_count,
  processed_image_count,
  invalid_image_count,
  successful_request_count,
  error_count,
  throttled_count,
  time,  ///< milliseconds to judge a picture
  min_inference_units,
  max_inference_units,
  desired_inference_units,
  in_service_inference_units,
};
std::string_view to_text(Metric metric);  ///< "DetectedAnomalyCount"

class Metrics {
 public:
  /// Inference units that demand asks for, and those in service; nothing if this node does not host the model.
  using Units = std::function<std::optional<std::pair<int, int>>(const std::string& model_uid)>;
  Metrics(MetadataStore& store, const Clock& clock, Units units = {})
      : store_(store), clock_(clock), units_(std::move(units)) {}
  ~Metrics();  ///< stops
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// `version` may be empty: calls that concern no model. Only existing projects and versions should be named, since
  /// each makes a series of its own.
  void add(const Scope& scope, const std::string& project, const std::string& version, Metric metric, double value);
  /// One sample of the inference units of every hosted model.
  void sample_hosting();
  /// Writes what was added since the last flush.
  void flush();
  /// Sums per period; what was just added is in it.
  std::vector<MetricPoint> query(const MetricQuery& query);
  /// Which metrics have been recorded, in order, behind a place in it.
  std::vector<MetricSeries> list(const Scope& scope, const MetricSeries& after, std::int64_t limit);
  /// Text exposition format 0.0.4: counters since the start of this process, gauges as last sampled.
  ///   https://prometheus.io/docs/instrumenting/exposition_formats/
  std::string to_prometheus() const;

  /// Flushes every few seconds, samples units as often, compacts every hour; a kill loses the last few seconds.
  void start();
  void stop();  ///< flushes

 private:
  struct Series {
    Scope scope;
    std::string project, version;
    Metric metric;
    bool operator<(const Series& o) const {
      return std::tie(metric, project, version, scope.account, scope.region) <
             std::tie(o.metric, o.project, o.version, o.scope.account, o.scope.region);
    }
  };
  struct Sum {
    double sum = 0, minimum = 0, maximum = 0, last = 0;
    std::int64_t count = 0;
    void add(double value);
  };
  void loop();

  MetadataStore& store_;
  const Clock& clock_;
  const Units units_;
  mutable Mutex mutex_;
  std::map<Series, Sum> totals_ GUARDED_BY(mutex_);
  std::map<std::pair<std::int64_t, Series>, Sum> pending_ GUARDED_BY(mutex_);  // by minute
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace vedette
