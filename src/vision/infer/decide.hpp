#pragma once

#include <optional>
#include <string>

#include "vision/artifact/artifact.hpp"
#include "vision/infer/plausibility.hpp"

/// Turns numbers into a verdict; this is the only place that does so. `combine` calls it for every picture that a model
/// judges, and vision/learn calls it for the pictures that a training judges out of fold, so that what a training
/// reports is what the model will say.
namespace vedette {

/// Holds the numbers, besides the picture's, on which a verdict depends. The manifest of a model holds its numbers; an
/// out-of-fold evaluation has one set per fold.
struct DecisionNumbers {
  double threshold = 0;         ///< threshold of the anomaly score: a score at or above it is anomalous
  double confidence_slope = 1;  ///< logit of the confidence per unit of fused logit beyond the threshold, > 0
  double confidence_limit = 1;  ///< the highest confidence that the number of training pictures supports, 0.5 … 1
  Plausibility plausibility;
  /// The score at which both verdicts are equally probable, if that is not the threshold because a user moved it.
  std::optional<double> even_score = {};
};
/// Returns the numbers of the model itself.
DecisionNumbers decision_numbers(const Manifest& manifest);

/// Holds a verdict without its map and mask.
struct Decided {
  double anomaly_score = 0;
  /// The probability that the verdict is right: 0.5 … confidence_limit, and less than 0.5 only if the score lies between
  /// the even score and the threshold.
  double confidence = 0;
  bool is_anomalous = false;
  std::string reason;  ///< the text of implausible_because(); empty if the model can judge the picture
};

/// Returns the anomaly score of a fused logit, log(1 + exp(logit)). It is > 0 and rises with the logit.
double anomaly_score_of(double logit);
/// Returns the logit of an anomaly score > 0: the inverse of anomaly_score_of().
double logit_of(double anomaly_score);

/// Decides on a picture. `logit` is the fusion of the contestants' scores. The picture is anomalous if its score
/// reaches the threshold. If the model cannot judge the picture (plausibility.hpp), it is anomalous whatever its score
/// is; its score is then raised to the threshold if it is lower, and its confidence is the highest possible. This is a
/// pure function.
///
/// Where the threshold lies is a choice; how probably a picture with some score is anomalous is a fact that the training
/// measured. So a moved threshold changes the verdict, but not the probability: between both scores the verdict is the
/// less probable one, and its confidence, which says so, is below 0.5.
Decided decide(double logit, const DecisionNumbers& numbers, const PictureStatistics& statistics);
/// Decides by the score instead of the logit; `reason` is the text of implausible_because().
Decided decide_by_score(double anomaly_score, const DecisionNumbers& numbers, std::string reason);

}  // namespace vedette
