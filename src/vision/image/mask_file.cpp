#include "vision/image/mask_file.hpp"

#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

namespace vedette {
namespace {

constexpr std::size_t kMostShades = 256, kMostExactShades = 64;
constexpr double kBlackPreference = 2, kClearBorder = 0.8;
// In a soft mask something must differ at least this much from the background; smaller differences may be JPEG noise.
constexpr int kLeastSoftContrast = 64 * 257;

struct Pixel {
  std::uint16_t red, green, blue, alpha;
};
static_assert(sizeof(Pixel) == 8);

/// A function that is given the rows in order.
using RowSink = std::function<void(int y, std::span<const Pixel>)>;

struct PngDeleter {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};

Error png_error(int code) {
  return invalid_input(std::string("The PNG image is broken: ") + spng_strerror(code) + ".");
}

/// Whether each index shows what a grey value shows in a negative.
bool is_inverting(const spng_plte& palette) {
  if (palette.n_entries != 256) return false;
  for (unsigned i = 0; i < 256; ++i) {
    const auto& entry = palette.entries[i];
    if (entry.red != 255 - i || entry.green != 255 - i || entry.blue != 255 - i) return false;
  }
  return true;
}

Result<void> read_png(std::span<const std::uint8_t> bytes, const ImageHeader& header, const RowSink& sink) {
  const std::unique_ptr<spng_ctx, PngDeleter> context(spng_ctx_new(0));
  spng_set_chunk_limits(context.get(), 16 * 1024 * 1024, 32 * 1024 * 1024);
  spng_set_crc_action(context.get(), SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
  if (const int code = spng_set_png_buffer(context.get(), bytes.data(), bytes.size())) return png_error(code);
  spng_ihdr ihdr{};
  if (const int code = spng_get_ihdr(context.get(), &ihdr)) return png_error(code);
  spng_plte palette{};
  const bool inverts = ihdr.color_type == SPNG_COLOR_TYPE_INDEXED && spng_get_plte(context.get(), &palette) == 0 &&
                       is_inverting(palette);
  const auto width = static_cast<std::size_t>(header.width), height = static_cast<std::size_t>(header.height);
  const auto give = [&](int y, std::span<Pixel> row) {
    if (inverts)
      for (auto& pixel : row) pixel.red = pixel.green = pixel.blue = static_cast<std::uint16_t>(65535 - pixel.red);
    sink(y, row);
  };
  if (ihdr.interlace_method != SPNG_INTERLACE_NONE) {
    std::vector<Pixel> all(width * height);
    if (const int code =
            spng_decode_image(context.get(), all.data(), all.size() * sizeof(Pixel), SPNG_FMT_RGBA16, SPNG_DECODE_TRNS))
      return png_error(code);
    for (std::size_t y = 0; y < height; ++y) give(static_cast<int>(y), std::span(all).subspan(y * width, width));
    return {};
  }
  if (const int code =
          spng_decode_image(context.get(), nullptr, 0, SPNG_FMT_RGBA16, SPNG_DECODE_TRNS | SPNG_DECODE_PROGRESSIVE))
    return png_error(code);
  std::vector<Pixel> row(width);
  for (int y = 0; y < header.height; ++y) {
    const int code = spng_decode_row(context.get(), row.data(), row.size() * sizeof(Pixel));
    if (code != 0 && code != SPNG_EOI) return png_error(code);
    if ((y + 1 == header.height) != (code == SPNG_EOI)) return png_error(SPNG_EIDAT_TOO_SHORT);
    give(y, row);
  }
  return {};
}

Result<void> read_other(std::span<const std::uint8_t> bytes, SizeLimits limits, const RowSink& sink) {
  // Class numbers are small, so 16-bit samples are not scaled: values above 255 stay apart from 0 all the same.
  const auto image = decode_image(bytes, limits, {}, {.formats = kAllFormats, .sample_bits = 8});
  if (!image) return image.error();
  std::vector<Pixel> row(static_cast<std::size_t>(image->width));
  const auto widen = [](std::uint8_t value) { return static_cast<std::uint16_t>(value * 257); };
  for (int y = 0; y < image->height; ++y) {
    for (int x = 0; x < image->width; ++x) {
      const auto* p = image->at(y, x);
      row[static_cast<std::size_t>(x)] = {widen(p[0]), widen(p[1]), widen(p[2]), 65535};
    }
    sink(y, row);
  }
  return {};
}

/// Numbers the colours of the rows that it is given.
class Shades {
 public:
  Shades(int height, int width, bool as_brightness) : as_brightness_(as_brightness) {
    mask_.pixels = Grid<std::uint8_t>(height, width);
  }

  void add(int y, std::span<const Pixel> row) {
    if (is_overfull_) return;
    const int height = mask_.pixels.height, width = mask_.pixels.width;
    for (int x = 0; x < width; ++x) {
      const auto key = key_of(row[static_cast<std::size_t>(x)]);
      if (key != last_key_ || mask_.palette.shades.empty()) {
        const auto [it, is_new] = numbers_.emplace(key, mask_.palette.shades.size());
        if (is_new) {
          if (mask_.palette.shades.size() == kMostShades) {
            is_overfull_ = true;
            return;
          }
          auto& shade = mask_.palette.shades.emplace_back();
          shade.is_transparent = key == kTransparent;
          if (!shade.is_transparent)
            shade.color = {static_cast<std::uint16_t>(key >> 32), static_cast<std::uint16_t>(key >> 16),
                           static_cast<std::uint16_t>(key)};
        }
        last_key_ = key;
        last_ = it->second;
      }
      auto& shade = mask_.palette.shades[last_];
      mask_.pixels.at(y, x) = static_cast<std::uint8_t>(last_);
      ++shade.pixels;
      if (y == 0 || x == 0 || y + 1 == height || x + 1 == width) ++shade.border_pixels;
      if (y > 0 && x > 0 && mask_.pixels.at(y, x - 1) == last_ && mask_.pixels.at(y - 1, x) == last_ &&
          mask_.pixels.at(y - 1, x - 1) == last_)
        shade.is_solid = true;
    }
  }

  [[nodiscard]] bool is_overfull() const { return is_overfull_; }
  MaskFile take() { return std::move(mask_); }

 private:
  static constexpr std::uint64_t kTransparent = ~std::uint64_t{0};

  [[nodiscard]] std::uint64_t key_of(const Pixel& p) const {
    if (p.alpha < 32768) return kTransparent;
    std::uint64_t red = p.red, green = p.green, blue = p.blue;
    // There are 255 steps, so that all transparent pixels together have a number, too.
    if (as_brightness_) red = green = blue = (red + green + blue) / 3 / 258 * 258;
    return red << 32 | green << 16 | blue;
  }

  const bool as_brightness_;
  MaskFile mask_;
  std::unordered_map<std::uint64_t, std::size_t> numbers_;
  std::uint64_t last_key_ = 0;
  std::size_t last_ = 0;
  bool is_overfull_ = false;
};

int distance(const MaskColor16& a, const MaskColor16& b) {
  int largest = 0;
  for (std::size_t c = 0; c < 3; ++c) largest = std::max(largest, std::abs(int{a[c]} - int{b[c]}));
  return largest;
}

bool has_transparency(const MaskPalette& mask) {
  return std::any_of(mask.shades.begin(), mask.shades.end(), [](const auto& s) { return s.is_transparent; });
}

double border_share(const MaskPalette& mask, const MaskShade& shade) {
  std::int64_t border = 0;
  for (const auto& s : mask.shades) border += s.border_pixels;
  return static_cast<double>(shade.border_pixels) / static_cast<double>(border);
}

/// Returns the common background, or the mask's own background where the common one does not hold.
std::optional<MaskColor16> background_of(const MaskPalette& mask, const std::optional<MaskColor16>& common) {
  if (!common) return common_background(std::span(&mask, 1));
  const auto holds = [&](const MaskShade& s) { return s.color == *common; };
  if (mask.shades.size() > 1 && std::none_of(mask.shades.begin(), mask.shades.end(), holds))
    for (const auto& shade : mask.shades)
      if (border_share(mask, shade) >= kClearBorder) return shade.color;
  return common;
}

}  // namespace

Result<MaskFile> read_mask_file(std::span<const std::uint8_t> bytes, SizeLimits limits) {
  const auto header = read_image_header(bytes, kAllFormats);
  if (!header) return header.error();
  if (std::min(header->height, header->width) < limits.minimum_side ||
      std::max(header->height, header->width) > limits.maximum_side)
    return invalid_input(fmt::format("The image has {}x{} pixels; each side must be {} to {}.", header->width,
                                     header->height, limits.minimum_side, limits.maximum_side));
  for (const bool as_brightness : {false, true}) {
    Shades shades(header->height, header->width, as_brightness);
    const RowSink sink = [&](int y, std::span<const Pixel> row) { shades.add(y, row); };
    const auto read =
        header->format == ImageFormat::png ? read_png(bytes, *header, sink) : read_other(bytes, limits, sink);
    if (!read) return read.error();
    if (shades.is_overfull()) continue;
    auto mask = shades.take();
    mask.palette.is_soft =
        as_brightness || header->format == ImageFormat::jpeg || mask.palette.shades.size() > kMostExactShades;
    return mask;
  }
  return internal_error("A mask has more than 256 levels of brightness.");
}

std::optional<MaskColor16> common_background(std::span<const MaskPalette> masks) {
  std::map<MaskColor16, double> shares;
  for (const auto& mask : masks)
    if (mask.shades.size() > 1 && !has_transparency(mask))
      for (const auto& shade : mask.shades) shares[shade.color] += border_share(mask, shade);
  if (shares.empty()) return std::nullopt;
  const auto best =
      std::max_element(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto black = shares.find(MaskColor16{});
  return black != shares.end() && best->second <= kBlackPreference * black->second ? black->first : best->first;
}

Result<MarkedShades> marked_shades(const MaskPalette& mask, const std::optional<MaskColor16>& background) {
  MarkedShades out{std::vector<std::uint8_t>(mask.shades.size()), 0};
  if (has_transparency(mask)) {
    for (std::size_t i = 0; i < mask.shades.size(); ++i) out.is_marked[i] = mask.shades[i].is_transparent ? 0 : 1;
  } else if (const auto ground = background_of(mask, background)) {
    int largest = 0;
    for (const auto& shade : mask.shades) largest = std::max(largest, distance(shade.color, *ground));
    for (std::size_t i = 0; i < mask.shades.size(); ++i) {
      const auto& shade = mask.shades[i];
      const int contrast = distance(shade.color, *ground);
      const bool stands_out = 2 * contrast >= largest || (shade.is_solid && !mask.is_soft);
      const bool is_told = !mask.is_soft || largest >= kLeastSoftContrast;
      out.is_marked[i] = contrast > 0 && stands_out && is_told ? 1 : 0;
    }
  }
  std::int64_t marked = 0, all = 0;
  for (std::size_t i = 0; i < mask.shades.size(); ++i) {
    all += mask.shades[i].pixels;
    marked += out.is_marked[i] != 0 ? mask.shades[i].pixels : 0;
  }
  out.share = static_cast<double>(marked) / static_cast<double>(all);
  if (marked == 0) return invalid_input("marks nothing");
  if (out.share > kMostMarked)
    return invalid_input(fmt::format("marks {:.0f} % of the picture; more than {:.0f} % tell nothing",
                                     std::floor(100 * out.share), 100 * kMostMarked));
  return out;
}

Result<Grid<std::uint8_t>> marked_pixels(const MaskFile& mask, const std::optional<MaskColor16>& background) {
  const auto marks = marked_shades(mask.palette, background);
  if (!marks) return marks.error();
  Grid<std::uint8_t> out(mask.pixels.height, mask.pixels.width);
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] = marks->is_marked[mask.pixels.values[i]];
  return out;
}

std::string to_text(const MaskColor16& color) {
  return fmt::format("#{:04X}{:04X}{:04X}", color[0], color[1], color[2]);
}

Result<MaskColor16> parse_color16(std::string_view text) {
  const auto bytes = text.starts_with('#') && text.size() == 13 ? from_hex(text.substr(1)) : std::nullopt;
  if (!bytes)
    return invalid_input(fmt::format("\"{}\" is not a colour of the form #rrrrggggbbbb.", text.substr(0, 20)));
  MaskColor16 color{};
  for (std::size_t c = 0; c < 3; ++c) color[c] = static_cast<std::uint16_t>((*bytes)[2 * c] << 8 | (*bytes)[2 * c + 1]);
  return color;
}

}  // namespace vedette
