#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vision/infer/decide.hpp"

/// From scores to verdicts: fusion of contestants, threshold, confidence. Pure functions; deterministic.
namespace vedette {

/// One row per picture: the contestants' standardised out-of-fold scores.
using ScoreRows = std::vector<std::vector<double>>;

/// Logistic model with weights ≥ 0 (a contestant that finds a picture odder never makes it better).
struct Fusion {
  std::vector<double> weights;
  double bias = 0;
  [[nodiscard]] double logit(std::span<const double> row) const;
};

/// Minimises the class-balanced logistic loss with an L2 penalty that draws all weights towards their mean; projected
/// gradient descent.
/// `enabled` restricts it to some contestants (others get 0). Both classes must be present.
Fusion fit_fusion(const ScoreRows& rows, std::span<const std::uint8_t> is_anomalous, const std::vector<bool>& enabled);

/// Chooses between each contestant alone, their mean and a free fusion by the logistic loss on pictures of folds that
/// took no part in the fit; a richer model must win clearly. With one class only: the mean of all, unfitted. fold[i] is
/// picture i's fold.
struct FusionChoice {
  Fusion fusion;
  std::vector<double> cross_fitted_logits;  ///< of each picture, by a fusion fitted without its fold
};
FusionChoice choose_fusion(const ScoreRows& rows, std::span<const std::uint8_t> is_anomalous,
                           std::span<const std::int64_t> fold, std::int64_t folds);

/// Threshold and confidence on one score axis, the fused logit. (A model's manifest holds the threshold as an anomaly score.)
struct DecisionChoice {
  double threshold = 0;
  double confidence_slope = 1;  ///< logit of the confidence per unit beyond the threshold
  double confidence_limit = 0.99;
};
/// With both classes: fewest balanced errors, slope by maximum likelihood with Platt's smoothed targets (Platt 1999; Lin et
/// al. 2007). With good pictures only: a normal tail fitted to their scores, at the height that one good picture in twelve
/// would pass, and above all of them if there are fewer. With defects only: below the lowest of them.
/// With a false-alarm budget (share of good pictures) the threshold is at least as high as their ranks ask for to keep it (conformal
/// prediction, no distribution assumed); where they are too few to say, as high as the normal tail says and above all of them.
DecisionChoice choose_decision(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                               std::optional<double> false_alarm_budget = {});

/// What a picture may be like before it is called implausible: as all of these pictures, good and bad, and some way beyond. At least one.
Plausibility choose_plausibility(std::span<const PictureStatistics> pictures);

/// The verdict on each picture by the rule that serves (infer/decide.hpp), with a threshold, a confidence and limits of plausibility that
/// were chosen without the pictures of its fold. All arguments have one entry per picture; `logits` are those that fusions fitted without
/// the picture's fold gave, `statistics` hold the level by the picture's own fold's models. Folds are numbered from 0; there are at least
/// two. Each fold's scores are shifted so that its threshold is that of `model`, which makes scores of different folds comparable.
std::vector<Decided> decide_out_of_fold(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                                        std::span<const std::int64_t> fold,
                                        std::span<const PictureStatistics> statistics, const DecisionChoice& model,
                                        std::optional<double> false_alarm_budget);

}  // namespace vedette
