// This target fuzzes pictures and masks: any bytes must be decoded or refused, and a decoded picture must have the size
// that its header says. It covers every format, and 16-bit samples that are scaled by a range.
#include <cstdlib>
#include <span>

#include "vision/image/image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vedette;
  const std::span<const std::uint8_t> bytes(data, size);
  const DecodeRules rules{.formats = kAllFormats, .sample_bits = 12};
  const auto header = read_image_header(bytes, kAllFormats);
  if (header && (header->orientation < 1 || header->orientation > 8)) std::abort();
  const bool is_served = header && (header->format == ImageFormat::jpeg || header->format == ImageFormat::png);
  if (read_image_header(bytes).has_value() != is_served) std::abort();
  // A picture of the largest size takes a second here; what matters is found on small ones.
  if (header && static_cast<std::int64_t>(header->height) * header->width > 512 * 512) return 0;
  const auto image = decode_image(bytes, {}, {}, rules);
  const auto reduced = decode_image(bytes, {}, {1, 1}, rules);
  if (image.has_value() != reduced.has_value()) std::abort();
  if (!image) return 0;
  if (!is_reduction_of(reduced->height, reduced->width, image->height, image->width)) std::abort();
  if (reduced->pixels.size() != static_cast<std::size_t>(reduced->height) * reduced->width * 3) std::abort();
  if (!header || image->height != header->height || image->width != header->width) std::abort();
  if (image->pixels.size() != static_cast<std::size_t>(image->height) * image->width * 3) std::abort();
  if (!(image->beyond_range >= 0 && image->beyond_range <= 1)) std::abort();
  return 0;
}
