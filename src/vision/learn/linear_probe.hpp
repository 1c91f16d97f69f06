#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vedette {

/// A regularised logistic model of descriptions of whole pictures (a linear probe; Alain & Bengio, arXiv:1610.01644).
/// It learns from labels alone, without masks. With z = (x − center) · scale, cut off at ± kProbeLimit, the logit is
/// bias + Σ weights · z.
struct LinearProbe {
  std::vector<float> center, scale, weights;
  float bias = 0;
};
/// So many deviations of good pictures are the most that one number of a description can say.
inline constexpr double kProbeLimit = 8;

/// Fits a probe to descriptions [pictures, width]. Both classes must be present, and count alike. Center and scale are
/// those of the good pictures. There are fewer pictures than numbers in a description, so the dual is solved (kernel
/// logistic regression by iteratively reweighted least squares; Hastie et al. 2009, sections 4.4.1 and 12.3.3): time and
/// memory grow with the square of the number of pictures, and with its cube for the equations. Pure and deterministic.
LinearProbe fit_linear_probe(std::span<const float> descriptions, std::int64_t width,
                             std::span<const std::uint8_t> is_anomalous);

}  // namespace vedette
