#pragma once

#include <algorithm>
#include <vector>

#include "vision/artifact/artifact.hpp"
#include "vision/learn/features.hpp"

/// Says how the maps of contestants become numbers. All functions are pure.
namespace vedette {

/// The names of the contestants that learned from anomalous pictures: from masks, and from labels alone.
inline constexpr const char *kDecoderContestant = "decoder", *kProbeContestant = "linear_probe";

/// Returns the share of the cells that a spot covers. It has as many pixels of the working size in large pictures as in
/// small ones.
inline double spot_fraction(const InputSize& input) {
  return 0.002 * std::min(1.0, kInputPixels / input.pixels());
}

/// Returns the pools of a contestant that has maps. They range from a spot to a changed surface, and count values either
/// absolutely or by how much they stand out.
inline std::vector<Pool> all_pools(const InputSize& input) {
  std::vector<Pool> out;
  for (const double exponent : {0.0, 0.5})
    for (const double fraction : {spot_fraction(input), 5 * spot_fraction(input), 0.05, 0.2})
      out.push_back({.fraction = fraction, .level_exponent = exponent});
  return out;
}

/// Returns whether the pool counts unless the pictures say otherwise. Distances from good pictures count by how much
/// they stand out, and over more than a spot: good pictures have odd spots, too, and a spot that is a defect raises the
/// wider pools as well. What decoders draw counts absolutely, down to the smallest spot.
inline bool is_default_pool(const Contestant& contestant, const Pool& pool, const InputSize& input) {
  if (contestant.name == kProbeContestant) return true;
  if (contestant.name == kDecoderContestant) return pool.level_exponent == 0;
  return pool.level_exponent > 0 && pool.fraction > spot_fraction(input);
}

}  // namespace vedette
