#include "edge/frames/frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "edge/frames/demosaic.hpp"
#include "vision/image/sample_scale.hpp"

namespace vedette {
namespace {

static_assert(std::endian::native == std::endian::little, "Samples and pixels are read as the machine has them.");

constexpr std::array<std::string_view, 17> kNames = {
    "RGB8",   "BGR8",     "RGBa8",    "BGRa8",    "Mono8",    "Mono10", "Mono12", "Mono12Packed", "Mono12p",
    "Mono16", "BayerRG8", "BayerGR8", "BayerGB8", "BayerBG8", "YUYV",   "NV12",   "JPEG"};
static_assert(kNames.size() == static_cast<std::size_t>(PixelFormat::jpeg) + 1);

bool is_packed(PixelFormat format) {
  return format == PixelFormat::mono12_packed || format == PixelFormat::mono12p;
}

/// The bytes of a row, 0 for formats without rows.
std::size_t row_bytes(PixelFormat format, std::size_t width) {
  switch (format) {
    case PixelFormat::rgb8:
    case PixelFormat::bgr8:
      return 3 * width;
    case PixelFormat::rgba8:
    case PixelFormat::bgra8:
      return 4 * width;
    case PixelFormat::mono10:
    case PixelFormat::mono12:
    case PixelFormat::mono16:
    case PixelFormat::yuyv:
      return 2 * width;
    case PixelFormat::mono8:
    case PixelFormat::bayer_rg8:
    case PixelFormat::bayer_gr8:
    case PixelFormat::bayer_gb8:
    case PixelFormat::bayer_bg8:
    case PixelFormat::nv12:
      return width;
    case PixelFormat::mono12_packed:
    case PixelFormat::mono12p:
    case PixelFormat::jpeg:
      return 0;
  }
  return 0;
}

/// Writes three bytes with one store of four, of which the next pixel overwrites the last. The last pixel of a row has
/// no room for that.
void put(std::uint8_t* out, std::uint32_t rgb) {
  std::memcpy(out, &rgb, 4);
}
void put_last(std::uint8_t* out, std::uint32_t rgb) {
  std::memcpy(out, &rgb, 3);
}
std::uint32_t grey(std::uint8_t value) {
  return value * 0x010101U;
}

/// Calls pixel(x) for each column and writes what it returns: red in the lowest byte.
template <typename Pixel>
void write_row(std::uint8_t* out, int width, const Pixel& pixel) {
  for (int x = 0; x + 1 < width; ++x, out += 3) put(out, pixel(x));
  put_last(out, pixel(width - 1));
}

/// Calls row(source, destination) for each row.
template <typename Row>
void for_rows(const Frame& frame, std::size_t stride, RgbImage& image, const Row& row) {
  for (int y = 0; y < frame.height; ++y)
    row(frame.pixels.data() + stride * static_cast<std::size_t>(y), image.at(y, 0));
}

void from_color(const Frame& frame, std::size_t stride, RgbImage& image) {
  const bool is_reversed = frame.format == PixelFormat::bgr8 || frame.format == PixelFormat::bgra8;
  const int step = frame.format == PixelFormat::rgb8 || frame.format == PixelFormat::bgr8 ? 3 : 4;
  const auto reorder = [&](std::uint32_t value) { return is_reversed ? __builtin_bswap32(value) >> 8 : value; };
  for_rows(frame, stride, image, [&](const std::uint8_t* in, std::uint8_t* out) {
    for (int x = 0; x + 1 < frame.width; ++x, in += step, out += 3) {
      std::uint32_t value = 0;
      std::memcpy(&value, in, 4);
      put(out, reorder(value));
    }
    std::uint32_t value = 0;
    std::memcpy(&value, in, 3);
    put_last(out, reorder(value));
  });
}

/// Scales deep samples by a table, and counts them as SampleScale does.
class DeepSamples {
 public:
  explicit DeepSamples(int bits) : scale_(bits), table_(std::size_t{1} << 16) {
    for (std::uint32_t sample = 0; sample < table_.size(); ++sample) table_[sample] = scale_.scaled(sample);
  }
  std::uint32_t operator()(std::uint16_t sample) {
    seen_ |= sample;
    beyond_ += sample > scale_.largest() ? 1 : 0;
    return grey(table_[sample]);
  }
  void describe(RgbImage& image) {
    scale_.count(static_cast<std::uint64_t>(image.height) * static_cast<std::uint64_t>(image.width), seen_, beyond_);
    scale_.describe(image);
  }

