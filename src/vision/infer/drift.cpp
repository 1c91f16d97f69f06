#include "vision/infer/drift.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vedette {
namespace {

constexpr std::size_t kEvery = 10;      // So many pictures come between two comparisons.
constexpr std::size_t kMostSteps = 32;  // of probability, between two quantiles
constexpr double kReturn = 0.75;        // The share of the limit below which a stream has come back.

/// Returns the share of the training pictures that have at most this value.
double cumulative(const std::vector<double>& quantiles, double value) {
  const auto above = std::upper_bound(quantiles.begin(), quantiles.end(), value);
  if (above == quantiles.begin()) return 0;
  if (above == quantiles.end()) return 1;
  const double low = *(above - 1), part = (value - low) / (*above - low);
  return (static_cast<double>(above - quantiles.begin() - 1) + part) / static_cast<double>(quantiles.size() - 1);
}

/// How far the cumulative distribution of a stream is from that of the training.
struct Distance {
  double higher = 0, lower = 0;  ///< The largest distance to that side, 0 … 1.
  [[nodiscard]] double larger() const { return std::max(higher, lower); }
};
Distance distance(const std::vector<double>& training, std::vector<double> stream) {
  std::sort(stream.begin(), stream.end());
  const auto count = static_cast<double>(stream.size());
  Distance out;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    const double expected = cumulative(training, stream[i]), below = static_cast<double>(i) / count;
    out.higher = std::max(out.higher, expected - below);
    out.lower = std::max(out.lower, below + 1 / count - expected);
  }
  return out;
}

}  // namespace

double quantile(std::span<const double> rising, double probability) {
  const double place = probability * static_cast<double>(rising.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), rising.size() - 1);
  const auto above = std::min(below + 1, rising.size() - 1);
  return rising[below] + (place - static_cast<double>(below)) * (rising[above] - rising[below]);
}

TrainingLooks summarize_looks(std::span<const Look> good) {
  TrainingLooks out{static_cast<std::int64_t>(good.size()), {}, {}, {}, {}};
  const auto steps = std::clamp<std::size_t>(good.size() - 1, 1, kMostSteps);
  const auto summarize = [&](std::vector<double>& quantiles, const auto& value_of) {
    std::vector<double> values;
    for (const auto& look : good) values.push_back(value_of(look));
    std::sort(values.begin(), values.end());
    for (std::size_t i = 0; i <= steps; ++i)
      quantiles.push_back(quantile(values, static_cast<double>(i) / static_cast<double>(steps)));
  };
  summarize(out.anomaly_score, [](const Look& l) { return l.anomaly_score; });
  summarize(out.level, [](const Look& l) { return l.statistics.level; });
  summarize(out.brightness, [](const Look& l) { return l.statistics.brightness; });
  summarize(out.sharpness, [](const Look& l) { return l.statistics.sharpness; });
  return out;
}

std::string describe(const StreamState& state) {
  switch (state.kind) {
    case StreamState::Kind::unknown:
      return "The model does not know what its training pictures look like: train it again to have streams compared "
             "with them.";
    case StreamState::Kind::too_few:
      return fmt::format("{} pictures are too few to be compared with the training; it takes {}.", state.pictures,
                         StreamMonitor::kLeast);
    case StreamState::Kind::like_training:
      return fmt::format("The latest {} pictures look like those of the training.", state.pictures);
    case StreamState::Kind::unlike_training:
      break;
  }
  std::string how;
  for (const auto& difference : state.differences) how += (how.empty() ? "" : ", ") + difference;
  return fmt::format(
      "The latest {} pictures no longer look like those of the training: they are {}. Move the model with good "
      "pictures "
      "of this kind (vedette rebase, or RebaseModel), or train again with them.",
      state.pictures, how);
}

std::optional<StreamState> StreamMonitor::add(const Look& look) {
  if (!training_) return std::nullopt;
  // Only a broken model makes other numbers, and they have no order.
  for (const double value :
       {look.anomaly_score, look.statistics.level, look.statistics.brightness, look.statistics.sharpness})
    if (!std::isfinite(value)) return std::nullopt;
  {
    const MutexLock lock(mutex_);
    if (window_.size() < kWindow)
      window_.push_back(look);
    else
      window_[count_ % kWindow] = look;
    ++count_;
    if (window_.size() < kLeast || count_ % kEvery != 0) return std::nullopt;
    const bool had_left = has_left_;
    compare();
    if (has_left_ == had_left) return std::nullopt;
  }
  return state();
}

StreamState StreamMonitor::state() const {
  if (!training_) return {};
  const MutexLock lock(mutex_);
  const auto pictures = static_cast<std::int64_t>(window_.size());
  if (window_.size() < kLeast) return {StreamState::Kind::too_few, pictures};
  if (has_left_) return {StreamState::Kind::unlike_training, pictures, differences_};
  return {StreamState::Kind::like_training, pictures};
}

void StreamMonitor::compare() {
  const auto distance_of = [this](const std::vector<double>& training, const auto& value_of) REQUIRES(mutex_) {
    std::vector<double> stream;
    for (const auto& look : window_) stream.push_back(value_of(look));
    return distance(training, std::move(stream));
  };
  const auto score = distance_of(training_->anomaly_score, [](const Look& l) { return l.anomaly_score; });
  const auto level = distance_of(training_->level, [](const Look& l) { return l.statistics.level; });
  const double limit = kMostAnomalous + kCritical * std::sqrt(1 / static_cast<double>(training_->pictures) +
                                                              1 / static_cast<double>(window_.size()));
  const double largest = std::max(score.larger(), level.larger());
  has_left_ = largest > (has_left_ ? kReturn * limit : limit);
  if (!has_left_) return;
  const auto brightness = distance_of(training_->brightness, [](const Look& l) { return l.statistics.brightness; });
  const auto sharpness = distance_of(training_->sharpness, [](const Look& l) { return l.statistics.sharpness; });
  differences_.clear();
  const auto name = [&](const Distance& d, const char* higher, const char* lower) REQUIRES(mutex_) {
    if (d.larger() >= std::min(limit, largest)) differences_.emplace_back(d.higher > d.lower ? higher : lower);
  };
  name(brightness, "brighter", "darker");
  name(sharpness, "sharper", "less sharp");
  name(level, "odder as a whole", "more alike as a whole");
  name(score, "more often close to anomalous", "farther from anomalous");
}

}  // namespace vedette
