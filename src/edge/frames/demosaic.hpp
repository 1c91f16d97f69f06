#pragma once

#include <cstddef>
#include <cstdint>

/// Internal to edge/frames.
namespace vedette {

/// Demosaics a Bayer pattern (Malvar, He & Cutler, ICASSP 2004: "High-quality linear interpolation for demosaicing of
/// Bayer-patterned color images"). Beyond the border the pattern is mirrored without repeating the outermost row, which
/// keeps the order of its colours.
///   samples          [height, width] 8-bit samples in rows of `stride` bytes; both sides are at least 3
///   red_row, red_column  0 or 1: where the first red sample is
///   rgb              [height, width, 3]
void demosaic(const std::uint8_t* samples, std::size_t stride, int height, int width, int red_row, int red_column,
              std::uint8_t* rgb);

}  // namespace vedette
