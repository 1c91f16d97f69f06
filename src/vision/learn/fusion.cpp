#include "vision/learn/fusion.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "vision/evaluate/evaluate.hpp"
#include "vision/learn/class_weights.hpp"

namespace vedette {
namespace {

constexpr double kPenalty = 0.02;  // The L2 penalty per column.
// The logistic model must have at least this much less log loss, and win by so many standard errors of the difference
// (Breiman et al. 1984, section 3.4.3).
constexpr double kLossMargin = 0.01, kLossErrors = 1;
constexpr double kLeastSlope = 0.1;                  // of the logit per deviation of good pictures
constexpr double kDoubt = 4, kDoubtOfLearners = 12;  // in anomalous pictures
constexpr double kPriorAnomalies = 4;                // The equal weights count for so many anomalous pictures.

double softplus(double x) {
  return x > 30 ? x : std::log1p(std::exp(x));
}

/// Returns weights that sum to 1: those that are in proportion to `shares`, and those in proportion to `strengths`, mixed
/// by how many anomalous pictures speak for the latter.
std::vector<double> blend(const std::vector<double>& shares, std::span<const double> strengths, double anomalies) {
  const double all = std::accumulate(strengths.begin(), strengths.end(), 0.0);
  const double shared = std::accumulate(shares.begin(), shares.end(), 0.0);
  const double trust = all > 0 ? anomalies / (anomalies + kPriorAnomalies) : 0;
  std::vector<double> out;
  for (std::size_t i = 0; i < strengths.size(); ++i)
    out.push_back((1 - trust) * shares[i] / shared + (all > 0 ? trust * strengths[i] / all : 0));
  return out;
}

std::vector<double> shares_of_pools(const Entrant& entrant) {
  return {entrant.is_default.begin(), entrant.is_default.end()};
}

std::vector<double> shares_of(std::span<const Entrant> entrants) {
  std::vector<double> out;
  for (const auto& entrant : entrants) out.push_back(entrant.share);
  return out;
}

double weighted_sum(const std::vector<double>& weights, const std::vector<double>& values) {
  return std::inner_product(weights.begin(), weights.end(), values.begin(), 0.0);
}

/// Both ways to fuse, fitted to the same pictures.
struct Fitted {
  Fusion by_evidence, logistic;
};

Fitted fit(std::span<const ScoreRow> rows, std::span<const std::uint8_t> labels, std::span<const Entrant> entrants,
           double worth) {
  const auto contestants = entrants.size();
  const auto anomalies =
      static_cast<double>(std::count_if(labels.begin(), labels.end(), [](auto l) { return l != 0; }));
  std::vector<std::vector<double>> pools(contestants);                                      // the weights of pools
  std::vector<std::vector<double>> columns(rows.size(), std::vector<double>(contestants));  // one per contestant
  std::vector<double> strengths;
  for (std::size_t c = 0; c < contestants; ++c) {
    std::vector<double> scores(rows.size()), known;
    // Squared, so that what hardly knows anything hardly counts.
    const double doubt = entrants[c].learned_from_labels ? kDoubtOfLearners : kDoubt;
    const auto strength = [&] { return std::pow(evidence(scores, labels, doubt, worth), 2); };
    for (std::size_t p = 0; p < entrants[c].is_default.size(); ++p) {
      for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = rows[i][c][p];
      known.push_back(strength());
    }
    pools[c] = blend(shares_of_pools(entrants[c]), known, worth * anomalies);
    double squares = 0, mean = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = weighted_sum(pools[c], rows[i][c]);
    const double good = static_cast<double>(rows.size()) - anomalies;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (labels[i] == 0) mean += scores[i] / good;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (labels[i] == 0) squares += (scores[i] - mean) * (scores[i] - mean) / good;
    const double scale = 1 / std::max(std::sqrt(squares), 1e-3);
    for (auto& w : pools[c]) w *= scale;
    for (std::size_t i = 0; i < rows.size(); ++i) columns[i][c] = scores[i] * scale;
    strengths.push_back(strength());
  }
  const auto shares = blend(shares_of(entrants), strengths, worth * anomalies);
  std::vector<std::vector<double>> fused;
  for (const auto& column : columns) fused.push_back({weighted_sum(shares, column)});
  auto one = fit_logistic(fused, labels);
  // A few labelled defects that look like good pictures must not switch the detector off.
  one.weights[0] = std::max(one.weights[0], kLeastSlope);
  const auto free = fit_logistic(columns, labels);
  Fitted out{{pools, one.bias}, {pools, free.bias}};
  for (std::size_t c = 0; c < contestants; ++c)
    for (std::size_t p = 0; p < pools[c].size(); ++p) {
      out.by_evidence.weights[c][p] *= shares[c] * one.weights[0];
      out.logistic.weights[c][p] *= free.weights[c];
    }
  return out;
}

}  // namespace

double Fusion::logit(const ScoreRow& row) const {
  double sum = bias;
  for (std::size_t c = 0; c < row.size(); ++c) sum += weighted_sum(weights[c], row[c]);
  return sum;
}

double evidence(std::span<const double> scores, std::span<const std::uint8_t> is_anomalous, double doubt,
                double worth) {
  const auto anomalies = worth * static_cast<double>(std::count_if(is_anomalous.begin(), is_anomalous.end(),
                                                                   [](auto l) { return l != 0; }));
  const double seen = (anomalies * auroc(scores, is_anomalous) + 0.5 * doubt) / (anomalies + doubt);
  return std::sqrt(2.0) * normal_quantile(std::max(seen, 0.5));
}

LinearFusion fit_logistic(std::span<const std::vector<double>> rows, std::span<const std::uint8_t> is_anomalous) {
  const std::size_t width = rows[0].size();
  const ClassWeights importance(is_anomalous);
  LinearFusion f{std::vector<double>(width, 1.0 / static_cast<double>(width)), 0.0};
  // The Lipschitz bound of the gradient is a quarter of the mean squared row (with the bias' 1), plus the penalty.
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
    double bias_gradient = 0;
    const double mean_weight = std::accumulate(f.weights.begin(), f.weights.end(), 0.0) / static_cast<double>(width);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double logit = f.bias + weighted_sum(f.weights, rows[i]);
      const double error =
          importance.of(is_anomalous[i]) * (1 / (1 + std::exp(-logit)) - (is_anomalous[i] ? 1.0 : 0.0));
      bias_gradient += error;
      for (std::size_t c = 0; c < width; ++c) gradient[c] += error * rows[i][c];
    }
    f.bias -= step * bias_gradient;
    for (std::size_t c = 0; c < width; ++c) {
      const double pull = kPenalty * (0.05 * f.weights[c] + (f.weights[c] - mean_weight));
      f.weights[c] = std::max(0.0, f.weights[c] - step * (gradient[c] + pull));
    }
  }
  return f;
}

