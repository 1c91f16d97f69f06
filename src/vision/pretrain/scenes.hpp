#pragma once

#include <cstdint>
#include <vector>

namespace vedette {

inline constexpr int kPicture = 160;  ///< The side of a rendered picture, in pixels.
/// The copies of each patch that are damaged: first by damage of all sizes, then by small and faint damage.
inline constexpr int kCopies = 2;
inline constexpr int kCore = 96;  ///< The side of a damaged copy, in pixels.

/// What is cut from a block's pictures in one step.
struct Patches {
  std::vector<std::int64_t> centres;  ///< [patches, 2]: the row and the column of the pixel that is a patch's middle
  /// [patches, kCopies, kCore, kCore, 3]: the picture about the middle, damaged. The patch's pixel kCore / 2 is the
  /// middle. Beyond the border of the picture its last pixels are repeated.
  std::vector<std::uint8_t> copies;
};

/// Rendered pictures, and what several steps cut from them. Patch i of a step is of picture i / patches_per_picture.
struct Block {
  int pictures = 0, patches_per_picture = 0;
  std::vector<std::uint8_t> pixels;  ///< [pictures, kPicture, kPicture, 3]
  std::vector<Patches> steps;
};

/// Renders `pictures` surfaces, and cuts `patches` places from each in each of `steps` steps. The seed determines them,
/// whatever the number of threads.
Block draw_block(std::uint64_t seed, int pictures, int patches, int steps, int threads);

}  // namespace vedette
