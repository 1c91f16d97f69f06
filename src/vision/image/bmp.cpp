#include <array>
#include <bit>

#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

constexpr std::uint32_t kCoreHeader = 12, kInfoHeader = 40, kFileHeader = 14;
constexpr std::uint32_t kPlain = 0, kBitFields = 3, kAlphaBitFields = 6;

std::uint32_t read(ImageBytes bytes, std::size_t at, unsigned size) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

struct Layout {
  int height = 0, width = 0, bits = 0;
  bool is_top_first = false;
  std::size_t pixels = 0, stride = 0;          // in bytes
  std::size_t palette = 0, palette_entry = 0;  // in bytes
  std::uint32_t colors = 0;
  std::array<std::uint32_t, 3> masks{};  // Pictures of 16 and 32 bits have masks for red, green and blue.
};

Error broken(const char* what) {
  return invalid_input(std::string("The BMP image ") + what + ".");
}

/// Checks everything that decoding relies on, except that the pixels are there.
Result<Layout> read_layout(ImageBytes bytes) {
  if (bytes.size() < kFileHeader + kCoreHeader) return broken("is cut off in its header");
  const auto size = read(bytes, kFileHeader, 4);
  const bool is_core = size == kCoreHeader;
  if ((!is_core && (size < kInfoHeader || size > 1024)) || bytes.size() - kFileHeader < size)
    return broken("has a header that is not valid");
  Layout out;
  out.width = is_core ? static_cast<int>(read(bytes, 18, 2)) : static_cast<int>(read(bytes, 18, 4));
  const auto height = is_core ? static_cast<std::int64_t>(read(bytes, 20, 2))
                              : static_cast<std::int64_t>(static_cast<std::int32_t>(read(bytes, 22, 4)));
  if (out.width <= 0 || out.width > 1'000'000 || height == 0 || height > 1'000'000 || height < -1'000'000)
    return broken("has sides that are not valid");
  out.is_top_first = height < 0;
  out.height = static_cast<int>(height < 0 ? -height : height);
  out.bits = static_cast<int>(read(bytes, is_core ? 24 : 28, 2));
  const auto compression = is_core ? kPlain : read(bytes, 30, 4);
  const bool has_masks = compression == kBitFields || compression == kAlphaBitFields;
  const bool is_masked = out.bits == 16 || out.bits == 32;
  if (out.bits != 1 && out.bits != 4 && out.bits != 8 && out.bits != 24 && !is_masked)
    return broken("has a number of bits per pixel that is not read");
  if (compression != kPlain && !(has_masks && is_masked)) return broken("is compressed, which is not read");
  if (is_masked) {
    out.masks = out.bits == 16 ? std::array{0x7C00U, 0x03E0U, 0x001FU} : std::array{0xFF0000U, 0xFF00U, 0xFFU};
    if (has_masks) {
      if (bytes.size() < kFileHeader + kInfoHeader + 12) return broken("is cut off in its header");
      for (std::size_t c = 0; c < 3; ++c) out.masks[c] = read(bytes, kFileHeader + kInfoHeader + 4 * c, 4);
    }
  } else if (out.bits <= 8) {
    out.palette = kFileHeader + size;
    out.palette_entry = is_core ? 3 : 4;
    const auto said = is_core ? 0 : read(bytes, 46, 4);
    out.colors = said == 0 ? 1U << out.bits : said;
    if (out.colors > 256 || bytes.size() - out.palette < out.colors * out.palette_entry)
      return broken("has a palette that is not valid");
  }
  out.pixels = read(bytes, 10, 4);
  out.stride = (static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.bits) + 31) / 32 * 4;
  return out;
}

std::uint8_t masked(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) return 0;
  const auto shift = std::countr_zero(mask);
  const std::uint64_t largest = mask >> shift;
  return static_cast<std::uint8_t>((static_cast<std::uint64_t>((pixel & mask) >> shift) * 255 + largest / 2) / largest);
}

}  // namespace

bool is_bmp(ImageBytes bytes) {
  return bytes.size() >= 18 && bytes[0] == 'B' && bytes[1] == 'M' && read(bytes, 14, 4) <= 1024;
}

Result<ImageHeader> read_bmp_header(ImageBytes bytes) {
  const auto layout = read_layout(bytes);
  if (!layout) return layout.error();
  return ImageHeader{ImageFormat::bmp, layout->height, layout->width};
}

Result<RgbImage> decode_bmp(ImageBytes bytes, const ImageHeader&, const DecodeRules& rules) {
  const auto layout = read_layout(bytes);
  if (!layout) return layout.error();
  const auto& l = *layout;
  if (l.pixels > bytes.size() || bytes.size() - l.pixels < l.stride * static_cast<std::size_t>(l.height))
    return broken("is truncated");
  auto image = make_image(l.height, l.width);
  for (int y = 0; y < l.height; ++y) {
    if (rules.abandoned.stop_requested()) return abandoned_error();
    const auto row = l.pixels + l.stride * static_cast<std::size_t>(l.is_top_first ? y : l.height - 1 - y);
    std::uint8_t* out = image.at(y, 0);
    for (std::size_t x = 0; x < static_cast<std::size_t>(l.width); ++x, out += 3) {
      if (l.bits <= 8) {
        const auto per_byte = static_cast<std::size_t>(8 / l.bits);
        const auto shift = 8 - l.bits * static_cast<int>(x % per_byte + 1);
        const auto index = bytes[row + x / per_byte] >> shift & ((1 << l.bits) - 1);
        if (static_cast<std::uint32_t>(index) >= l.colors) return broken("uses a colour that its palette lacks");
        for (std::size_t c = 0; c < 3; ++c)
          out[c] = bytes[l.palette + static_cast<std::size_t>(index) * l.palette_entry + 2 - c];
      } else if (l.bits == 24) {
        for (std::size_t c = 0; c < 3; ++c) out[c] = bytes[row + 3 * x + 2 - c];
      } else {
        const auto size = static_cast<unsigned>(l.bits / 8);
        const auto pixel = read(bytes, row + size * x, size);
        for (std::size_t c = 0; c < 3; ++c) out[c] = masked(pixel, l.masks[c]);
      }
    }
  }
  return image;
}

}  // namespace vedette
