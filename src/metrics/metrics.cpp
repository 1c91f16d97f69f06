#include "metrics/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/log.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::size_t kMostSeries = 100'000;  // Callers choose the regions, so series must not fill the memory.
constexpr std::chrono::seconds kFlushInterval{10};
constexpr int kFlushesPerCompaction = 360;

enum class Kind { counter, summary, gauge };
struct Description {
  Metric metric;
  std::string_view name, help;
  Kind kind;
  [[nodiscard]] bool is_gauge() const { return kind == Kind::gauge; }
};
using enum Kind;
constexpr std::array<Description, 16> kDescriptions = {{
    {Metric::detected_anomaly_count, "DetectedAnomalyCount", "Pictures found anomalous", counter},
    {Metric::processed_image_count, "ProcessedImageCount", "Pictures judged", counter},
    {Metric::invalid_image_count, "InvalidImageCount", "Pictures that could not be judged", counter},
    {Metric::successful_request_count, "SuccessfulRequestCount", "API calls that succeeded", counter},
    {Metric::error_count, "ErrorCount", "API calls that failed", counter},
    {Metric::throttled_count, "ThrottledCount", "API calls refused for want of capacity", counter},
    {Metric::time, "Time", "Milliseconds to judge a picture", summary},
    {Metric::min_inference_units, "MinInferenceUnits", "Inference units asked for at least", gauge},
    {Metric::max_inference_units, "MaxInferenceUnits", "Inference units allowed at most", gauge},
    {Metric::desired_inference_units, "DesiredInferenceUnits", "Inference units that scaling aims at", gauge},
    {Metric::in_service_inference_units, "InServiceInferenceUnits", "Inference units in service", gauge},
    {Metric::anomaly_score, "AnomalyScore", "Anomaly scores of pictures found normal", summary},
    {Metric::level, "Level", "How odd judged pictures are as a whole", summary},
    {Metric::brightness, "Brightness", "Mean brightness of judged pictures, 0 to 1", summary},
    {Metric::sharpness, "Sharpness", "Sharpness of judged pictures", summary},
    {Metric::stream_unlike_training, "StreamUnlikeTraining",
     "Whether the latest pictures no longer look like those of the training", gauge},
}};

const Description& description_of(Metric metric) {
  return kDescriptions[static_cast<std::size_t>(metric)];
}

/// Returns a label's value as the exposition format writes it.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string_view to_text(Metric metric) {
  return description_of(metric).name;
}

void Metrics::Sum::add(double value) {
  minimum = count == 0 ? value : std::min(minimum, value);
  maximum = count == 0 ? value : std::max(maximum, value);
  sum += value;
  last = value;
  ++count;
}

Metrics::~Metrics() {
  stop();
}

void Metrics::add(const Scope& scope, const std::string& project, const std::string& version, Metric metric,
                  double value) {
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.now()).time_since_epoch().count();
  Series series{scope, project, version, metric};
  const MutexLock lock(mutex_);
  if (totals_.size() >= kMostSeries && !totals_.contains(series)) return;
  totals_[series].add(value);
  pending_[{now / kMinute * kMinute, std::move(series)}].add(value);
}

void Metrics::sample_hosting() {
  const auto hosted = store_.read()->models().list_in_states({ModelStatus::hosted});
  std::set<Series> live;
  for (const auto& entry : hosted) {
    const auto& scope = entry.scope;
    const auto& model = entry.model;
    const auto minimum = static_cast<double>(model.min_inference_units.value_or(1));
    const auto maximum = static_cast<double>(model.max_inference_units.value_or(model.min_inference_units.value_or(1)));
    const auto version = std::to_string(model.version);
    const auto state = states_ ? states_(model.uid) : std::nullopt;
    if (states_ && !state) continue;
    const auto sample = [&](Metric metric, double value) {
      add(scope, model.project, version, metric, value);
      live.insert({scope, model.project, version, metric});
    };
    sample(Metric::min_inference_units, minimum);
    sample(Metric::max_inference_units, maximum);
    sample(Metric::desired_inference_units, state ? state->desired_units : minimum);
    sample(Metric::in_service_inference_units, state ? state->units_in_service : minimum);
    if (state && state->is_unlike_training) sample(Metric::stream_unlike_training, *state->is_unlike_training ? 1 : 0);
  }
  // The gauge of a model that is no longer hosted must not stand still at its last value.
  const MutexLock lock(mutex_);
  std::erase_if(totals_, [&](const auto& entry) {
    return description_of(entry.first.metric).is_gauge() && !live.contains(entry.first);
  });
}

