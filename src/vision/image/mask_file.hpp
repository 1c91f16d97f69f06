#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vision/image/image.hpp"

/// Reads masks without a colour map, as annotation tools write them: whatever is not background is marked. The
/// functions are pure; any thread may call them.
///
/// These rules decide what is marked, in this order:
/// 1. If some pixels are transparent (alpha below one half) and others are not, the opaque pixels are marked.
/// 2. Otherwise the colours that are shown count, in 16 bit per channel. Only a palette that is exactly the inverted
///    grey ramp (index i shows 255 − i; ImageJ's inverting lookup table) is read by its indices.
/// 3. The background is one colour for a whole folder of masks: the one with the largest share of the pictures'
///    borders. But black is taken unless another colour has more than twice black's share. So a defect larger than half
///    of its picture stays a defect, and a folder of black marks on white is read as such. A mask that does not hold
///    the folder's background has its own, if one colour has 80 % of its border.
/// 4. All other colours are marked, however near they are to the background's (grey 1 beside 0 is a mark). Soft edges
///    are cut in the middle: a colour that nowhere fills 2 × 2 pixels is marked only if it differs from the background
///    by half of what the most different colour does. In JPEG files and files of more than 64 colours this holds for
///    every colour.
namespace vedette {

using MaskColor16 = std::array<std::uint16_t, 3>;  ///< R, G, B

/// One colour of a mask file.
struct MaskShade {
  MaskColor16 color{};
  bool is_transparent = false;  ///< All transparent pixels together are one shade.
  bool is_solid = false;        ///< The colour fills 2 × 2 pixels somewhere.
  std::int64_t pixels = 0;
  std::int64_t border_pixels = 0;  ///< The number of its pixels in the first and last row and column.
};

struct MaskPalette {
  std::vector<MaskShade> shades;  ///< At most 256 shades; of a file with more colours, their brightness in 255 steps.
  bool is_soft = false;           ///< The file is a JPEG, or has more than 64 colours.
};

struct MaskFile {
  Grid<std::uint8_t> pixels;  ///< [height, width], indices into the palette's shades
  MaskPalette palette;
};

/// Reads a mask in any format that decode_image() takes; of a PNG it also reads alpha, palettes and all 16 bits. Fails
/// with invalid_input as decode_image() does.
Result<MaskFile> read_mask_file(std::span<const std::uint8_t> bytes, SizeLimits limits);

/// Returns the background that the masks of one folder have in common, or nothing if none of them has two opaque
/// colours and no transparency.
std::optional<MaskColor16> common_background(std::span<const MaskPalette> masks);

inline constexpr double kMostMarked = 0.95;  ///< If a mask marks more than this share of its picture, it says nothing.

struct MarkedShades {
  std::vector<std::uint8_t> is_marked;  ///< One value per shade of the palette, 0 or 1.
  double share = 0;                     ///< The share of the picture's pixels that the marked shades cover, 0 … 1.
};

/// Tells which shades are marks. Without a common background the mask's own is taken. Fails with invalid_input, in
/// words that follow "its mask ", if nothing is marked or more than kMostMarked.
Result<MarkedShades> marked_shades(const MaskPalette& mask, const std::optional<MaskColor16>& background);
/// Returns 1 where the mask marks something, 0 elsewhere. Fails as marked_shades() does.
Result<Grid<std::uint8_t>> marked_pixels(const MaskFile& mask, const std::optional<MaskColor16>& background);

/// Returns "#RRRRGGGGBBBB"; parse_color16() reads it, and fails with invalid_input on other text.
std::string to_text(const MaskColor16& color);
Result<MaskColor16> parse_color16(std::string_view text);

}  // namespace vedette
