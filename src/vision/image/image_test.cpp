#include "vision/image/image.hpp"
#include "vision/image/grey_png.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/image/light.hpp"
#include "vision/image/raw_pixels.hpp"

namespace vedette {
namespace {

RgbImage noise_image(int height, int width, std::uint64_t seed) {
  RgbImage image{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
  Random random(seed);
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(random.next());
  return image;
}

RgbImage flat_image(int height, int width, Rgb color) {
  RgbImage image{height, width, {}};
  for (int i = 0; i < height * width; ++i) image.pixels.insert(image.pixels.end(), color.begin(), color.end());
  return image;
}

/// Makes a picture with structure, since noise would be averaged away when it is reduced.
RgbImage waves(int height, int width) {
  RgbImage image{height, width, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<std::uint8_t>(128 + 100 * std::sin(0.05 * x + c) * std::cos(0.04 * y)));
  return image;
}

TEST(Image, PngIsLossless) {
  const auto image = noise_image(70, 90, 1);
  const auto png = encode_png(image);
  ASSERT_TRUE(png);
  const auto back = decode_image(*png);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->pixels, image.pixels);
  const auto header = read_image_header(std::span(*png).first(40));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->height, 70);
  EXPECT_EQ(header->width, 90);
}

TEST(Image, GreyPngIsLossless) {
  Grid<std::uint8_t> grey(64, 100);
  for (std::size_t i = 0; i < grey.values.size(); ++i) grey.values[i] = static_cast<std::uint8_t>(i * 7);
  const auto png = encode_grey_png(grey);
  ASSERT_TRUE(png);
  const auto back = decode_image(*png);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->pixels.size(), 3 * grey.values.size());
  for (std::size_t i = 0; i < grey.values.size(); ++i) ASSERT_EQ(back->pixels[3 * i + 1], grey.values[i]) << i;
  EXPECT_EQ((*png)[25], 0);  // the colour type in IHDR: grey
}

TEST(Image, JpegKeepsColours) {
  const auto jpeg = encode_jpeg(flat_image(80, 64, {200, 60, 30}), 95);
  ASSERT_TRUE(jpeg);
  const auto back = decode_image(*jpeg);
  ASSERT_TRUE(back);
  EXPECT_NEAR(back->at(40, 30)[0], 200, 3);
  EXPECT_NEAR(back->at(40, 30)[1], 60, 3);
  EXPECT_NEAR(back->at(40, 30)[2], 30, 3);
}

TEST(Image, EveryTruncationIsAnErrorOrWhole) {
  const auto image = noise_image(96, 96, 2);
  for (const auto& bytes : {*encode_jpeg(image, 80), *encode_png(image)})
    for (std::size_t length = 0; length + 2 < bytes.size(); length += 1 + bytes.size() / 150) {
      for (const LeastSize least : {LeastSize{}, LeastSize{24, 24}})
        EXPECT_FALSE(decode_image(std::span(bytes).first(length), {}, least)) << length << " of " << bytes.size();
    }
}

