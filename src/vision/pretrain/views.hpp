#pragma once

#include <cstdint>
#include <vector>

namespace vedette {

inline constexpr int kPatch = 64;     ///< The side of a view, in pixels.
inline constexpr int kQuadrants = 4;  ///< The quadrants of a view, counted row by row.
/// A light-normalised value v (vision/image/light.hpp) enters the backbone as 0.5 + kNormalizedScale · v.
inline constexpr float kNormalizedScale = 0.2F;

/// What one step learns from. Views are planar RGB, [patches, 3, kPatch, kPatch], 0 … 1. Half of the patches are
/// light-normalised in all three views.
struct ViewBatch {
  int patches = 0;
  std::vector<float> first, second;             ///< Two views of each patch.
  std::vector<float> damaged;                   ///< A view of each patch's damaged copy.
  std::vector<std::uint8_t> is_damaged;         ///< [patches]: 1 if the damage can be seen
  std::vector<std::uint8_t> damaged_quadrants;  ///< [patches, kQuadrants]
};

/// Renders `pictures` surfaces and cuts views of `patches` places from each. The seed determines them, whatever the
/// number of threads.
ViewBatch draw_views(std::uint64_t seed, int pictures, int patches, int threads);

}  // namespace vedette
