#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Fuses what the contestants say of a picture into one logit. All functions are pure and deterministic.
namespace vedette {

/// The standardised out-of-fold numbers of one picture: [contestant][pool] (Pool).
using ScoreRow = std::vector<std::vector<double>>;

/// A linear model with weights ≥ 0, so that a picture never becomes better because a contestant finds it odder.
struct Fusion {
  std::vector<std::vector<double>> weights;  ///< [contestant][pool]
  double bias = 0;
  [[nodiscard]] double logit(const ScoreRow& row) const;
};

/// The plain logistic model with weights ≥ 0 of as many columns as the rows have. It minimises the class-balanced loss
/// with an L2 penalty that draws all weights towards their mean, by projected gradient descent. Both classes must be
/// present.
struct LinearFusion {
  std::vector<double> weights;
  double bias = 0;
};
LinearFusion fit_logistic(std::span<const std::vector<double>> rows, std::span<const std::uint8_t> is_anomalous);

/// Returns how far a score moves anomalous pictures away from good ones, in standard deviations, judged by its AUROC
/// (d' = √2 Φ⁻¹(AUROC); Green & Swets 1966). It is 0 for a score that knows nothing or is worse than chance. So that luck
/// with few anomalous pictures does not count, `doubt` imagined ones are added that the score does not tell apart. Each
/// real one counts for `worth` pictures.
double evidence(std::span<const double> scores, std::span<const std::uint8_t> is_anomalous, double doubt, double worth);

/// What is known of a contestant before any picture is seen.
struct Entrant {
  std::vector<bool> is_default;  ///< for each pool whether it counts unless the pictures say otherwise
  /// Whether it learned from labels alone what an anomalous picture looks like. Then it tells apart what it was shown,
  /// and later pictures show other defects: it takes more pictures to believe it.
  bool learned_from_labels = false;
  double share = 1;  ///< How much it counts beside others with a share of 1, unless the pictures say otherwise.
};

/// Weighs contestants, and the pools of each, by their evidence: the more anomalous pictures there are, the less counts
/// a contestant that does not tell them apart. With few anomalous pictures the weights are drawn towards the
/// shares of the contestants, and equal ones of the pools that count by default. A logistic model of the contestants takes the place of these weights if its
/// loss on pictures of folds that took no part in the fit is clearly less. With only one class nothing is fitted, and
/// these are taken. fold[i] is the fold of picture i. `worth` says how much an anomalous picture counts: 1,
/// or less if it stands in for real ones; then the logistic model takes no part.
struct FusionChoice {
  Fusion fusion;
  /// The logit of each picture, by a fusion that was fitted without its fold.
  std::vector<double> cross_fitted_logits;
};
FusionChoice choose_fusion(std::span<const ScoreRow> rows, std::span<const std::uint8_t> is_anomalous,
                           std::span<const std::int64_t> fold, std::int64_t folds, std::span<const Entrant> entrants,
                           double worth);

}  // namespace vedette
