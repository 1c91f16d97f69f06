#include "vision/infer/decide.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace vedette {
namespace {

double inverse_softplus(double y) {
  return y > 30 ? y : std::log(std::expm1(std::max(y, 1e-300)));
}

}  // namespace

DecisionNumbers decision_numbers(const Manifest& m) {
  return {m.threshold, m.confidence_slope, m.confidence_limit, m.plausibility, m.trained_threshold};
}

double anomaly_score_of(double logit) {
  return logit > 30 ? logit : std::log1p(std::exp(logit));
}

double logit_of(double anomaly_score) {
  return anomaly_score > 30 ? anomaly_score : std::log(std::expm1(std::max(anomaly_score, 1e-12)));
}

Decided decide(double logit, const DecisionNumbers& numbers, const PictureStatistics& statistics) {
  return decide_by_score(anomaly_score_of(logit), numbers, implausible_because(numbers.plausibility, statistics));
}

Decided decide_by_score(double anomaly_score, const DecisionNumbers& numbers, std::string reason) {
  Decided out;
  out.reason = std::move(reason);
  if (!out.reason.empty()) {
    out.is_anomalous = true;
    out.anomaly_score = std::max(anomaly_score, numbers.threshold);
    out.confidence = numbers.confidence_limit;
    return out;
  }
  out.anomaly_score = anomaly_score;
  out.is_anomalous = anomaly_score >= numbers.threshold;
  const double even = numbers.even_score.value_or(numbers.threshold);
  const double beyond = numbers.confidence_slope * (inverse_softplus(anomaly_score) - inverse_softplus(even));
  const double least = numbers.even_score ? 1.0 - numbers.confidence_limit : 0.5;
  out.confidence =
      std::clamp(1.0 / (1.0 + std::exp(out.is_anomalous ? -beyond : beyond)), least, numbers.confidence_limit);
  return out;
}

}  // namespace vedette