FusionChoice choose_fusion(std::span<const ScoreRow> rows, std::span<const std::uint8_t> is_anomalous,
                           std::span<const std::int64_t> fold, std::int64_t folds, std::span<const Entrant> entrants,
                           double worth) {
  FusionChoice choice;
  if (!has_both_classes(is_anomalous)) {
    const auto shares = blend(shares_of(entrants), std::vector<double>(entrants.size()), 0);
    for (std::size_t c = 0; c < entrants.size(); ++c) {
      const auto own = shares_of_pools(entrants[c]);
      choice.fusion.weights.push_back(blend(own, std::vector<double>(own.size()), 0));
      for (auto& w : choice.fusion.weights.back()) w *= shares[c];
    }
    for (const auto& row : rows) choice.cross_fitted_logits.push_back(choice.fusion.logit(row));
    return choice;
  }
  const ClassWeights importance(is_anomalous);
  std::vector<double> by_evidence(rows.size()), logistic(rows.size());
  double gain = 0, squares = 0;  // of the logistic model, in log loss
  for (std::int64_t f = 0; f < folds; ++f) {
    std::vector<ScoreRow> others;
    std::vector<std::uint8_t> labels;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (fold[i] != f) others.push_back(rows[i]), labels.push_back(is_anomalous[i]);
    if (!has_both_classes(labels))
      others.assign(rows.begin(), rows.end()), labels.assign(is_anomalous.begin(), is_anomalous.end());
    const auto fitted = fit(others, labels, entrants, worth);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (fold[i] != f) continue;
      by_evidence[i] = fitted.by_evidence.logit(rows[i]);
      logistic[i] = fitted.logistic.logit(rows[i]);
      const auto loss = [&](double logit) {
        return importance.of(is_anomalous[i]) * softplus(is_anomalous[i] ? -logit : logit);
      };
      const double difference = loss(by_evidence[i]) - loss(logistic[i]);
      gain += difference;
      squares += difference * difference;
    }
  }
  // This is the standard error of a sum of independent terms.
  const double error = std::sqrt(std::max(0.0, squares - gain * gain / static_cast<double>(rows.size())));
  const bool takes_logistic = worth >= 1 && gain > std::max(kLossMargin, kLossErrors * error);
  auto fitted = fit(rows, is_anomalous, entrants, worth);
  if (takes_logistic) return {std::move(fitted.logistic), std::move(logistic)};
  return {std::move(fitted.by_evidence), std::move(by_evidence)};
}

}  // namespace vedette
