#include "vision/infer/decide.hpp"

#include <algorithm>
#include <cmath>

namespace vedette {
namespace {

double inverse_softplus(double y) {
  return y > 30 ? y : std::log(std::expm1(std::max(y, 1e-300)));
}

}  // namespace

DecisionNumbers decision_numbers(const Manifest& m) {
  return {m.threshold, m.confidence_slope, m.confidence_limit, m.plausibility};
}

double anomaly_score_of(double logit) {
  return logit > 30 ? logit : std::log1p(std::exp(logit));
}

double logit_of(double anomaly_score) {
  return anomaly_score > 30 ? anomaly_score : std::log(std::expm1(std::max(anomaly_score, 1e-12)));
}

Decided decide(double logit, const DecisionNumbers& numbers, const PictureStatistics& statistics) {
  Decided out;
  out.anomaly_score = anomaly_score_of(logit);
  out.is_anomalous = out.anomaly_score >= numbers.threshold;
  const double beyond =
      numbers.confidence_slope * (inverse_softplus(out.anomaly_score) - inverse_softplus(numbers.threshold));
  out.confidence = std::clamp(1.0 / (1.0 + std::exp(-std::abs(beyond))), 0.5, numbers.confidence_limit);
  out.reason = implausible_because(numbers.plausibility, statistics);
  if (!out.reason.empty()) {
    out.is_anomalous = true;
    out.anomaly_score = std::max(out.anomaly_score, numbers.threshold);
    out.confidence = numbers.confidence_limit;
  }
  return out;
}

}  // namespace vedette
