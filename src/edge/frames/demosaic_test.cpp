#include "edge/frames/demosaic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "edge/frames/frame.hpp"

namespace vedette {
namespace {

using Pattern = std::vector<std::vector<int>>;

std::vector<std::uint8_t> run(const Pattern& rows, int red_row, int red_column) {
  const int height = static_cast<int>(rows.size()), width = static_cast<int>(rows[0].size());
  std::vector<std::uint8_t> samples, rgb(static_cast<std::size_t>(3 * height * width));
  for (const auto& row : rows)
    for (const int value : row) samples.push_back(static_cast<std::uint8_t>(value));
  demosaic(samples.data(), static_cast<std::size_t>(width), height, width, red_row, red_column, rgb.data());
  return rgb;
}

std::vector<int> pixel(const std::vector<std::uint8_t>& rgb, int width, int y, int x) {
  const auto at = rgb.begin() + 3 * (y * width + x);
  return {at[0], at[1], at[2]};
}

/// A pattern of one grey with one sample that differs by 80, which each filter sees with one of its coefficients.
Pattern one_sample(int y, int x) {
  Pattern rows(9, std::vector<int>(9, 100));
  rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)] = 180;
  return rows;
}

TEST(Demosaic, AGreyPlaneStaysGrey) {
  for (const int red_row : {0, 1})
    for (const int red_column : {0, 1})
      for (const auto value : run(Pattern(5, std::vector<int>(7, 93)), red_row, red_column)) ASSERT_EQ(value, 93);
}

TEST(Demosaic, TheFiltersHaveTheCoefficientsOfThePaper) {
  // Red lies at even rows and columns. The coefficients are those of figure 2 divided by 8; the sample adds 80.
  const auto at = [](int y, int x, int from_y, int from_x) {
    return pixel(run(one_sample(from_y, from_x), 0, 0), 9, y, x);
  };
  const auto with = [](double red, double green, double blue) {
    return std::vector<int>{static_cast<int>(std::floor(100 + 80 * red / 8 + 0.5)),
                            static_cast<int>(std::floor(100 + 80 * green / 8 + 0.5)),
                            static_cast<int>(std::floor(100 + 80 * blue / 8 + 0.5))};
  };
  // At a red sample: red itself, green, and blue from the corners.
  EXPECT_EQ(at(4, 4, 4, 4), with(8, 4, 6));
  EXPECT_EQ(at(4, 4, 4, 5), with(0, 2, 0));
  EXPECT_EQ(at(4, 4, 3, 4), with(0, 2, 0));
  EXPECT_EQ(at(4, 4, 4, 6), with(0, -1, -1.5));
  EXPECT_EQ(at(4, 4, 2, 4), with(0, -1, -1.5));
  EXPECT_EQ(at(4, 4, 3, 5), with(0, 0, 2));
  // At a green sample in a row of red: red lies beside it, blue above and below.
  EXPECT_EQ(at(4, 5, 4, 5), with(5, 8, 5));
  EXPECT_EQ(at(4, 5, 4, 4), with(4, 0, 0));
  EXPECT_EQ(at(4, 5, 3, 5), with(0, 0, 4));
  EXPECT_EQ(at(4, 5, 4, 7), with(-1, 0, 0.5));
  EXPECT_EQ(at(4, 5, 2, 5), with(0.5, 0, -1));
  EXPECT_EQ(at(4, 5, 3, 4), with(-1, 0, -1));
  // At a green sample in a row of blue, it is the other way round.
  EXPECT_EQ(at(5, 4, 5, 3), with(0, 0, 4));
  EXPECT_EQ(at(5, 4, 4, 4), with(4, 0, 0));
  EXPECT_EQ(at(5, 4, 5, 6), with(0.5, 0, -1));
  EXPECT_EQ(at(5, 4, 7, 4), with(-1, 0, 0.5));
  // At a blue sample, red comes from the corners.
  EXPECT_EQ(at(5, 5, 5, 5), with(6, 4, 8));
  EXPECT_EQ(at(5, 5, 4, 4), with(2, 0, 0));
  EXPECT_EQ(at(5, 5, 5, 3), with(-1.5, -1, 0));
}

TEST(Demosaic, TheBorderIsMirroredWithoutItsOutermostRow) {
  // At the corner (0, 0), a red sample, the neighbours above and to the left are those below and to the right.
  const Pattern rows = {{10, 20, 30, 40}, {50, 60, 70, 80}, {90, 100, 110, 120}, {130, 140, 150, 160}};
  const auto corner = pixel(run(rows, 0, 0), 4, 0, 0);
  // green = (4·10 + 2·(20 + 20 + 50 + 50) − (30 + 30 + 90 + 90)) / 8 = 10; blue = (6·10 + 2·4·60 − 1.5·240) / 8 = 22.5
  EXPECT_EQ(corner, (std::vector<int>{10, 10, 23}));
}

TEST(Demosaic, ResultsAreCutAtBlackAndWhite) {
  Pattern rows(7, std::vector<int>(7, 0));
  rows[3][3] = 255;
  rows[2][3] = rows[4][3] = rows[3][2] = rows[3][4] = 255;
  const auto rgb = run(rows, 1, 1);
  EXPECT_EQ(pixel(rgb, 7, 3, 3), (std::vector<int>{255, 255, 191}));
  EXPECT_EQ(pixel(rgb, 7, 2, 2), (std::vector<int>{64, 128, 0}));
}

TEST(Demosaic, EachOrderOfColorsPutsThemIntoTheirPlaces) {
  // A red area: only red samples are bright.
  struct Order {
    PixelFormat format;
    int red_row, red_column;
  };
  for (const auto& order : {Order{PixelFormat::bayer_rg8, 0, 0}, Order{PixelFormat::bayer_gr8, 0, 1},
                            Order{PixelFormat::bayer_gb8, 1, 0}, Order{PixelFormat::bayer_bg8, 1, 1}}) {
    std::vector<std::uint8_t> samples;
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) samples.push_back(y % 2 == order.red_row && x % 2 == order.red_column ? 200 : 0);
    Frame frame;
    frame.width = frame.height = 8;
    frame.format = order.format;
    frame.pixels = samples;
    const auto image = to_rgb(frame, 16);
    ASSERT_TRUE(image);
    double red = 0, green = 0, blue = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      red += image->pixels[3 * i];
      green += image->pixels[3 * i + 1];
      blue += image->pixels[3 * i + 2];
    }
    EXPECT_GT(red, 1.5 * green) << to_text(order.format);
    EXPECT_GT(red, 1.5 * blue) << to_text(order.format);
  }
}

}  // namespace
}  // namespace vedette
