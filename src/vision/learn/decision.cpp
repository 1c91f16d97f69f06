#include "vision/learn/decision.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "vision/evaluate/evaluate.hpp"

namespace vedette {
namespace {

constexpr double kPenalty = 0.02;     // L2, per contestant
constexpr double kLossMargin = 0.01;  // log loss by which a choice must beat the one before it, at least …
constexpr double kLossErrors = 1;  // … and in standard errors of the difference (Breiman et al. 1984, section 3.4.3)
constexpr double kHighestSlope = 6.0;
constexpr double kFalseAlarmBudget = 1.0 / 12;  // when no defect was shown and no budget given
// How far beyond all training pictures one may lie and still be of the same kind.
constexpr double kBrightnessRoom = 3, kSharpnessRoom = 1.7, kLevelRoom = 1.2;

double softplus(double x) {
  return x > 30 ? x : std::log1p(std::exp(x));
}
double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

struct ClassWeights {
  double normal, anomaly;
  explicit ClassWeights(std::span<const std::uint8_t> labels) {
    const auto a = static_cast<double>(std::count_if(labels.begin(), labels.end(), [](auto l) { return l != 0; }));
    const auto n = static_cast<double>(labels.size()) - a;
    normal = n > 0 ? 0.5 / n : 0;
    anomaly = a > 0 ? 0.5 / a : 0;
  }
  [[nodiscard]] double of(std::uint8_t label) const { return label ? anomaly : normal; }
};

bool has_both(std::span<const std::uint8_t> labels) {
  return std::count(labels.begin(), labels.end(), 0) > 0 &&
         std::any_of(labels.begin(), labels.end(), [](auto l) { return l != 0; });
}

}  // namespace

double Fusion::logit(std::span<const double> row) const {
  return std::inner_product(row.begin(), row.end(), weights.begin(), bias);
}

Fusion fit_fusion(const ScoreRows& rows, std::span<const std::uint8_t> is_anomalous, const std::vector<bool>& enabled) {
  const std::size_t width = enabled.size();
  const ClassWeights importance(is_anomalous);
  const auto used = static_cast<double>(std::count(enabled.begin(), enabled.end(), true));
  Fusion f{std::vector<double>(width, 0.0), 0.0};
  for (std::size_t c = 0; c < width; ++c)
    if (enabled[c]) f.weights[c] = 1.0 / used;
  // Lipschitz bound of the gradient: a quarter of the mean squared row (with the bias' 1), plus the penalty.
  double squares = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double s = 1;
    for (double v : rows[i]) s += v * v;
    squares += importance.of(is_anomalous[i]) * s;
  }
  const double step = 1.0 / (0.25 * squares + 2 * kPenalty);
  std::vector<double> gradient(width);
  for (int iteration = 0; iteration < 3000; ++iteration) {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    double bias_gradient = 0, mean_weight = 0;
    for (std::size_t c = 0; c < width; ++c) mean_weight += f.weights[c] / used;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double error = importance.of(is_anomalous[i]) * (sigmoid(f.logit(rows[i])) - (is_anomalous[i] ? 1.0 : 0.0));
      bias_gradient += error;
      for (std::size_t c = 0; c < width; ++c) gradient[c] += error * rows[i][c];
    }
    f.bias -= step * bias_gradient;
    for (std::size_t c = 0; c < width; ++c)
      if (enabled[c]) {
        const double pull = kPenalty * (0.05 * f.weights[c] + (f.weights[c] - mean_weight));
        f.weights[c] = std::max(0.0, f.weights[c] - step * (gradient[c] + pull));
      }
  }
  return f;
}

