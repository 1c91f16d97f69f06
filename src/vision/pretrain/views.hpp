#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "vision/pretrain/scenes.hpp"

namespace vedette {

inline constexpr int kPatch = 64;  ///< The side of a view, in pixels.
inline constexpr int kCells = 4;   ///< A view has kCells × kCells cells of 16 × 16 pixels.
/// A light-normalised value v (vision/image/light.hpp) enters the backbone as 0.5 + kNormalizedScale · v.
inline constexpr double kNormalizedScale = 0.2;

/// What one step learns from: two views of each of n patches, and a view of each of its kCopies damaged copies. Half of
/// the patches are light-normalised in all views.
struct Views {
  /// [(2 + kCopies) · n, 3, kPatch, kPatch], 0 … 1, or a little beyond where light is normalised: all first views, all
  /// second views, all views of the first copies, and so on.
  torch::Tensor images;
  /// [(2 + kCopies) · n, 2, 3]: for a map that a network made of a view, the transform that affine_grid() needs to show
  /// the map in the patch's own pose, in which cells of all views of a patch cover the same place.
  torch::Tensor straighten;
  torch::Tensor damaged_cells;      ///< [kCopies, n · kCells²], bool: the damage can be seen in the cell
  torch::Tensor damaged_quadrants;  ///< [kCopies, n · 4], bool
  torch::Tensor damaged_patches;    ///< [kCopies, n], bool
};

/// Makes views of the patches of one step. `pixels` is a block's, on the device that does the work. Two views of a patch
/// differ by what a plant cannot control: pose, light, noise and focus. The seed, which becomes that of LibTorch's
/// generators, determines them for one build and one kind of device.
Views make_views(const torch::Tensor& pixels, const Patches& patches, int patches_per_picture, std::uint64_t seed);

}  // namespace vedette
