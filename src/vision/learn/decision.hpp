#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vision/infer/decide.hpp"

/// Turns fused scores into verdicts: it chooses threshold and confidence. All functions are pure and deterministic.
namespace vedette {

/// Threshold and confidence on the axis of the fused logit. (A model's manifest holds the threshold as an anomaly
/// score.)
struct DecisionChoice {
  double threshold = 0;
  double confidence_slope = 1;  ///< The logit of the confidence per unit beyond the threshold.
  double confidence_limit = 0.99;
};
/// Chooses threshold and confidence.
///
/// With pictures of both classes, the threshold makes the fewest balanced errors, and the slope of the confidence has
/// the maximum likelihood with Platt's smoothed targets (Platt 1999; Lin et al. 2007). With good pictures only, a
/// normal tail is fitted to their scores: the threshold is the height that one good picture in eight would pass. (Later
/// pictures pass it less often, because all folds judge them together, which errs less than a single fold.) With defects
/// only, the threshold is below the lowest of them.
///
/// With a false-alarm budget (a share of the good pictures, 0 … 1), the threshold is at least as high as the ranks of
/// the good pictures demand to keep the budget (conformal prediction, which assumes no distribution). If there are too
/// few pictures for that, it is as high as the normal tail of that share says and above all of them.
DecisionChoice choose_decision(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                               std::optional<double> false_alarm_budget = {});

/// Chooses the limits outside of which a picture is called implausible. They enclose all of these pictures, good and
/// bad, and leave some room beyond. There must be at least one picture.
Plausibility choose_plausibility(std::span<const PictureStatistics> pictures);

/// Returns the threshold of a model that was moved to another batch, given the logits of good pictures of that batch by
/// models that had not seen them; there must be two or more. A moved model knows more good pictures, so that anomalous
/// ones stand out less than its old threshold expects. The new one lies halfway between the old one and the height that
/// one in eight of these good pictures would pass; it is never above the old one. (Halfway was chosen on six products:
/// lower ones gain little where the old one is far too high, and cost false alarms where it is right.)
double moved_threshold(double old, std::span<const double> good_logits);

/// Returns the verdict on each picture by the rule that serves (infer/decide.hpp), with a threshold, a confidence and
/// limits of plausibility that were chosen without the pictures of its fold. All arguments have one entry per picture.
/// `logits` come from fusions that were fitted without the picture's fold, and `statistics` hold the level by the
/// models of the picture's own fold. Folds are numbered from 0; there are at least two. A score stays as
/// it is and is compared with the threshold of its fold.
std::vector<Decided> decide_out_of_fold(std::span<const double> logits, std::span<const std::uint8_t> is_anomalous,
                                        std::span<const std::int64_t> fold,
                                        std::span<const PictureStatistics> statistics,
                                        std::optional<double> false_alarm_budget);

}  // namespace vedette