FusionChoice choose_fusion(const ScoreRows& rows, std::span<const std::uint8_t> is_anomalous,
                           std::span<const std::int64_t> fold, std::int64_t folds) {
  const std::size_t width = rows.empty() ? 0 : rows[0].size();
  if (!has_both(is_anomalous)) {
    FusionChoice choice{{std::vector<double>(width, 1.0 / static_cast<double>(width)), 0.0}, {}};
    for (const auto& row : rows) choice.cross_fitted_logits.push_back(choice.fusion.logit(row));
    return choice;
  }
  // Every candidate is a way to turn a row into fewer columns, on which a logistic model is fitted.
  struct Candidate {
    bool is_mean;
    std::vector<bool> enabled;
  };
  std::vector<Candidate> candidates;
  candidates.push_back({true, std::vector<bool>(width, true)});
  for (std::size_t c = 0; c < width; ++c) {
    candidates.push_back({false, std::vector<bool>(width, false)});
    candidates.back().enabled[c] = true;
  }
  candidates.push_back({false, std::vector<bool>(width, true)});

  const auto fit = [&](const Candidate& candidate, const ScoreRows& r, std::span<const std::uint8_t> labels) {
    if (!candidate.is_mean) return fit_fusion(r, labels, candidate.enabled);
    ScoreRows means;
    for (const auto& row : r)
      means.push_back({std::accumulate(row.begin(), row.end(), 0.0) / static_cast<double>(width)});
    const Fusion one = fit_fusion(means, labels, {true});
    return Fusion{std::vector<double>(width, one.weights[0] / static_cast<double>(width)), one.bias};
  };
  const ClassWeights importance(is_anomalous);
  std::size_t best = 0;
  std::vector<std::vector<double>> losses(candidates.size(), std::vector<double>(rows.size()));  // times importance
  std::vector<std::vector<double>> logits(candidates.size(), std::vector<double>(rows.size()));
  for (std::size_t k = 0; k < candidates.size(); ++k) {
    for (std::int64_t f = 0; f < folds; ++f) {
      ScoreRows others;
      std::vector<std::uint8_t> labels;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (fold[i] != f) others.push_back(rows[i]), labels.push_back(is_anomalous[i]);
      if (!has_both(labels)) others = rows, labels.assign(is_anomalous.begin(), is_anomalous.end());
      const Fusion fusion = fit(candidates[k], others, labels);
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (fold[i] == f) {
          logits[k][i] = fusion.logit(rows[i]);
          losses[k][i] = importance.of(is_anomalous[i]) * softplus(is_anomalous[i] ? -logits[k][i] : logits[k][i]);
        }
    }
    // The mean comes first and wins ties: averaging is the choice that generalises when the data cannot tell.
    double gain = 0, squares = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double difference = losses[best][i] - losses[k][i];
      gain += difference;
      squares += difference * difference;
    }
    const auto count = static_cast<double>(rows.size());
    const double error = std::sqrt(std::max(0.0, squares - gain * gain / count));  // of a sum of independent terms
    if (gain > std::max(kLossMargin, kLossErrors * error)) best = k;
  }
  return {fit(candidates[best], rows, is_anomalous), logits[best]};
}

namespace {

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

/// Upper tail of a normal distribution at the budget, widened as Student's t for few pictures; above all of them if the budget
/// grants fewer than two.
double tail_threshold(std::span<const double> good, double budget) {
  const Normal normal(good);
  const auto count = static_cast<double>(good.size());
  const double t = std::sqrt(-2 * std::log(budget));
  const double z = t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t);  // Abramowitz & Stegun 26.2.22
  const double widened = z * (1 + (z * z + 1) / (4 * std::max(4.0, count - 1)));       // A & S 26.7.5, first term
  const double threshold = normal.mean + widened * normal.deviation;
  if (count * budget >= 2) return threshold;
  return std::max(threshold, *std::max_element(good.begin(), good.end()) + 0.25 * normal.deviation);
}

/// Of n good pictures and a new one, each is equally likely to be the highest, the second highest …: with j = budget · (n + 1)
/// rounded down, the new one passes the j-th highest of the n with a probability of at most the budget.
double conformal_threshold(std::vector<double> good, double budget) {
  const auto allowed = static_cast<std::size_t>(budget * (static_cast<double>(good.size()) + 1) + 1e-9);
  if (allowed == 0) return tail_threshold(good, budget);
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
  // Laplace: after n pictures of the rarer class without a surprise the next one surprises with about 1 in n + 2.
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
    // One-dimensional maximum likelihood for the slope; the loss is convex, so bisect its derivative.
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
                                     : tail_threshold(logits, kFalseAlarmBudget);
  } else {
    d.threshold = *std::min_element(logits.begin(), logits.end()) - 0.25 * deviation;
  }
  d.confidence_slope = std::min(kHighestSlope, 1.5 / deviation);
  return d;
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
                                        std::span<const PictureStatistics> statistics, const DecisionChoice& model,
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
    const DecisionNumbers numbers{.threshold = anomaly_score_of(model.threshold),
                                  .confidence_slope = choice.confidence_slope,
                                  .confidence_limit = choice.confidence_limit,
                                  .plausibility = choose_plausibility(other_statistics)};
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (fold[i] == f) out[i] = decide(logits[i] - choice.threshold + model.threshold, numbers, statistics[i]);
  }
  return out;
}

}  // namespace vedette