void Metrics::flush() {
  std::map<std::pair<std::int64_t, Series>, Sum> pending;
  {
    const MutexLock lock(mutex_);
    pending.swap(pending_);
  }
  if (pending.empty()) return;
  try {
    store_.write([&](UnitOfWork& work) {
      for (const auto& [key, sum] : pending) {
        const auto& [minute, series] = key;
        work.metric_points().add({series.scope, std::string(to_text(series.metric)), series.project, series.version,
                                  minute, kMinute, sum.sum, sum.count, sum.minimum, sum.maximum});
      }
    });
  } catch (...) {
    // What could not be written is kept for the next attempt.
    const MutexLock lock(mutex_);
    for (const auto& [key, sum] : pending) {
      auto& there = pending_[key];
      there.minimum = there.count == 0 ? sum.minimum : std::min(there.minimum, sum.minimum);
      there.maximum = there.count == 0 ? sum.maximum : std::max(there.maximum, sum.maximum);
      there.sum += sum.sum;
      there.count += sum.count;
    }
    throw;
  }
}

std::vector<MetricPoint> Metrics::query(const MetricQuery& query) {
  flush();
  return store_.read()->metric_points().query(query);
}

std::vector<MetricSeries> Metrics::list(const Scope& scope, const MetricSeries& after, std::int64_t limit) {
  flush();
  return store_.read()->metric_points().list(scope, after, limit);
}

std::string Metrics::to_prometheus() const {
  const MutexLock lock(mutex_);
  std::string out;
  const Description* described = nullptr;
  for (const auto& [series, sum] : totals_) {
    const auto& d = description_of(series.metric);
    const bool is_summary = d.kind == summary;
    if (described != &d) {
      out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", d.name, d.help,
                         is_summary     ? "summary"
                         : d.is_gauge() ? "gauge"
                                        : "counter");
      described = &d;
    }
    const auto labels = fmt::format("{{project=\"{}\",version=\"{}\",region=\"{}\"}}", escaped(series.project),
                                    escaped(series.version), escaped(series.scope.region));
    if (is_summary) {
      out += fmt::format("{0}_sum{1} {2}\n{0}_count{1} {3}\n", d.name, labels, sum.sum, sum.count);
    } else {
      out += fmt::format("{}{} {}\n", d.name, labels, d.is_gauge() ? sum.last : sum.sum);
    }
  }
  return out;
}

void Metrics::start() {
  thread_ = std::thread([this] { loop(); });
}

void Metrics::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Metrics::loop() {
  for (int turn = 0;; ++turn) {
    bool is_last = false;
    {
      MutexLock lock(mutex_);
      is_last = changed_.wait_for(lock.standard(), turn == 0 ? std::chrono::seconds(0) : kFlushInterval,
                                  [this]() REQUIRES(mutex_) { return stopping_; });
    }
    try {
      sample_hosting();
      flush();
      for (bool is_more = turn % kFlushesPerCompaction == 0; is_more;)
        is_more = store_.write([](UnitOfWork& work) { return work.metric_points().compact(work.now()); });
    } catch (const std::exception& e) {
      log::error("metrics could not be stored: they are kept for the next attempt", {{"reason", e.what()}});
    }
    if (is_last) return;
  }
}

}  // namespace vedette