TEST(Image, FlippedBitsNeverCrash) {
  const auto image = noise_image(66, 67, 3);
  Random random(4);
  for (const auto& bytes : {*encode_jpeg(image, 70), *encode_png(image)})
    for (int round = 0; round < 300; ++round) {
      auto damaged = bytes;
      for (int flips = 0; flips < 3; ++flips)
        damaged[random.below(damaged.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
      for (const LeastSize least : {LeastSize{}, LeastSize{24, 24}}) {
        const auto decoded = decode_image(damaged, {}, least);
        if (!decoded) continue;
        EXPECT_EQ(decoded->pixels.size(),
                  static_cast<std::size_t>(decoded->height) * static_cast<std::size_t>(decoded->width) * 3);
      }
    }
}

TEST(Image, SizesOutsideTheLimitsAreRefusedBeforeDecoding) {
  const auto small = *encode_png(noise_image(63, 80, 5));
  EXPECT_FALSE(decode_image(small));
  EXPECT_TRUE(decode_image(small, {32, 100}));
  EXPECT_FALSE(decode_image(small, {32, 70}));
}

TEST(Image, PicturesAreDecodedNoLargerThanWanted) {
  const auto image = waves(200, 301);
  for (const auto& file : {*encode_jpeg(image, 95), *encode_png(image)}) {
    const auto side = [&](LeastSize least) {
      const auto decoded = decode_image(file, {}, least);
      return decoded ? std::pair(decoded->height, decoded->width) : std::pair(0, 0);
    };
    EXPECT_EQ(side({}), std::pair(200, 301));
    EXPECT_EQ(side({101, 150}), std::pair(200, 301));
    EXPECT_EQ(side({100, 151}), std::pair(100, 151));
    EXPECT_EQ(side({50, 76}), std::pair(50, 76));
    EXPECT_EQ(side({10, 10}), std::pair(25, 38));
    EXPECT_FALSE(decode_image(file, {64, 256}, {10, 10}));  // The size of the file counts, not the reduced size.
  }
  for (const auto& [height, width] : {std::pair(200, 301), {100, 151}, {50, 76}, {25, 38}})
    EXPECT_TRUE(is_reduction_of(height, width, 200, 301));
  for (const auto& [height, width] : {std::pair(100, 150), {67, 101}, {13, 19}, {100, 76}, {301, 200}})
    EXPECT_FALSE(is_reduction_of(height, width, 200, 301));
}

TEST(Image, APngDecodedSmallerHoldsMeans) {
  const auto image = noise_image(101, 67, 3);
  const auto reduced = decode_image(*encode_png(image), {}, {26, 17});
  ASSERT_TRUE(reduced);
  ASSERT_EQ(std::pair(reduced->height, reduced->width), std::pair(26, 17));
  for (int y = 0; y < 26; ++y)
    for (int x = 0; x < 17; ++x)
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        int count = 0;
        for (int i = 4 * y; i < std::min(101, 4 * y + 4); ++i)
          for (int j = 4 * x; j < std::min(67, 4 * x + 4); ++j, ++count)
            sum += image.pixels[static_cast<std::size_t>(3 * (i * 67 + j) + c)];
        ASSERT_NEAR(reduced->pixels[static_cast<std::size_t>(3 * (y * 17 + x) + c)], sum / count, 0.5);
      }
}

TEST(Image, RawPixelsBecomeThePictureThatAPngOfThemBecomes) {
  const auto image = noise_image(101, 67, 3);
  const auto png = *encode_png(image);
  for (const int threads : {1, 2, 3})
    for (const LeastSize least : {LeastSize{}, LeastSize{50, 33}, LeastSize{26, 17}, LeastSize{10, 8}}) {
      const ThreadCount count(threads);
      std::vector<std::atomic<int>> reads(image.pixels.size());
      const auto raw = read_raw_pixels(101, 67, least, [&](std::size_t offset, std::span<std::uint8_t> out) {
        for (std::size_t i = 0; i < out.size(); ++i) ++reads[offset + i];
        std::copy_n(image.pixels.data() + offset, out.size(), out.data());
        return Result<void>();
      });
      ASSERT_TRUE(raw);
      EXPECT_TRUE(std::all_of(reads.begin(), reads.end(), [](const auto& times) { return times == 1; }));
      const auto decoded = decode_image(png, {}, least);
      EXPECT_EQ(std::pair(raw->height, raw->width), std::pair(decoded->height, decoded->width));
      EXPECT_EQ(raw->pixels, decoded->pixels);
    }
}

TEST(Image, RawPixelsThatCannotBeReadAreAnErrorWhicheverThreadReadsThem) {
  for (const int threads : {1, 2, 3})
    for (const LeastSize least : {LeastSize{}, LeastSize{26, 17}})
      for (const std::size_t gone : {0, 101 * 67 * 3 / 2, 101 * 67 * 3 - 1}) {
        const ThreadCount count(threads);
        const auto failed =
            read_raw_pixels(101, 67, least, [&](std::size_t offset, std::span<std::uint8_t> out) -> Result<void> {
              if (offset <= gone && gone < offset + out.size()) return invalid_input("gone");
              return {};
            });
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().message, "gone");
      }
}

TEST(Image, AJpegDecodedSmallerLooksLikeOneReducedLater) {
  const auto jpeg = *encode_jpeg(waves(200, 304), 95);
  const auto full = resize_to_planes(*decode_image(jpeg), 50, 76);
  const auto reduced = resize_to_planes(*decode_image(jpeg, {}, {50, 76}), 50, 76);
  double difference = 0;
  for (std::size_t i = 0; i < full.values.size(); ++i) difference += std::abs(full.values[i] - reduced.values[i]);
  EXPECT_LT(difference / static_cast<double>(full.values.size()), 0.004);
}

TEST(Image, PicturesOfLabelsAreLosslessWhateverTheirRuns) {
  const std::vector<Rgb> colors = {{255, 255, 255}, {35, 164, 54}, {0, 0, 0}, {200, 2, 255}};
  Random random(9);
  for (int round = 0; round < 120; ++round) {
    const int height = 64 + static_cast<int>(random.below(30));
    // The widths lie around multiples of the longest run, because the rests of runs are delicate.
    const int width = 64 + static_cast<int>(random.below(300));
    Grid<std::uint8_t> labels(height, width);
    for (int shapes = static_cast<int>(random.below(6)); shapes > 0; --shapes) {
      const auto label = static_cast<std::uint8_t>(random.below(4));
      const auto y0 = random.below(static_cast<std::uint64_t>(height)),
                 x0 = random.below(static_cast<std::uint64_t>(width));
      const auto y1 = y0 + random.below(40), x1 = x0 + random.below(200);
      for (auto y = y0; y < std::min<std::uint64_t>(y1, height); ++y)
        for (auto x = x0; x < std::min<std::uint64_t>(x1, width); ++x)
          labels.at(static_cast<int>(y), static_cast<int>(x)) = label;
    }
    if (round % 10 == 0)
      for (auto& label : labels.values) label = static_cast<std::uint8_t>(random.below(4));
    const auto decoded = decode_image(encode_label_png(labels, colors));
    ASSERT_TRUE(decoded) << decoded.error().message;
    ASSERT_EQ(decoded->width, width);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (std::size_t c = 0; c < 3; ++c) ASSERT_EQ(decoded->at(y, x)[c], colors[labels.at(y, x)][c]) << width;
  }
  EXPECT_LT(encode_label_png(Grid<std::uint8_t>(480, 640), colors).size(), 4000U);
}

