#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

Result<void> check_size(const ImageHeader& header, SizeLimits limits) {
  if (std::min(header.height, header.width) < limits.minimum_side ||
      std::max(header.height, header.width) > limits.maximum_side)
    return invalid_input(fmt::format("The image has {}x{} pixels; each side must be {} to {}.", header.width,
                                     header.height, limits.minimum_side, limits.maximum_side));
  return {};
}

struct Format {
  ImageFormat format;
  const char* name;
  bool (*is)(ImageBytes);
  Result<ImageHeader> (*read_header)(ImageBytes);
};
constexpr std::array kFormats = {Format{ImageFormat::jpeg, "JPEG", is_jpeg, read_jpeg_header},
                                 Format{ImageFormat::png, "PNG", is_png, read_png_header},
                                 Format{ImageFormat::tiff, "TIFF", is_tiff, read_tiff_header},
                                 Format{ImageFormat::webp, "WebP", is_webp, read_webp_header},
                                 Format{ImageFormat::bmp, "BMP", is_bmp, read_bmp_header}};

}  // namespace

Error abandoned_error() {
  return fail(ErrorKind::unavailable, "The caller did not wait for the answer.");
}

RgbImage make_image(int height, int width) {
  RgbImage image{height, width, {}};
  image.pixels.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3);
  return image;
}

void SampleScale::describe(RgbImage& image) const {
  image.used_bits = std::max(1, static_cast<int>(std::bit_width(seen_)));
  image.beyond_range = count_ == 0 ? 0 : static_cast<double>(beyond_) / static_cast<double>(count_);
}

Result<ImageHeader> read_image_header(ImageBytes bytes, FormatSet formats) {
  if (bytes.empty()) return invalid_input("The file is empty.");
  const auto* const known = std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.is(bytes); });
  if (known != kFormats.end() && formats.contains(known->format)) return known->read_header(bytes);
  if (formats.contains(ImageFormat::tiff)) return invalid_input("The bytes are no JPEG, PNG, BMP, TIFF or WebP image.");
  return invalid_input(std::string("The bytes are neither a JPEG nor a PNG image") +
                       (known != kFormats.end() ? std::string(", but ") + known->name : std::string()) + ".");
}

bool is_reduction_of(int height, int width, int full_height, int full_width) {
  const auto fits = [&](int reduction) {
    return height == reduced_side(full_height, reduction) && width == reduced_side(full_width, reduction);
  };
  return fits(1) || std::any_of(kReductions.begin(), kReductions.end(), fits);
}

Result<RgbImage> decode_image(ImageBytes bytes, SizeLimits limits, LeastSize least, const DecodeRules& rules) {
  const auto header = read_image_header(bytes, rules.formats);
  if (!header) return header.error();
  if (auto ok = check_size(*header, limits); !ok) return ok.error();
  const int reduction = choose_reduction(header->height, header->width, least);
  switch (header->format) {
    case ImageFormat::jpeg:
      return decode_jpeg(bytes, *header, reduction, rules);
    case ImageFormat::png:
      return decode_png(bytes, *header, reduction, rules);
    case ImageFormat::bmp:
      return decode_bmp(bytes, *header, rules);
    case ImageFormat::tiff:
      return decode_tiff(bytes, *header, rules);
    case ImageFormat::webp:
      return decode_webp(bytes, *header);
  }
  return internal_error("the format of a picture has no decoder");
}

}  // namespace vedette
