#pragma once

#include <cstdint>
#include <vector>

namespace vedette {

inline constexpr int kPatch = 64;     ///< side of a view, pixels
inline constexpr int kQuadrants = 4;  ///< of a view, row by row
/// A light-normalised value v (vision/image/light.hpp) enters the backbone as 0.5 + kNormalizedScale · v.
inline constexpr float kNormalizedScale = 0.2F;

/// What one step learns from. Views are planar RGB, [patches, 3, kPatch, kPatch], 0 … 1; half of the
/// patches are light-normalised in all three.
struct ViewBatch {
  int patches = 0;
  std::vector<float> first, second;             ///< two views of each patch
  std::vector<float> damaged;                   ///< a view of its damaged copy
  std::vector<std::uint8_t> is_damaged;         ///< [patches]: the damage can be seen
  std::vector<std::uint8_t> damaged_quadrants;  ///< [patches, kQuadrants]
};

/// Renders `pictures` surfaces and cuts views of `patches` places from each; deterministic by seed, with any number of
/// threads.
ViewBatch draw_views(std::uint64_t seed, int pictures, int patches, int threads);

}  // namespace vedette