TEST(Image, ResizingKeepsTheMeanAndFlatAreasFlat) {
  const auto flat = resize_to_planes(flat_image(100, 130, {51, 102, 204}), 37, 41);
  for (std::size_t i = 0; i < 37 * 41; ++i) {
    EXPECT_NEAR(flat.values[i], 0.2F, 1e-5);
    EXPECT_NEAR(flat.values[2 * 37 * 41 + i], 0.8F, 1e-5);
  }
  Grid<float> map(2, 2);
  map.values = {0, 1, 2, 3};
  const auto large = resize_map(map, 4, 4);
  EXPECT_FLOAT_EQ(large.at(0, 0), 0);
  EXPECT_FLOAT_EQ(large.at(3, 3), 3);
  EXPECT_FLOAT_EQ(large.at(1, 1), 0.75F);  // This place lies a quarter of the way down and across.
}

TEST(Image, LetterboxCentresPictureAndMaskAlike) {
  const auto boxed = letterbox(flat_image(100, 50, {255, 0, 0}), 80, 80);
  EXPECT_EQ(boxed.height, 80);
  EXPECT_EQ(boxed.at(40, 40)[0], 255);
  Grid<std::uint8_t> mask(100, 50, 1);
  const auto boxed_mask = letterbox_mask(mask, 80, 80);
  EXPECT_EQ(std::count(boxed_mask.values.begin(), boxed_mask.values.end(), 1), 80 * 40);
  EXPECT_EQ(boxed_mask.at(40, 19), 0);
  EXPECT_EQ(boxed_mask.at(40, 20), 1);
}

TEST(Light, NormalisingSubtractsAndDividesByTheNeighbourhood) {
  // The first size is done by cells, the second by pixels.
  for (const auto& [height, width] : {std::pair{160, 192}, {161, 190}}) {
    Random random(3);
    std::vector<float> plane, out(static_cast<std::size_t>(height * width));
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        plane.push_back(static_cast<float>(0.3 + 0.001 * y + 0.1 * std::sin(0.05 * x) + 0.1 * random.uniform()));
    constexpr double sigma = 20;
    normalize_light(plane.data(), out.data(), height, width, sigma);
    for (const auto& [y, x] : {std::pair{80, 90}, {83, 101}, {75, 97}, {70, 110}}) {
      double mean = 0, square = 0, weights = 0;
      for (int v = -80; v <= 80; ++v)
        for (int u = -80; u <= 80; ++u) {
          const double w = std::exp(-0.5 * (v * v + u * u) / (sigma * sigma));
          const double value = plane[static_cast<std::size_t>(std::clamp(y + v, 0, height - 1) * width +
                                                              std::clamp(x + u, 0, width - 1))];
          mean += w * value, square += w * value * value, weights += w;
        }
      mean /= weights, square /= weights;
      const auto i = static_cast<std::size_t>(y * width + x);
      EXPECT_NEAR(out[i], (plane[i] - mean) / (std::sqrt(square - mean * mean) + 0.05), 0.08) << y << " " << x;
    }
  }
}

TEST(Mask, ColoursAreMatchedExactlyAndForeignOnesNamed) {
  auto mask = flat_image(2, 2, {255, 255, 255});
  const std::vector<MaskLabel> labels = {{"BACKGROUND", {255, 255, 255}}, {"crack", {35, 164, 54}}};
  std::copy_n(Rgb{35, 164, 54}.begin(), 3, mask.at(0, 1));
  std::copy_n(Rgb{0, 0, 0}.begin(), 3, mask.at(1, 1));
  const auto split = split_mask(mask, labels);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->values, (std::vector<std::uint8_t>{0, 2, 0, 0}));
  mask.at(1, 0)[2] = 17;
  EXPECT_NE(split_mask(mask, labels).error().message.find("#FFFF11"), std::string::npos);
}

TEST(Mask, ColourTextsParse) {
  EXPECT_EQ(*parse_color("#23a436"), (Rgb{0x23, 0xA4, 0x36}));
  EXPECT_FALSE(parse_color("23a436"));
  EXPECT_FALSE(parse_color("#23a43g"));
  EXPECT_EQ(to_text(Rgb{1, 2, 255}), "#0102FF");
}

}  // namespace
}  // namespace vedette
