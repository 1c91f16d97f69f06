#pragma once

#include <algorithm>
#include <vector>

#include "vision/artifact/artifact.hpp"
#include "vision/learn/features.hpp"

/// Says how the maps of contestants become numbers. All functions are pure.
namespace vedette {

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

/// Returns whether the pool counts for distances from good pictures unless the pictures say otherwise. Distances count
/// by how much they stand out, and over more than a spot: good pictures have odd spots, too, and a spot that is a defect
/// raises the wider pools as well.
inline bool is_default_of_distances(const Pool& pool, const InputSize& input) {
  return pool.level_exponent > 0 && pool.fraction > spot_fraction(input);
}

}  // namespace vedette
