#pragma once

#include <array>
#include <span>
#include <vector>

#include "vision/image/image.hpp"
#include "vision/image/sample_scale.hpp"

/// One reader per format. decode_image() has checked format and size before it calls a decoder. These functions are
/// internal to vision/image.
namespace vedette {

using ImageBytes = std::span<const std::uint8_t>;

bool is_jpeg(ImageBytes bytes);
bool is_png(ImageBytes bytes);
bool is_bmp(ImageBytes bytes);
bool is_tiff(ImageBytes bytes);
bool is_webp(ImageBytes bytes);

Result<ImageHeader> read_jpeg_header(ImageBytes bytes);
Result<ImageHeader> read_png_header(ImageBytes bytes);
Result<ImageHeader> read_bmp_header(ImageBytes bytes);
Result<ImageHeader> read_tiff_header(ImageBytes bytes);
Result<ImageHeader> read_webp_header(ImageBytes bytes);

Result<RgbImage> decode_jpeg(ImageBytes bytes, const ImageHeader& header, int reduction, const DecodeRules& rules);
Result<RgbImage> decode_png(ImageBytes bytes, const ImageHeader& header, int reduction, const DecodeRules& rules);
Result<RgbImage> decode_bmp(ImageBytes bytes, const ImageHeader& header, const DecodeRules& rules);
Result<RgbImage> decode_tiff(ImageBytes bytes, const ImageHeader& header, const DecodeRules& rules);
Result<RgbImage> decode_webp(ImageBytes bytes, const ImageHeader& header);

/// Returns the orientation in a TIFF structure, which EXIF is: the tag 274 of its first directory. Returns 1 if there
/// is none or its value makes no sense.
int read_orientation(ImageBytes tiff);

/// Returns the error for a caller that hung up.
Error abandoned_error();

/// Makes an RGB picture of black pixels.
RgbImage make_image(int height, int width);

/// The factors by which a picture may be decoded smaller.
inline constexpr std::array kReductions = {8, 4, 2};
/// Returns the largest factor that leaves the least sides, or 1.
int choose_reduction(int height, int width, LeastSize least);

/// Reduces rows of 8-bit RGB to the means of squares of pixels, rounded. At the right and lower edges squares may be cut
/// off.
class RowMeans {
 public:
  /// `width` is that of the rows in pixels, and `reduction` at most 8.
  RowMeans(int width, int reduction);
  void add(const std::uint8_t* row);  ///< adds one of up to `reduction` rows of 3 · width bytes
  void take(std::uint8_t* out);       ///< writes the means of the rows that were added since the last call

 private:
  const int width_, reduction_;
  int rows_ = 0;
  std::vector<std::uint16_t> sums_;
};

}  // namespace vedette
