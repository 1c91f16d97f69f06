#include <webp/decode.h>

#include <cstring>

#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

Error broken(const char* what) {
  return invalid_input(std::string("The WebP image ") + what + ".");
}

/// Returns the orientation of the EXIF chunk. RIFF chunks follow each other, padded to even lengths.
int find_orientation(ImageBytes bytes) {
  for (std::size_t at = 12; at < bytes.size() && bytes.size() - at >= 8;) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length |= static_cast<std::size_t>(bytes[at + 4 + i]) << (8 * i);
    if (length > bytes.size() - at - 8) break;
    if (std::memcmp(bytes.data() + at, "EXIF", 4) == 0) {
      auto exif = bytes.subspan(at + 8, length);
      if (exif.size() > 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0) exif = exif.subspan(6);
      return read_orientation(exif);
    }
    at += 8 + length + length % 2;
  }
  return 1;
}

}  // namespace

bool is_webp(ImageBytes bytes) {
  return bytes.size() >= 12 && std::memcmp(bytes.data(), "RIFF", 4) == 0 &&
         std::memcmp(bytes.data() + 8, "WEBP", 4) == 0;
}

Result<ImageHeader> read_webp_header(ImageBytes bytes) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) return broken("is broken");
  if (features.has_animation != 0) return broken("is an animation, which is not read");
  return ImageHeader{ImageFormat::webp, features.height, features.width, find_orientation(bytes)};
}

Result<RgbImage> decode_webp(ImageBytes bytes, const ImageHeader& header) {
  auto image = make_image(header.height, header.width);
  if (WebPDecodeRGBInto(bytes.data(), bytes.size(), image.pixels.data(), image.pixels.size(), 3 * image.width) ==
      nullptr)
    return broken("is truncated or damaged");
  return image;
}

}  // namespace vedette
