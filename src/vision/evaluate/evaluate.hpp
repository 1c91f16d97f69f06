#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// Metrics and the choice of a threshold. The functions are pure; any thread may call them. "Positive" always means
/// anomalous; scores are larger for more anomalous pictures. Degenerate sets (one class is missing, nothing is
/// predicted) give 0, never NaN.
namespace vedette {

/// Returns the area under the ROC curve, with ties counted half (the Mann–Whitney statistic), or 0 if a class is
/// missing.
double auroc(std::span<const double> scores, std::span<const std::uint8_t> is_positive);

/// Returns the average precision: the sum over distinct thresholds of (recall step) × precision. It is 0 without
/// positives.
double average_precision(std::span<const double> scores, std::span<const std::uint8_t> is_positive);

struct ConfusionCounts {
  std::int64_t true_positive = 0, false_positive = 0, true_negative = 0, false_negative = 0;
};
struct ClassificationMetrics {
  double precision = 0, recall = 0, f1 = 0;
};

/// Counts verdicts, where a score ≥ threshold is called positive.
ConfusionCounts count_confusion(std::span<const double> scores, std::span<const std::uint8_t> is_positive,
                                double threshold);
ClassificationMetrics classification_metrics(const ConfusionCounts& counts);

/// Returns the quantile of the standard normal distribution, to 5e-4 (Abramowitz & Stegun 26.2.23). The probability is
/// 0.5 or more; beyond 1 − 1e-12 it counts as that.
double normal_quantile(double probability);

/// A 95 % confidence interval within 0 … 1. Without pictures it is 0 … 1.
struct Interval {
  double low = 0, high = 1;
};
/// Returns the interval of a share: Wilson's score interval (1927). The counts need not be whole.
Interval wilson_interval(double hits, double count);
/// Returns the interval of an AUROC: Wilson's interval for the number of pictures that has the variance of Hanley and
/// McNeil as Newcombe modified it (Statistics in Medicine 2006, 25:559, method 4), so that 1.0 on few pictures is no
/// certainty. If only pictures of the same fold were compared, there are fewer pairs, and `folds` says how many folds the
/// pictures are in.
Interval auroc_interval(double auroc, double positives, double negatives, double folds = 1);

/// Returns the interval of the rate at which new good pictures exceed a threshold that `above` of `count` good pictures
/// exceeded. The new pictures are seen as exchangeable with those, so their rank decides, whatever the distribution
/// (split conformal prediction; Vovk, ACML 2012: Beta(above + 1, count − above)).
Interval exceedance_interval(std::int64_t above, std::int64_t count);

/// Returns the threshold with the fewest errors, weighted so that both classes count as in a balanced set if they
/// differ in size. It lies in the middle of the gap that separates the scores there. Both classes must be present and
/// the scores must be finite.
double minimum_error_threshold(std::span<const double> scores, std::span<const std::uint8_t> is_positive);

/// Returns the expected calibration error over 10 bins of equal width of the predicted probability of the positive
/// class (Guo et al., ICML 2017, equation 3, on the confidence of the returned class).
double expected_calibration_error(std::span<const double> probability, std::span<const std::uint8_t> is_positive);
/// Returns the mean squared difference of probability and outcome (Brier 1950).
double brier_score(std::span<const double> probability, std::span<const std::uint8_t> is_positive);

/// The overlap of two masks of the same size, where the truth equals a label. Its IoU (intersection over union) is 1 if
/// both masks are empty.
struct OverlapCounts {
  std::int64_t intersection = 0, predicted = 0, truth = 0;
  [[nodiscard]] double iou() const {
    const auto united = predicted + truth - intersection;
    return united > 0 ? static_cast<double>(intersection) / static_cast<double>(united) : 1.0;
  }
};
OverlapCounts count_overlap(std::span<const std::uint8_t> predicted, std::span<const std::uint8_t> truth,
                            std::uint8_t label);

/// Empty unless there are pixels of both kinds.
struct PixelMetrics {
  std::optional<double> auroc, average_precision;
};
/// Computes the metrics over very many pixels, from a histogram whose bins are 0.8 % wide. Map values are ≥ 0; a truth
/// of 0 is background.
PixelMetrics pixel_metrics(std::span<const std::vector<float>> maps, std::span<const std::vector<std::uint8_t>> truths);

}  // namespace vedette
