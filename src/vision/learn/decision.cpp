#include "vision/learn/decision.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/class_weights.hpp"

namespace vedette {
namespace {

constexpr double kHighestSlope = 6.0;
constexpr double kFalseAlarmBudget = 1.0 / 8;  // The budget when the training showed no defect and gave no budget.
constexpr double kBrightnessRoom = 3, kSharpnessRoom = 1.7, kLevelRoom = 1.2;

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

struct Normal {
  double mean = 0, deviation = 0;
  explicit Normal(std::span<const double> values) {
    const auto count = static_cast<double>(values.size());
    for (double v : values) mean += v / count;
    double square = 0;
    for (double v : values) square += (v - mean) * (v - mean) / std::max(1.0, count - 1);
    deviation = std::max(std::sqrt(square), 1e-3);
  }
};

/// Returns the height that a share `budget` of a normal distribution passes, widened as in Student's t for few pictures.
double tail_height(std::span<const double> good, double budget) {
  const Normal normal(good);
  const auto count = static_cast<double>(good.size());
  const double z = normal_quantile(1 - budget);
  // Abramowitz & Stegun 26.7.5, first term.
  const double widened = z * (1 + (z * z + 1) / (4 * std::max(4.0, count - 1)));
  return normal.mean + widened * normal.deviation;
}

/// Of n good pictures and a new one, each is equally likely to be the highest, the second highest and so on. With j =
/// budget · (n + 1), rounded down, the new one exceeds the j-th highest of the n with a probability of at most the
/// budget.
double conformal_threshold(std::vector<double> good, double budget) {
  const auto allowed = static_cast<std::size_t>(budget * (static_cast<double>(good.size()) + 1) + 1e-9);
  if (allowed == 0)
    return std::max(tail_height(good, budget),
                    *std::max_element(good.begin(), good.end()) + 0.25 * Normal(good).deviation);
  std::sort(good.begin(), good.end(), std::greater<>());
  const auto last = std::min(allowed, good.size()) - 1;
  const double below = good[last];
  return last > 0 && good[last - 1] > below ? 0.5 * (below + good[last - 1]) : below + 1e-9 + 1e-6 * std::abs(below);
}

}  // namespace

DecisionChoice choose_decision(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                               std::optional<double> false_alarm_budget) {
  DecisionChoice d;
  const auto anomalies =
      static_cast<double>(std::count_if(is_anomalous.begin(), is_anomalous.end(), [](auto l) { return l != 0; }));
  const auto normals = static_cast<double>(is_anomalous.size()) - anomalies;
  // Laplace: after n pictures of the rarer class without a surprise, the next one is a surprise with a probability of
  // about 1 in n + 2.
  const double evidence = normals > 0 && anomalies > 0 ? std::min(normals, anomalies) : 0.5 * (normals + anomalies);
  d.confidence_limit = 1.0 - 0.5 / (evidence + 2.0);
  if (normals > 0 && anomalies > 0) {
    d.threshold = minimum_error_threshold(logits, is_anomalous);
    if (false_alarm_budget) {
      std::vector<double> good;
      for (std::size_t i = 0; i < logits.size(); ++i)
        if (!is_anomalous[i]) good.push_back(logits[i]);
      d.threshold = std::max(d.threshold, conformal_threshold(std::move(good), *false_alarm_budget));
    }
    // This finds the slope of maximum likelihood in one dimension. The loss is convex, so its derivative is bisected.
    const ClassWeights importance(is_anomalous);
    const double high_target = (anomalies + 1) / (anomalies + 2), low_target = 1 / (normals + 2);
    double low = 1e-3, high = kHighestSlope;
    for (int step = 0; step < 60; ++step) {
      const double slope = 0.5 * (low + high);
      double derivative = 0;
      for (std::size_t i = 0; i < logits.size(); ++i) {
        const double x = logits[i] - d.threshold;
        derivative +=
            importance.of(is_anomalous[i]) * (sigmoid(slope * x) - (is_anomalous[i] ? high_target : low_target)) * x;
      }
      (derivative > 0 ? high : low) = slope;
    }
    d.confidence_slope = 0.5 * (low + high);
    return d;
  }
  const double deviation = Normal(logits).deviation;
  if (normals > 0) {
    d.threshold = false_alarm_budget ? conformal_threshold({logits.begin(), logits.end()}, *false_alarm_budget)
                                     : tail_height(logits, kFalseAlarmBudget);
  } else {
    d.threshold = *std::min_element(logits.begin(), logits.end()) - 0.25 * deviation;
  }
  d.confidence_slope = std::min(kHighestSlope, 1.5 / deviation);
  return d;
}

double moved_threshold(double old, std::span<const double> good_logits) {
  return std::min(old, 0.5 * (old + tail_height(good_logits, kFalseAlarmBudget)));
}

Plausibility choose_plausibility(std::span<const PictureStatistics> pictures) {
  const auto extreme = [&](double PictureStatistics::*value, bool highest) {
    double out = pictures[0].*value;
    for (const auto& p : pictures) out = highest ? std::max(out, p.*value) : std::min(out, p.*value);
    return out;
  };
  Plausibility limits;
  limits.darkest = extreme(&PictureStatistics::brightness, false) / kBrightnessRoom;
  limits.brightest = 1 - (1 - extreme(&PictureStatistics::brightness, true)) / kBrightnessRoom;
  limits.least_sharpness = extreme(&PictureStatistics::sharpness, false) / kSharpnessRoom;
  // One odd picture in twenty may be what the next foreign one looks like.
  std::vector<double> levels;
  for (const auto& p : pictures) levels.push_back(p.level);
  std::sort(levels.begin(), levels.end());
  limits.highest_level = levels[levels.size() - 1 - levels.size() / 20] * kLevelRoom;
  return limits;
}

std::vector<Decided> decide_out_of_fold(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                                        std::span<const std::int64_t> fold,
                                        std::span<const PictureStatistics> statistics,
                                        std::optional<double> false_alarm_budget) {
  std::vector<Decided> out(logits.size());
  const auto folds = *std::max_element(fold.begin(), fold.end()) + 1;
  for (std::int64_t f = 0; f < folds; ++f) {
    std::vector<double> other_logits;
    std::vector<std::uint8_t> other_labels;
    std::vector<PictureStatistics> other_statistics;
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (fold[i] != f) {
        other_logits.push_back(logits[i]);
        other_labels.push_back(is_anomalous[i]);
        other_statistics.push_back(statistics[i]);
      }
    const auto choice = choose_decision(other_logits, other_labels, false_alarm_budget);
    const DecisionNumbers numbers{.threshold = anomaly_score_of(choice.threshold),
                                  .confidence_slope = choice.confidence_slope,
                                  .confidence_limit = choice.confidence_limit,
                                  .plausibility = choose_plausibility(other_statistics)};
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (fold[i] == f) out[i] = decide(logits[i], numbers, statistics[i]);
  }
  return out;
}

}  // namespace vedette
