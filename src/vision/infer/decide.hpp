#pragma once

#include <string>

#include "vision/artifact/artifact.hpp"
#include "vision/infer/plausibility.hpp"

/// The one place where numbers become a verdict. `combine` asks it for every picture that a model judges, and vision/learn for the
/// pictures that a training judges out of fold, so that what a training reports is what the model will say.
namespace vedette {

/// What a verdict depends on beside the picture. A model's own stand in its manifest; an out-of-fold evaluation has one set per fold.
struct DecisionNumbers {
  double threshold = 0;         ///< on the anomaly score: a score at or above it is anomalous
  double confidence_slope = 1;  ///< > 0: logit of the confidence per unit of fused logit beyond the threshold
  double confidence_limit = 1;  ///< 0.5 … 1: what so few training pictures can support
  Plausibility plausibility;
};
/// The model's own.
DecisionNumbers decision_numbers(const Manifest& manifest);

/// The verdict without its map and mask.
struct Decided {
  double anomaly_score = 0;
  double confidence = 0;  ///< 0.5 … confidence_limit, of the class that was decided for
  bool is_anomalous = false;
  std::string reason;  ///< not empty: implausible_because()
};

/// The anomaly score of a fused logit, log(1 + exp(logit)): > 0 and rising.
double anomaly_score_of(double logit);

/// `logit`: the contestants' scores, fused. The picture is anomalous if its score reaches the threshold, and whatever its score is if it is
/// none that the model can judge (plausibility.hpp): it then gets the threshold as its score if that is higher, and the highest confidence.
/// A pure function.
Decided decide(double logit, const DecisionNumbers& numbers, const PictureStatistics& statistics);

}  // namespace vedette
