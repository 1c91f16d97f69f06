#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <string_view>

#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

constexpr tmsize_t kLargestPiece = 1 << 30;  // The most bytes that libtiff may ask for at once.
constexpr int kMostSamples = 8;              // The most samples that a pixel may have.

/// The file in memory, and what libtiff says of it.
struct TiffSource {
  ImageBytes bytes;
  std::uint64_t at = 0;
  bool is_damaged = false;
};

tmsize_t on_read(thandle_t handle, void* to, tmsize_t count) {
  auto& source = *static_cast<TiffSource*>(handle);
  if (count < 0 || source.at > source.bytes.size()) return 0;
  const auto size = std::min<std::uint64_t>(static_cast<std::uint64_t>(count), source.bytes.size() - source.at);
  std::memcpy(to, source.bytes.data() + source.at, size);
  source.at += size;
  return static_cast<tmsize_t>(size);
}
tmsize_t on_write(thandle_t, void*, tmsize_t) {
  return 0;
}
toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  auto& source = *static_cast<TiffSource*>(handle);
  source.at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? source.at + offset : source.bytes.size() + offset;
  return source.at;
}
int on_close(thandle_t) {
  return 0;
}
toff_t on_size(thandle_t handle) {
  return static_cast<TiffSource*>(handle)->bytes.size();
}
int on_error(TIFF*, void*, const char*, const char*, va_list) {
  return 1;  // The call that failed says so itself.
}
int on_warning(TIFF*, void* user, const char* module, const char*, va_list) {
  // Libjpeg paints missing data grey and only warns.
  if (module != nullptr && std::string_view(module).find("JPEG") != std::string_view::npos)
    static_cast<TiffSource*>(user)->is_damaged = true;
  return 1;
}

struct TiffCloser {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, TiffCloser>;

Tiff open(TiffSource& source) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (options == nullptr) return nullptr;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, kLargestPiece);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &source);
  // The mode "m" means that libtiff makes no memory map; the bytes are in memory already.
  Tiff tiff(TIFFClientOpenExt("image", "rm", &source, on_read, on_write, on_seek, on_close, on_size, nullptr, nullptr,
                              options));
  TIFFOpenOptionsFree(options);
  return tiff;
}

Error broken(const char* what) {
  return invalid_input(std::string("The TIFF image ") + what + ".");
}

template <typename T>
T field(TIFF* tiff, std::uint32_t tag) {
  T value{};
  return TIFFGetFieldDefaulted(tiff, tag, &value) == 1 ? value : T{};
}

struct Layout {
  int height = 0, width = 0;
  int bits = 0, samples = 0;
  std::uint16_t photometric = 0;
  bool is_separate = false, is_tiled = false;
  int orientation = 1;

  /// Whether the rows are read as they are; other layouts are left to libtiff's own conversion to 8 bits.
  [[nodiscard]] bool is_plain() const {
    const bool is_grey = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    const bool is_color = photometric == PHOTOMETRIC_RGB && samples >= 3;
    return !is_tiled && (bits == 8 || bits == 16) && (is_grey || is_color);
  }
};

Result<Layout> read_layout(TIFF* tiff) {
  Layout out;
  const auto width = field<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH),
             height = field<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH);
  if (width == 0 || height == 0 || width > 1'000'000 || height > 1'000'000)
    return broken("has sides that are not valid");
  out.width = static_cast<int>(width), out.height = static_cast<int>(height);
  out.bits = field<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE);
  out.samples = field<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL);
  out.photometric = field<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC);
  out.is_separate = field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
  out.is_tiled = TIFFIsTiled(tiff) != 0;
  const auto orientation = field<std::uint16_t>(tiff, TIFFTAG_ORIENTATION);
  out.orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
  const auto compression = field<std::uint16_t>(tiff, TIFFTAG_COMPRESSION);
  constexpr std::array<std::uint16_t, 9> kCompressions = {
      COMPRESSION_NONE, COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3,     COMPRESSION_CCITTFAX4, COMPRESSION_LZW,
      COMPRESSION_JPEG, COMPRESSION_DEFLATE,  COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS};
  if (std::find(kCompressions.begin(), kCompressions.end(), compression) == kCompressions.end())
    return broken("has a compression that is not read");
  const auto kind = field<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT);
  if (kind != SAMPLEFORMAT_UINT && kind != SAMPLEFORMAT_VOID && kind != 0)
    return broken("has samples that are no whole numbers, which are not read");
  if (out.samples < 1 || out.samples > kMostSamples) return broken("has a number of channels that is not read");
  if (out.bits > 8 && !out.is_plain()) return broken("has a layout of more than 8 bits that is not read");
  return out;
}

