#include "vision/evaluate/evaluate.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace vedette {
namespace {

/// Returns the pictures by rising score. What is not a number comes first, and is equal to nothing, not even to itself:
/// whoever counts equal scores must count at least one.
std::vector<std::size_t> order_by_score(std::span<const double> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return std::isnan(scores[a]) ? !std::isnan(scores[b]) : scores[a] < scores[b];
  });
  return order;
}

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0.0;
}

}  // namespace

double auroc(std::span<const double> scores, std::span<const std::uint8_t> is_positive) {
  const auto order = order_by_score(scores);
  double negatives = 0, positives = 0, won = 0;
  for (std::size_t i = 0; i < order.size();) {
    double tied_negatives = 0, tied_positives = 0;
    const double score = scores[order[i]];
    do {
      (is_positive[order[i]] ? tied_positives : tied_negatives) += 1;
      ++i;
    } while (i < order.size() && scores[order[i]] == score);
    won += tied_positives * (negatives + 0.5 * tied_negatives);
    negatives += tied_negatives;
    positives += tied_positives;
  }
  return ratio(won, negatives * positives);
}

double average_precision(std::span<const double> scores, std::span<const std::uint8_t> is_positive) {
  const auto order = order_by_score(scores);
  const auto positives =
      static_cast<double>(std::count_if(is_positive.begin(), is_positive.end(), [](auto p) { return p != 0; }));
  double called = 0, hits = 0, sum = 0;
  for (std::size_t left = order.size(); left > 0;) {
    const double score = scores[order[left - 1]];
    double new_hits = 0;
    do {
      called += 1;
      new_hits += is_positive[order[left - 1]] ? 1 : 0;
      --left;
    } while (left > 0 && scores[order[left - 1]] == score);
    hits += new_hits;
    sum += new_hits * hits / called;
  }
  return ratio(sum, positives);
}

double normal_quantile(double probability) {
  const double t = std::sqrt(-2 * std::log(std::max(1 - probability, 1e-12)));
  return std::max(
      0.0, t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
}

Interval wilson_interval(double hits, double count) {
  if (!(count > 0)) return {};
  constexpr double z = 1.959964;
  const double share = hits / count, spread = z * z / count;
  const double centre = (share + spread / 2) / (1 + spread);
  const double half = z / (1 + spread) * std::sqrt(share * (1 - share) / count + spread / (4 * count));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Interval auroc_interval(double auroc, double positives, double negatives, double folds) {
  if (!(positives > 0 && negatives > 0)) return {};
  const double average = std::max(0.0, (positives + negatives) / folds / 2 - 1);
  const double growth = 1 + average * (1 - auroc) / (2 - auroc) + average * auroc / (1 + auroc);
  const double count = positives * negatives / folds / growth;
  return wilson_interval(auroc * count, count);
}

Interval exceedance_interval(std::int64_t above, std::int64_t count) {
  // With k = above + 1: P(Beta(k, n + 1 − k) ≤ x) = P(Binomial(n, x) ≥ k).
  const auto n = static_cast<double>(count);
  if (above >= count) return {};
  const auto reaches = [&](double rate) {
    double below = 0;
    for (std::int64_t hits = 0; hits <= above; ++hits) {
      const auto h = static_cast<double>(hits);
      below += std::exp(std::lgamma(n + 1) - std::lgamma(h + 1) - std::lgamma(n - h + 1) + h * std::log(rate) +
                        (n - h) * std::log1p(-rate));
    }
    return 1 - below;
  };
  const auto quantile = [&](double share) {
    double low = 0, high = 1;
    for (int step = 0; step < 60; ++step) {
      const double middle = 0.5 * (low + high);
      (reaches(middle) < share ? low : high) = middle;
    }
    return 0.5 * (low + high);
  };
  return {quantile(0.025), quantile(0.975)};
}

ConfusionCounts count_confusion(std::span<const double> scores, std::span<const std::uint8_t> is_positive,
                                double threshold) {
  ConfusionCounts c;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= threshold) {
      ++(is_positive[i] ? c.true_positive : c.false_positive);
    } else {
      ++(is_positive[i] ? c.false_negative : c.true_negative);
    }
  }
  return c;
}