 private:
  SampleScale scale_;
  std::vector<std::uint8_t> table_;
  std::uint32_t seen_ = 0;
  std::uint64_t beyond_ = 0;
};

void from_deep(const Frame& frame, std::size_t stride, int sample_bits, RgbImage& image) {
  DeepSamples samples(sample_bits);
  for_rows(frame, stride, image, [&](const std::uint8_t* in, std::uint8_t* out) {
    write_row(out, frame.width, [&](int x) {
      std::uint16_t sample = 0;
      std::memcpy(&sample, in + 2 * static_cast<std::size_t>(x), 2);
      return samples(sample);
    });
  });
  samples.describe(image);
}

/// Two pixels lie in three bytes, without regard to rows. Both forms keep the upper bits of the first pixel and of the
/// second at other places:
///   Mono12Packed  first bits 11…4 | second bits 3…0, first bits 3…0 | second bits 11…4
///   Mono12p       first bits 7…0  | second bits 3…0, first bits 11…8 | second bits 11…4
void from_packed(const Frame& frame, int sample_bits, RgbImage& image) {
  DeepSamples samples(sample_bits);
  const bool is_gige = frame.format == PixelFormat::mono12_packed;
  const auto first = [&](const std::uint8_t* at) {
    const unsigned shared = at[1] & 15U;
    return samples(static_cast<std::uint16_t>(is_gige ? at[0] << 4U | shared : shared << 8U | at[0]));
  };
  const auto second = [&](const std::uint8_t* at) {
    return samples(static_cast<std::uint16_t>(at[2] << 4U | at[1] >> 4U));
  };
  // The last one or two pixels have no room behind them.
  const std::size_t count = image.pixels.size() / 3, tail = count % 2 == 0 ? 2 : 1;
  const std::uint8_t* in = frame.pixels.data();
  std::uint8_t* out = image.pixels.data();
  for (std::size_t i = 0; i < count - tail; i += 2, in += 3, out += 6) {
    put(out, first(in));
    put(out + 3, second(in));
  }
  put_last(out, first(in));
  if (tail == 2) put_last(out + 3, second(in));
  samples.describe(image);
}

std::uint32_t clamped(int value) {
  return static_cast<std::uint32_t>(std::clamp(value, 0, 255));
}

/// What two pixels beside each other share: their colour by ITU-R BT.601 with Y from 16 to 235, in units of 1/256.
struct Chroma {
  Chroma(int u, int v)
      : red(409 * (v - 128) + 128), green(-100 * (u - 128) - 208 * (v - 128) + 128), blue(516 * (u - 128) + 128) {}
  [[nodiscard]] std::uint32_t with(int luma) const {
    const int grey = 298 * (luma - 16);
    return clamped((grey + red) >> 8) | clamped((grey + green) >> 8) << 8 | clamped((grey + blue) >> 8) << 16;
  }
  int red, green, blue;
};

/// Writes a row of pairs of pixels. chroma(x) and luma(x) give what belongs to column x.
template <typename ChromaAt, typename LumaAt>
void write_pairs(std::uint8_t* out, int width, const ChromaAt& chroma, const LumaAt& luma) {
  for (int x = 0; x + 2 < width; x += 2, out += 6) {
    const Chroma pair = chroma(x);
    put(out, pair.with(luma(x)));
    put(out + 3, pair.with(luma(x + 1)));
  }
  const Chroma pair = chroma(width - 2);
  put_last(out, pair.with(luma(width - 2)));
  put_last(out + 3, pair.with(luma(width - 1)));
}

void from_yuyv(const Frame& frame, std::size_t stride, RgbImage& image) {
  for_rows(frame, stride, image, [&](const std::uint8_t* in, std::uint8_t* out) {
    write_pairs(
        out, frame.width, [&](int x) { return Chroma(in[2 * x + 1], in[2 * x + 3]); },
        [&](int x) { return in[2 * x]; });
  });
}

void from_nv12(const Frame& frame, std::size_t stride, RgbImage& image) {
  const std::uint8_t* const chroma = frame.pixels.data() + stride * static_cast<std::size_t>(frame.height);
  for (int y = 0; y < frame.height; ++y) {
    const std::uint8_t* const luma = frame.pixels.data() + stride * static_cast<std::size_t>(y);
    const std::uint8_t* const uv = chroma + stride * static_cast<std::size_t>(y / 2);
    write_pairs(
        image.at(y, 0), frame.width, [&](int x) { return Chroma(uv[x], uv[x + 1]); }, [&](int x) { return luma[x]; });
  }
}

void from_bayer(const Frame& frame, std::size_t stride, RgbImage& image) {
  const bool is_red_below = frame.format == PixelFormat::bayer_gb8 || frame.format == PixelFormat::bayer_bg8;
  const bool is_red_right = frame.format == PixelFormat::bayer_gr8 || frame.format == PixelFormat::bayer_bg8;
  demosaic(frame.pixels.data(), stride, frame.height, frame.width, is_red_below ? 1 : 0, is_red_right ? 1 : 0,
           image.pixels.data());
}

}  // namespace

std::string_view to_text(PixelFormat format) {
  return kNames[static_cast<std::size_t>(format)];
}

Result<PixelFormat> parse_pixel_format(std::string_view name) {
  const auto* const known = std::find(kNames.begin(), kNames.end(), name);
  if (known != kNames.end()) return static_cast<PixelFormat>(known - kNames.begin());
  std::string all;
  for (const auto each : kNames) all.append(all.empty() ? "" : ", ").append(each);
  return invalid_input("There is no pixel format of this name; there are " + all + ".");
}

std::optional<std::size_t> frame_bytes(PixelFormat format, int width, int height, std::size_t stride) {
  if (std::min(width, height) < 1 || std::max(width, height) > kMostFrameSide) return {};
  const auto columns = static_cast<std::size_t>(width), rows = static_cast<std::size_t>(height);
  if (format == PixelFormat::jpeg || is_packed(format)) {
    if (stride != 0) return {};
    return format == PixelFormat::jpeg ? 1 : (columns * rows * 3 + 1) / 2;
  }
  const bool is_bayer = format >= PixelFormat::bayer_rg8 && format <= PixelFormat::bayer_bg8;
  if (is_bayer && std::min(width, height) < 3) return {};
  if ((format == PixelFormat::yuyv || format == PixelFormat::nv12) && width % 2 != 0) return {};
  if (format == PixelFormat::nv12 && height % 2 != 0) return {};
  const auto row = row_bytes(format, columns);
  if (stride != 0 && (stride < row || stride > (std::size_t{1} << 20))) return {};
  const auto all_rows = format == PixelFormat::nv12 ? rows * 3 / 2 : rows;
  return (stride == 0 ? row : stride) * (all_rows - 1) + row;
}

Result<void> to_rgb(const Frame& frame, int sample_bits, RgbImage& image) {
  const auto least = frame_bytes(frame.format, frame.width, frame.height, frame.stride);
  if (!least)
    return invalid_input(fmt::format("A frame cannot have {}x{} pixels of the format {} in rows of {} bytes.",
                                     frame.width, frame.height, to_text(frame.format), frame.stride));
  if (frame.pixels.size() < *least)
    return invalid_input(fmt::format("The frame has {} bytes; {}x{} pixels of the format {} need {}.",
                                     frame.pixels.size(), frame.width, frame.height, to_text(frame.format), *least));
  if (sample_bits < 8 || sample_bits > 16) return invalid_input("The range of samples is not 8 to 16 bits.");
  image.height = frame.height;
  image.width = frame.width;
  image.used_bits = 0;
  image.beyond_range = 0;
  image.pixels.resize(static_cast<std::size_t>(frame.height) * static_cast<std::size_t>(frame.width) * 3);
  const auto stride = frame.stride != 0 ? frame.stride : row_bytes(frame.format, static_cast<std::size_t>(frame.width));
  switch (frame.format) {
    case PixelFormat::rgb8:
      for_rows(frame, stride, image, [&](const std::uint8_t* in, std::uint8_t* out) {
        std::memcpy(out, in, 3 * static_cast<std::size_t>(frame.width));
      });
      break;
    case PixelFormat::bgr8:
    case PixelFormat::rgba8:
    case PixelFormat::bgra8:
      from_color(frame, stride, image);
      break;
    case PixelFormat::mono8:
      for_rows(frame, stride, image, [&](const std::uint8_t* in, std::uint8_t* out) {
        write_row(out, frame.width, [&](int x) { return grey(in[x]); });
      });
      break;
    case PixelFormat::mono10:
    case PixelFormat::mono12:
    case PixelFormat::mono16:
      from_deep(frame, stride, sample_bits, image);
      break;
    case PixelFormat::mono12_packed:
    case PixelFormat::mono12p:
      from_packed(frame, sample_bits, image);
      break;
    case PixelFormat::bayer_rg8:
    case PixelFormat::bayer_gr8:
    case PixelFormat::bayer_gb8:
    case PixelFormat::bayer_bg8:
      from_bayer(frame, stride, image);
      break;
    case PixelFormat::yuyv:
      from_yuyv(frame, stride, image);
      break;
    case PixelFormat::nv12:
      from_nv12(frame, stride, image);
      break;
    case PixelFormat::jpeg:
      return invalid_input("A JPEG file has no pixels before it is decoded.");
  }
  return {};
}

Result<RgbImage> to_rgb(const Frame& frame, int sample_bits) {
  RgbImage image;
  if (auto ok = to_rgb(frame, sample_bits, image); !ok) return ok.error();
  return image;
}

}  // namespace vedette