/// Reads grey and RGB pictures of 8 or 16 bits, in strips.
Result<RgbImage> read_rows(TIFF* tiff, const Layout& l, const DecodeRules& rules) {
  const int used = l.photometric == PHOTOMETRIC_RGB ? 3 : 1;
  const auto in_row = static_cast<std::size_t>(l.width) * static_cast<std::size_t>(l.is_separate ? 1 : l.samples);
  const std::size_t size = in_row * static_cast<std::size_t>(l.bits / 8);
  if (TIFFScanlineSize(tiff) != static_cast<tmsize_t>(size)) return broken("has rows of a length that is not valid");
  std::vector<std::uint8_t> row(size);
  auto image = make_image(l.height, l.width);
  SampleScale scale(rules.sample_bits);
  // Each of several separate planes is read from its first row to its last, since compressed strips can only be read in
  // order.
  for (int plane = 0; plane < (l.is_separate ? used : 1); ++plane)
    for (int y = 0; y < l.height; ++y) {
      if (rules.abandoned.stop_requested()) return abandoned_error();
      if (TIFFReadScanline(tiff, row.data(), static_cast<std::uint32_t>(y), static_cast<std::uint16_t>(plane)) != 1)
        return broken("is truncated or damaged");
      std::uint8_t* out = image.at(y, 0);
      for (std::size_t x = 0; x < static_cast<std::size_t>(l.width); ++x, out += 3)
        for (int c = 0; c < (l.is_separate ? 1 : used); ++c) {
          const auto i = l.is_separate ? x : x * static_cast<std::size_t>(l.samples) + static_cast<std::size_t>(c);
          std::uint8_t value = 0;
          if (l.bits == 16) {
            std::uint16_t sample = 0;
            std::memcpy(&sample, row.data() + 2 * i, 2);
            value = scale(sample);
          } else {
            value = row[i];
          }
          if (l.photometric == PHOTOMETRIC_MINISWHITE) value = static_cast<std::uint8_t>(255 - value);
          if (used == 1) {
            std::fill_n(out, 3, value);
          } else {
            out[l.is_separate ? plane : c] = value;
          }
        }
    }
  if (l.bits == 16) scale.describe(image);
  return image;
}

/// Reads palettes, tiles, few bits, YCbCr and CMYK.
Result<RgbImage> convert(TIFF* tiff, const Layout& l) {
  TIFFRGBAImage reader;
  std::array<char, 1024> message{};
  if (TIFFRGBAImageOK(tiff, message.data()) == 0 || TIFFRGBAImageBegin(&reader, tiff, 1, message.data()) == 0)
    return broken("has a layout that is not read");
  reader.req_orientation = reader.orientation;  // The picture is read as it lies in the file.
  std::vector<std::uint32_t> raster(static_cast<std::size_t>(l.height) * static_cast<std::size_t>(l.width));
  const bool is_read = TIFFRGBAImageGet(&reader, raster.data(), static_cast<std::uint32_t>(l.width),
                                        static_cast<std::uint32_t>(l.height)) != 0;
  TIFFRGBAImageEnd(&reader);
  if (!is_read) return broken("is truncated or damaged");
  auto image = make_image(l.height, l.width);
  auto* out = image.pixels.data();
  for (const auto pixel : raster) {
    *out++ = static_cast<std::uint8_t>(TIFFGetR(pixel));
    *out++ = static_cast<std::uint8_t>(TIFFGetG(pixel));
    *out++ = static_cast<std::uint8_t>(TIFFGetB(pixel));
  }
  return image;
}

}  // namespace

bool is_tiff(ImageBytes bytes) {
  if (bytes.size() < 8) return false;
  const bool is_little = bytes[0] == 'I' && bytes[1] == 'I', is_big = bytes[0] == 'M' && bytes[1] == 'M';
  const int version = is_little ? bytes[2] | bytes[3] << 8 : bytes[2] << 8 | bytes[3];
  return (is_little || is_big) && (version == 42 || version == 43);  // The version 43 is BigTIFF.
}

Result<ImageHeader> read_tiff_header(ImageBytes bytes) {
  TiffSource source{bytes};
  const auto tiff = open(source);
  if (!tiff) return broken("is broken");
  const auto layout = read_layout(tiff.get());
  if (!layout) return layout.error();
  return ImageHeader{ImageFormat::tiff, layout->height, layout->width, layout->orientation};
}

Result<RgbImage> decode_tiff(ImageBytes bytes, const ImageHeader&, const DecodeRules& rules) {
  TiffSource source{bytes};
  const auto tiff = open(source);
  if (!tiff) return broken("is broken");
  const auto layout = read_layout(tiff.get());
  if (!layout) return layout.error();
  auto image = layout->is_plain() ? read_rows(tiff.get(), *layout, rules) : convert(tiff.get(), *layout);
  if (image && source.is_damaged) return broken("is truncated or damaged");
  return image;
}

}  // namespace vedette
