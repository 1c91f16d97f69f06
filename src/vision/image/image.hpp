#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/text.hpp"

/// Decodes, encodes and resizes pictures and masks. The functions are pure; any thread may call them. Pixels are
/// row-major, the top row comes first, and sizes are in the order (height, width).
namespace vedette {

/// A picture in 8-bit sRGB, interleaved R, G, B.
struct RgbImage {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> pixels;  ///< [height, width, 3]
  /// If the file has 16-bit samples, how many bits its largest sample takes, 1 … 16; otherwise 0.
  int used_bits = 0;
  /// The share of such a file's samples that are larger than the range by which it was decoded
  /// (DecodeRules::sample_bits), 0 … 1.
  double beyond_range = 0;

  [[nodiscard]] const std::uint8_t* at(int y, int x) const {
    return pixels.data() +
           (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 3;
  }
  std::uint8_t* at(int y, int x) {
    return pixels.data() +
           (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 3;
  }
};

/// One value per pixel or cell.
template <typename T>
struct Grid {
  int height = 0;
  int width = 0;
  std::vector<T> values;  ///< [height, width]

  Grid() = default;
  Grid(int h, int w, T fill = T{})
      : height(h), width(w), values(static_cast<std::size_t>(h) * static_cast<std::size_t>(w), fill) {}
  T& at(int y, int x) {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
  const T& at(int y, int x) const {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
};

/// A picture of floats whose channels are planes.
struct Planes {
  int channels = 0;
  int height = 0;
  int width = 0;
  std::vector<float> values;  ///< [channels, height, width]
};

enum class ImageFormat { jpeg, png, bmp, tiff, webp };

/// The formats that are accepted. A file's content decides what it is, never its name.
struct FormatSet {
  unsigned bits = 0;  ///< Bit n stands for the format whose enumerator is n.
  [[nodiscard]] constexpr bool contains(ImageFormat format) const {
    return (bits >> static_cast<unsigned>(format) & 1U) != 0;
  }
};
/// The formats that the API takes, as the original service did: JPEG and PNG.
inline constexpr FormatSet kServedFormats{0b00011};
/// The formats that the local tools read.
inline constexpr FormatSet kAllFormats{0b11111};

struct ImageHeader {
  ImageFormat format;
  int height;
  int width;
  /// The orientation that the file tells (EXIF 2.32 and TIFF 6.0, tag 274): 1 is upright; 3 is upside down; 6 and 8 are
  /// turned by a quarter; 2, 4, 5 and 7 are mirrored, 5 and 7 are also turned by a quarter. Decoding ignores it.
  int orientation = 1;
};
/// Whether a viewer that obeys the orientation shows the picture's height as its width.
constexpr bool is_quarter_turn(int orientation) {
  return orientation >= 5;
}

/// The sides that a decoder accepts, in pixels. The API's own limits are the default.
struct SizeLimits {
  int minimum_side = 64;
  int maximum_side = 4096;
};

/// The least sides, in pixels, at which a picture is wanted.
struct LeastSize {
  int height = 1 << 30, width = 1 << 30;
};
/// Returns a side of a picture that decode_image() reduced.
constexpr int reduced_side(int side, int reduction) {
  return (side + reduction - 1) / reduction;
}
/// Whether a picture of one size can be a picture of the full size, as it is or reduced by decode_image().
bool is_reduction_of(int height, int width, int full_height, int full_width);

/// How a file is to be read, beside its sizes.
struct DecodeRules {
  FormatSet formats = kServedFormats;
  /// 16-bit samples are scaled so that 2^sample_bits − 1 becomes 255; larger samples become 255, too. The range is 8 …
  /// 16: cameras of 10, 12 and 14 bits write their values into the low bits of 16.
  int sample_bits = 16;
  /// Once a stop is requested, decoding ends within some rows and fails with unavailable.
  std::stop_token abandoned = {};
};

/// Reads format, dimensions and orientation without decoding pixels. The beginning of the file is enough if it holds
/// the header; of a TIFF the whole file is needed. Fails with invalid_input if the bytes are of no accepted format or
/// the header is broken.
Result<ImageHeader> read_image_header(std::span<const std::uint8_t> bytes, FormatSet formats = kServedFormats);

/// Decodes a picture to 8-bit RGB:
/// - baseline, progressive, grey, YCbCr, RGB, CMYK and YCCK JPEG, also without its end marker if all rows are there;
/// - PNG of every colour type, bit depth and interlacing;
/// - BMP without compression; the first page of a TIFF without compression or with PackBits, LZW, Deflate, CCITT or
///   JPEG compression; still WebP (all three only with kAllFormats).
/// Alpha is dropped, and colour profiles and the EXIF orientation are ignored, because masks are drawn on the raw grid.
/// A JPEG is decoded at 1/2, 1/4 or 1/8 of its size (ISO/IEC 10918-1 blocks through a smaller inverse DCT), the
/// smallest one that has the `least` sides: that is less work, and reduces without aliasing. A PNG is read row by row
/// and reduced to means by the same factor, unless it is interlaced. Other formats are decoded in full size.
/// The limits bound the memory and are checked before any pixel is decoded. So is the number of a JPEG's scans, since
/// each scan costs as much time as a picture.
/// Fails with invalid_input on broken or truncated data, too many scans, or sides of the file outside the limits.
Result<RgbImage> decode_image(std::span<const std::uint8_t> bytes, SizeLimits limits = {}, LeastSize least = {},
                              const DecodeRules& rules = {});

/// Encodes without loss: colour type RGB, 8 bit.
Result<Bytes> encode_png(const RgbImage& image);
/// Encodes a baseline JPEG with 4:2:0 subsampling. `quality` is 1 … 100.
Result<Bytes> encode_jpeg(const RgbImage& image, int quality);

/// Resizes to planar RGB floats 0 … 1. The triangle filter is widened by the scale when the picture shrinks
/// (anti-aliased).
Planes resize_to_planes(const RgbImage& image, int height, int width);
/// Writes only the rows first_row … end_row − 1 of the same result into `out`, [3, height, width]. Different threads
/// may make different parts.
void resize_rows(const RgbImage& image, int height, int width, int first_row, int end_row, float* out);
/// Makes a picture of 3 planes, rounded to 8 bit.
RgbImage to_image(const Planes& planes);
/// Enlarges or reduces a map bilinearly. Corners are not aligned: pixel centres lie at half-integers.
Grid<float> resize_map(const Grid<float>& map, int height, int width);
/// A part of a grid: rows top … top + height − 1 and columns left … left + width − 1.
struct Window {
  int top = 0, left = 0, height = 0, width = 0;
};
/// Returns only this part of what the function above would return.
Grid<float> resize_map(const Grid<float>& map, int height, int width, const Window& part);
/// Fits a picture into height × width, keeping its aspect, in the centre. The border is the mirror image of the
/// picture: a flat border would be the strongest edge of all, at another place in every picture.
RgbImage letterbox(const RgbImage& image, int height, int width);
/// Places a mask in the same way, by nearest neighbour. The border is filled with 0.
Grid<std::uint8_t> letterbox_mask(const Grid<std::uint8_t>& mask, int height, int width);

using Rgb = std::array<std::uint8_t, 3>;
/// Encodes a picture of labels as PNG (RGB, 8 bit): each pixel has the colour of its label, which must be an index into
/// `colors`. It is tens of times as fast as encode_png(), since areas of one colour need no search.
Bytes encode_label_png(const Grid<std::uint8_t>& labels, std::span<const Rgb> colors);

/// Reads "#rrggbb" in upper or lower case. Fails with invalid_input on other text.
Result<Rgb> parse_color(std::string_view text);
/// Returns "#RRGGBB".
std::string to_text(const Rgb& color);

/// One entry of a mask's colour map.
struct MaskLabel {
  std::string name;  ///< The class name; BACKGROUND (in upper or lower case) is not a label.
  Rgb color;
};

/// Splits a mask's picture into labels: each pixel's RGB must equal a label's colour (→ index + 1), or be black, white
/// or the colour of BACKGROUND (→ 0). Fails with invalid_input on any other colour and names it.
Result<Grid<std::uint8_t>> split_mask(const RgbImage& mask, std::span<const MaskLabel> labels);

}  // namespace vedette