ClassificationMetrics classification_metrics(const ConfusionCounts& c) {
  ClassificationMetrics m;
  const auto tp = static_cast<double>(c.true_positive);
  m.precision = ratio(tp, tp + static_cast<double>(c.false_positive));
  m.recall = ratio(tp, tp + static_cast<double>(c.false_negative));
  m.f1 = ratio(2 * m.precision * m.recall, m.precision + m.recall);
  return m;
}

double minimum_error_threshold(std::span<const double> scores, std::span<const std::uint8_t> is_positive) {
  const auto order = order_by_score(scores);
  double positives = 0, negatives = 0;
  for (auto p : is_positive) (p ? positives : negatives) += 1;
  // Errors are counted as rates of each class: a set with 20 times more good parts must not buy accuracy by calling all
  // of them good.
  double errors = 1.0;  // The threshold begins below everything, where every negative is a false alarm.
  double best_errors = errors;
  const double infinity = std::numeric_limits<double>::infinity(), lowest = scores[order.front()];
  double best_threshold = std::isnan(lowest) ? -infinity : std::nextafter(lowest, -infinity);
  double best_gap = 0;
  for (std::size_t i = 0; i < order.size();) {
    const double score = scores[order[i]];
    do {
      errors += is_positive[order[i]] ? 1.0 / positives : -1.0 / negatives;
      ++i;
    } while (i < order.size() && scores[order[i]] == score);
    if (std::isnan(score)) continue;  // No threshold lies beside it.
    const double next = i < order.size() ? scores[order[i]] : score + std::max(1e-6, std::abs(score) * 1e-3);
    const double gap = next - score;
    // Of equally good thresholds, the one in the widest gap generalises best.
    if (errors < best_errors - 1e-12 || (errors < best_errors + 1e-12 && gap > best_gap)) {
      best_errors = errors;
      best_gap = gap;
      best_threshold = score + 0.5 * gap;
    }
  }
  return best_threshold;
}

double expected_calibration_error(std::span<const double> probability, std::span<const std::uint8_t> is_positive) {
  std::array<double, 10> count{}, confidence{}, correct{};
  for (std::size_t i = 0; i < probability.size(); ++i) {
    const bool called = probability[i] >= 0.5;
    const double c = called ? probability[i] : 1.0 - probability[i];
    const auto bin = std::min<std::size_t>(9, static_cast<std::size_t>(c * 10.0));
    count[bin] += 1;
    confidence[bin] += c;
    correct[bin] += called == (is_positive[i] != 0) ? 1 : 0;
  }
  double error = 0;
  for (std::size_t b = 0; b < count.size(); ++b) error += std::abs(correct[b] - confidence[b]);
  return ratio(error, static_cast<double>(probability.size()));
}

double brier_score(std::span<const double> probability, std::span<const std::uint8_t> is_positive) {
  double sum = 0;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    const double d = probability[i] - (is_positive[i] ? 1.0 : 0.0);
    sum += d * d;
  }
  return ratio(sum, static_cast<double>(probability.size()));
}

OverlapCounts count_overlap(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> truth,
                            std::uint8_t label) {
  OverlapCounts c;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    const bool p = predicted[i] == label, t = truth[i] == label;
    c.predicted += p;
    c.truth += t;
    c.intersection += p && t;
  }
  return c;
}

PixelMetrics pixel_metrics(std::span<const std::vector<float>> maps,
                           std::span<const std::vector<std::uint8_t>> truths) {
  // The upper half of a float's bits orders values that are not negative, with seven bits of mantissa.
  std::vector<double> positive(1 << 16), negative(1 << 16);
  for (std::size_t m = 0; m < maps.size(); ++m)
    for (std::size_t i = 0; i < maps[m].size(); ++i)
      (truths[m][i] != 0 ? positive : negative)[std::bit_cast<std::uint32_t>(std::max(0.0F, maps[m][i])) >> 16] += 1;
  double found = 0, false_alarms = 0, won = 0, precision_sum = 0;
  for (std::size_t b = positive.size(); b-- > 0;) {
    won += negative[b] * (found + 0.5 * positive[b]);
    found += positive[b];
    false_alarms += negative[b];
    if (positive[b] > 0) precision_sum += positive[b] * found / (found + false_alarms);
  }
  if (found == 0 || false_alarms == 0) return {};
  return {won / (found * false_alarms), precision_sum / found};
}

}  // namespace vedette
