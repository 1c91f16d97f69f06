#include "edge/frames/frame.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <functional>

#include "base/random.hpp"

namespace vedette {
namespace {

constexpr int kHeight = 66, kWidth = 70, kPixels = kHeight * kWidth;

std::vector<std::uint8_t> random_bytes_of(std::size_t count, std::uint64_t seed) {
  std::vector<std::uint8_t> out(count);
  Random random(seed);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(random.next());
  return out;
}

void put_big_endian(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

/// Makes a PNG file of its own, with the help of zlib alone. `rows` has the samples as the format has them.
Bytes png(int depth, int color_type, const std::vector<std::uint8_t>& rows) {
  Bytes raw;
  const std::size_t stride = rows.size() / kHeight;
  for (int y = 0; y < kHeight; ++y) {
    raw.push_back(0);
    raw.insert(raw.end(), rows.begin() + static_cast<std::ptrdiff_t>(stride * static_cast<std::size_t>(y)),
               rows.begin() + static_cast<std::ptrdiff_t>(stride * static_cast<std::size_t>(y + 1)));
  }
  Bytes packed(compressBound(static_cast<uLong>(raw.size())));
  auto size = static_cast<uLongf>(packed.size());
  compress(packed.data(), &size, raw.data(), static_cast<uLong>(raw.size()));
  packed.resize(size);
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  const auto chunk = [&](std::string_view type, const Bytes& data) {
    put_big_endian(file, static_cast<std::uint32_t>(data.size()));
    const auto begin = file.size();
    file.insert(file.end(), type.begin(), type.end());
    file.insert(file.end(), data.begin(), data.end());
    put_big_endian(file,
                   static_cast<std::uint32_t>(crc32(0, file.data() + begin, static_cast<uInt>(file.size() - begin))));
  };
  Bytes header;
  put_big_endian(header, kWidth);
  put_big_endian(header, kHeight);
  for (const int value : {depth, color_type, 0, 0, 0}) header.push_back(static_cast<std::uint8_t>(value));
  chunk("IHDR", header);
  chunk("IDAT", packed);
  chunk("IEND", {});
  return file;
}

RgbImage decoded(const Bytes& file, int sample_bits = 16) {
  auto image = decode_image(file, {}, {}, {.sample_bits = sample_bits});
  EXPECT_TRUE(image);
  return image ? *image : RgbImage{};
}

Frame frame_of(PixelFormat format, const std::vector<std::uint8_t>& bytes, std::size_t stride = 0) {
  Frame frame;
  frame.width = kWidth;
  frame.height = kHeight;
  frame.format = format;
  frame.stride = stride;
  frame.pixels = bytes;
  return frame;
}

void expect_same(const Frame& frame, const RgbImage& expected, int sample_bits = 16) {
  const auto image = to_rgb(frame, sample_bits);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->height, expected.height);
  EXPECT_EQ(image->width, expected.width);
  EXPECT_EQ(image->pixels, expected.pixels);
  EXPECT_EQ(image->used_bits, expected.used_bits);
  EXPECT_EQ(image->beyond_range, expected.beyond_range);
}

TEST(Frame, ColorsEqualAnRgbPngInEveryOrder) {
  const auto rgb = random_bytes_of(3 * kPixels, 1);
  const auto expected = decoded(png(8, 2, rgb));
  expect_same(frame_of(PixelFormat::rgb8, rgb), expected);
  std::vector<std::uint8_t> bgr, rgba, bgra;
  for (std::size_t i = 0; i < rgb.size(); i += 3) {
    bgr.insert(bgr.end(), {rgb[i + 2], rgb[i + 1], rgb[i]});
    rgba.insert(rgba.end(), {rgb[i], rgb[i + 1], rgb[i + 2], 77});
    bgra.insert(bgra.end(), {rgb[i + 2], rgb[i + 1], rgb[i], 77});
  }
  expect_same(frame_of(PixelFormat::bgr8, bgr), expected);
  expect_same(frame_of(PixelFormat::rgba8, rgba), expected);
  expect_same(frame_of(PixelFormat::bgra8, bgra), expected);
}

TEST(Frame, Mono8EqualsAGreyPng) {
  const auto grey = random_bytes_of(kPixels, 2);
  expect_same(frame_of(PixelFormat::mono8, grey), decoded(png(8, 0, grey)));
}

TEST(Frame, DeepSamplesEqualAGreyPngOfSixteenBitsForEveryRangeOfAModel) {
  struct Deep {
    PixelFormat format;
    unsigned bits;
  };
  for (const auto& deep : {Deep{PixelFormat::mono10, 10}, Deep{PixelFormat::mono12, 12}, Deep{PixelFormat::mono16, 16},
                           Deep{PixelFormat::mono12_packed, 12}, Deep{PixelFormat::mono12p, 12}}) {
    Random random(deep.bits);
    std::vector<std::uint16_t> samples(kPixels);
    for (auto& sample : samples) sample = static_cast<std::uint16_t>(random.below(1U << deep.bits));
    std::vector<std::uint8_t> big_endian, bytes;
    for (const auto sample : samples) {
      big_endian.push_back(static_cast<std::uint8_t>(sample >> 8));
      big_endian.push_back(static_cast<std::uint8_t>(sample));
    }
    if (deep.format == PixelFormat::mono12_packed || deep.format == PixelFormat::mono12p) {
      for (std::size_t i = 0; i < samples.size(); i += 2) {
        const unsigned a = samples[i], b = samples[i + 1];
        const bool is_gige = deep.format == PixelFormat::mono12_packed;
        bytes.push_back(static_cast<std::uint8_t>(is_gige ? a >> 4 : a));
        bytes.push_back(static_cast<std::uint8_t>((b & 15U) << 4 | (is_gige ? a & 15U : a >> 8)));
        bytes.push_back(static_cast<std::uint8_t>(b >> 4));
      }
    } else {
      for (const auto sample : samples) {
        bytes.push_back(static_cast<std::uint8_t>(sample));
        bytes.push_back(static_cast<std::uint8_t>(sample >> 8));
      }
    }
    for (int range = 8; range <= 16; ++range) {
      SCOPED_TRACE(std::string(to_text(deep.format)) + ", " + std::to_string(range) + " bits");
      expect_same(frame_of(deep.format, bytes), decoded(png(16, 0, big_endian), range), range);
    }
  }
}

TEST(Frame, AnOddNumberOfPackedPixelsEndsInHalfAPair) {
  const std::vector<std::uint8_t> packed = {0xAB, 0x0C, 0x12, 0x34, 0x05};  // Mono12p: 0xCAB, 0x120, 0x534
  Frame frame;
  frame.width = 3;
  frame.height = 1;
  frame.format = PixelFormat::mono12p;
  frame.pixels = packed;
  const auto image = to_rgb(frame, 16);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->pixels, (std::vector<std::uint8_t>{0xC, 0xC, 0xC, 1, 1, 1, 5, 5, 5}));
  EXPECT_EQ(image->used_bits, 12);
}

TEST(Frame, RowsMayHavePaddingThatIsNeverSeen) {
  const auto rgb = random_bytes_of(3 * kPixels, 3);
  const auto expected = decoded(png(8, 2, rgb));
  constexpr std::size_t kStride = 3 * kWidth + 14;
  std::vector<std::uint8_t> padded(kStride * kHeight, 99);
  for (std::size_t y = 0; y < kHeight; ++y)
    std::copy_n(rgb.begin() + static_cast<std::ptrdiff_t>(3 * kWidth * y), 3 * kWidth,
                padded.begin() + static_cast<std::ptrdiff_t>(kStride * y));
  padded.resize(kStride * (kHeight - 1) + 3 * kWidth);  // The last row may lack its padding.
  expect_same(frame_of(PixelFormat::rgb8, padded, kStride), expected);
}

TEST(Frame, YuvBecomesTheColorsOfBt601) {
  // Y, U, V of black, white, and the primaries at 100 % (ITU-R BT.601, limited range).
  struct Color {
    std::uint8_t y, u, v;
    int red, green, blue;
  };
  for (const auto& c : {Color{16, 128, 128, 0, 0, 0}, Color{235, 128, 128, 255, 255, 255},
                        Color{81, 90, 240, 255, 0, 0}, Color{145, 54, 34, 0, 255, 0}, Color{41, 240, 110, 0, 0, 255}}) {
    std::vector<std::uint8_t> yuyv, nv12(kPixels, c.y);
    for (int i = 0; i < kPixels / 2; ++i) yuyv.insert(yuyv.end(), {c.y, c.u, c.y, c.v});
    for (int i = 0; i < kPixels / 4; ++i) nv12.insert(nv12.end(), {c.u, c.v});
    for (const auto& frame : {frame_of(PixelFormat::yuyv, yuyv), frame_of(PixelFormat::nv12, nv12)}) {
      const auto image = to_rgb(frame, 16);
      ASSERT_TRUE(image) << image.error().message;
      for (int i = 0; i < kPixels; ++i) {
        ASSERT_NEAR(image->pixels[static_cast<std::size_t>(3 * i)], c.red, 2);
        ASSERT_NEAR(image->pixels[static_cast<std::size_t>(3 * i + 1)], c.green, 2);
        ASSERT_NEAR(image->pixels[static_cast<std::size_t>(3 * i + 2)], c.blue, 2);
      }
    }
  }
}

TEST(Frame, ChromaBelongsToItsPixels) {
  // The left half is red and the right half blue; in NV12 the upper half is red and the lower half blue.
  std::vector<std::uint8_t> yuyv, nv12;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth / 2; ++x) {
      if (x < 17)
        yuyv.insert(yuyv.end(), {81, 90, 81, 240});
      else
        yuyv.insert(yuyv.end(), {41, 240, 41, 110});
    }
  for (int y = 0; y < kHeight; ++y) nv12.insert(nv12.end(), kWidth, y < 32 ? 81 : 41);
  for (int y = 0; y < kHeight / 2; ++y)
    for (int x = 0; x < kWidth / 2; ++x)
      nv12.insert(nv12.end(),
                  {y < 16 ? std::uint8_t{90} : std::uint8_t{240}, y < 16 ? std::uint8_t{240} : std::uint8_t{110}});
  const auto across = to_rgb(frame_of(PixelFormat::yuyv, yuyv), 16),
             down = to_rgb(frame_of(PixelFormat::nv12, nv12), 16);
  ASSERT_TRUE(across && down);
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      ASSERT_EQ(across->at(y, x)[0] > 200, x < 34);
      ASSERT_EQ(across->at(y, x)[2] > 200, x >= 34);
      ASSERT_EQ(down->at(y, x)[0] > 200, y < 32);
      ASSERT_EQ(down->at(y, x)[2] > 200, y >= 32);
    }
}

