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

/// The metrics of the original service, under their names: they are counted in memory, shown to Prometheus, and kept in
/// the metadata for 15 months. Thread-safe.
namespace vedette {

enum class Metric {
  detected_anomaly_count,
  processed_image_count,
  invalid_image_count,
  successful_request_count,
  error_count,
  throttled_count,
  time,  ///< The milliseconds that it took to judge a picture.
  min_inference_units,
  max_inference_units,
  desired_inference_units,
  in_service_inference_units,
  anomaly_score,  ///< Of each picture that was found normal.
  /// Of each judged picture: the statistics with which streams are compared with the training (vision/infer/drift.hpp).
  level,
  brightness,
  sharpness,
  stream_unlike_training,  ///< 1 if the latest pictures no longer look like those of the training, otherwise 0.
};
std::string_view to_text(Metric metric);  ///< Returns a text such as "DetectedAnomalyCount".

class Metrics {
 public:
  /// What is known of a hosted model: the units of all nodes together.
  struct HostedState {
    int desired_units = 0;  ///< The inference units that the demand asks for.
    int units_in_service = 0;
    /// Whether the latest pictures no longer look like those of the training; empty if that cannot be told.
    std::optional<bool> is_unlike_training = {};
  };
  /// Returns nothing if it is not for this node to count the model's units.
  using States = std::function<std::optional<HostedState>(const std::string& model_uid)>;
  Metrics(MetadataStore& store, const Clock& clock, States states = {})
      : store_(store), clock_(clock), states_(std::move(states)) {}
  ~Metrics();  ///< Calls stop().
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Adds a value. `version` may be empty: the call then concerns no model. Only existing projects and versions should
  /// be named, since each makes a series of its own.
  void add(const Scope& scope, const std::string& project, const std::string& version, Metric metric, double value);
  /// Records the inference units that every hosted model has at this moment, and whether its pictures are unlike the
  /// training.
  void sample_hosting();
  /// Writes to the store what was added since the last flush.
  void flush();
  /// Returns sums per period. They include values that were added but not flushed yet.
  std::vector<MetricPoint> query(const MetricQuery& query);
  /// Returns which metrics have been recorded, in order, beginning after the series `after`.
  std::vector<MetricSeries> list(const Scope& scope, const MetricSeries& after, std::int64_t limit);
  /// Returns the metrics in the text exposition format 0.0.4: counters since the start of this process, and gauges as
  /// they were last sampled.
  ///   https://prometheus.io/docs/instrumenting/exposition_formats/
  std::string to_prometheus() const;

  /// Starts a thread that flushes every few seconds, samples the inference units as often, and compacts old points
  /// every hour. If the process is killed, the last few seconds are lost.
  void start();
  void stop();  ///< Stops the thread and flushes.

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
  const States states_;
  mutable Mutex mutex_;
  std::map<Series, Sum> totals_ GUARDED_BY(mutex_);
  std::map<std::pair<std::int64_t, Series>, Sum> pending_
      GUARDED_BY(mutex_);  // The first part of the key is the minute.
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace vedette
