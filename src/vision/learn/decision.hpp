#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// Turns scores into verdicts: fusion of contestants, threshold, confidence. The functions are pure and deterministic.
namespace vedette {

/// One row per picture: the contestants' standardised out-of-fold scores.
using ScoreRows = std::vector<std::vector<double>>;

/// A logistic model with weights ≥ 0: a contestant that finds a picture odder never makes the picture better.
struct Fusion {
  std::vector<double> weights;
  double bias = 0;
  [[nodiscard]] double logit(std::span<const double> row) const;
};

/// Minimises the class-balanced logistic loss with an L2 penalty that draws all weights towards their mean. The method
/// is projected gradient descent. `enabled` restricts it to some contestants (the others get 0). Both classes must be
/// present.
Fusion fit_fusion(const ScoreRows& rows, std::span<const std::uint8_t> is_anomalous, const std::vector<bool>& enabled);

/// Chooses between each contestant alone, their mean and a free fusion, by the logistic loss on pictures of folds that
/// took no part in the fit. A richer model must win clearly. With only one class the mean of all is taken, and nothing
/// is fitted. fold[i] is the fold of picture i.
struct FusionChoice {
  Fusion fusion;
  /// The logit of each picture, by a fusion that was fitted without its fold.
  std::vector<double> cross_fitted_logits;
};
FusionChoice choose_fusion(const ScoreRows& rows, std::span<const std::uint8_t> is_anomalous,
                           std::span<const std::int64_t> fold, std::int64_t folds);

/// The threshold and the confidence on one axis of scores (the fused logit).
struct Decision {
  double threshold = 0;
  double confidence_slope = 1;  ///< The logit of the confidence per unit beyond the threshold.
  double confidence_limit = 0.99;
};
/// Chooses the threshold and the confidence. With both classes, the threshold has the fewest balanced errors, and the
/// slope has the maximum likelihood with Platt's smoothed targets (Platt 1999; Lin et al. 2007). With good pictures
/// only, a normal tail is fitted to their scores; the threshold lies at the height that one good picture in twelve
/// would exceed, and above all of them if there are fewer. With defects only, it lies below the lowest of them.
/// With a false-alarm budget (share of good pictures) the threshold is at least so high that the ranks of the good
/// pictures keep the budget (conformal prediction, no distribution is assumed). Where the good pictures are too few to
/// say, it is as high as the normal tail says and above all of them.
Decision choose_decision(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                         std::optional<double> false_alarm_budget = {});

}  // namespace vedette