TEST(Frame, TheMemoryOfThePictureBeforeIsUsedAgainAndNothingOfItIsLeft) {
  const auto deep = random_bytes_of(2 * kPixels, 4);
  RgbImage image;
  ASSERT_TRUE(to_rgb(frame_of(PixelFormat::mono16, deep), 12, image));
  EXPECT_GT(image.beyond_range, 0);
  const auto* const memory = image.pixels.data();
  ASSERT_TRUE(to_rgb(frame_of(PixelFormat::mono8, deep), 12, image));
  EXPECT_EQ(image.pixels.data(), memory);
  EXPECT_EQ(image.used_bits, 0);
  EXPECT_EQ(image.beyond_range, 0);
}

TEST(Frame, EveryFormatHasItsBytesAndOneFewerIsRefused) {
  struct Need {
    PixelFormat format;
    std::size_t bytes;
  };
  for (const auto& need : {Need{PixelFormat::rgb8, 3 * kPixels}, Need{PixelFormat::bgra8, 4 * kPixels},
                           Need{PixelFormat::mono8, kPixels}, Need{PixelFormat::mono10, 2 * kPixels},
                           Need{PixelFormat::mono12p, kPixels * 3 / 2}, Need{PixelFormat::bayer_gb8, kPixels},
                           Need{PixelFormat::yuyv, 2 * kPixels}, Need{PixelFormat::nv12, kPixels * 3 / 2}}) {
    SCOPED_TRACE(to_text(need.format));
    EXPECT_EQ(frame_bytes(need.format, kWidth, kHeight, 0), need.bytes);
    const auto bytes = random_bytes_of(need.bytes, 5);
    EXPECT_TRUE(to_rgb(frame_of(need.format, bytes), 16));
    auto frame = frame_of(need.format, bytes);
    frame.pixels = frame.pixels.first(need.bytes - 1);
    EXPECT_FALSE(to_rgb(frame, 16));
  }
}

TEST(Frame, SizesThatNoFrameHasAreRefused) {
  EXPECT_FALSE(frame_bytes(PixelFormat::mono8, 0, 4, 0));
  EXPECT_FALSE(frame_bytes(PixelFormat::mono8, 4, -1, 0));
  EXPECT_FALSE(frame_bytes(PixelFormat::mono8, kMostFrameSide + 1, 4, 0));
  EXPECT_FALSE(frame_bytes(PixelFormat::mono8, 100, 4, 99));
  EXPECT_FALSE(frame_bytes(PixelFormat::mono8, 100, 4, ~std::size_t{0}));
  EXPECT_FALSE(frame_bytes(PixelFormat::mono12p, 100, 4, 150));
  EXPECT_FALSE(frame_bytes(PixelFormat::yuyv, 101, 4, 0));
  EXPECT_FALSE(frame_bytes(PixelFormat::nv12, 100, 5, 0));
  EXPECT_FALSE(frame_bytes(PixelFormat::bayer_rg8, 100, 2, 0));
  EXPECT_EQ(frame_bytes(PixelFormat::mono12p, 3, 3, 0), 14U);
  const auto bytes = random_bytes_of(kPixels, 6);
  EXPECT_FALSE(to_rgb(frame_of(PixelFormat::jpeg, bytes), 16));
  EXPECT_FALSE(to_rgb(frame_of(PixelFormat::mono8, bytes), 17));
}

TEST(Frame, NamesComeBack) {
  for (int i = 0; i <= static_cast<int>(PixelFormat::jpeg); ++i) {
    const auto format = static_cast<PixelFormat>(i);
    const auto parsed = parse_pixel_format(to_text(format));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, format);
  }
  EXPECT_NE(parse_pixel_format("rgb8").error().message.find("RGB8, BGR8"), std::string::npos);
}

}  // namespace
}  // namespace vedette
