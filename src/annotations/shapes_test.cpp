#include "annotations/shapes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace vedette {
namespace {

using Rows = std::vector<std::string>;

/// Draws with `fill` on an empty canvas. Marked pixels are '#'.
template <typename Fill>
Rows drawn(int height, int width, const Fill& fill) {
  Canvas canvas(height, width);
  EXPECT_TRUE(fill(canvas));
  Rows rows(static_cast<std::size_t>(height), std::string(static_cast<std::size_t>(width), '.'));
  canvas.take([&](int y, int x) { rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)] = '#'; });
  return rows;
}

Rows drawn(int height, int width, const Ring& ring) {
  return drawn(height, width, [&](Canvas& canvas) { return canvas.fill(ring); });
}

Grid<std::uint8_t> grid_of(const Rows& rows) {
  Grid<std::uint8_t> out(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()));
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const char c = rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)];
      out.at(y, x) = c == '.' ? 0 : static_cast<std::uint8_t>(c - '0');
    }
  return out;
}

TEST(Canvas, ARectangleOfWholePixelsMarksExactlyThem) {
  EXPECT_EQ(drawn(4, 6, rectangle(1, 1, 4, 3)), (Rows{"......", ".###..", ".###..", "......"}));
}

TEST(Canvas, APixelIsMarkedIfItsCentreLiesInside) {
  // The left side passes at 0.6, right of the first centre; the lower side at 2.4, above the third row's centres.
  EXPECT_EQ(drawn(3, 4, rectangle(0.6, 0, 2.8, 2.4)), (Rows{".##.", ".##.", "...."}));
}

TEST(Canvas, WhatLiesOutsideIsCutOff) {
  EXPECT_EQ(drawn(3, 3, rectangle(-5, -7, 2, 99)), (Rows{"##.", "##.", "##."}));
  EXPECT_EQ(drawn(3, 3, rectangle(3, 0, 9, 3)), (Rows{"...", "...", "..."}));
  EXPECT_EQ(drawn(3, 3, rectangle(-1e6, -1e3, -1e5, 1e3)), (Rows{"...", "...", "..."}));
}

TEST(Canvas, ARingThatCrossesItselfIsFilledByEvenAndOdd) {
  // An outer square and, joined to it, an inner one that goes the same way round.
  const Ring ring = {{0, 0}, {5, 0}, {5, 5}, {0, 5}, {0, 0}, {1, 1}, {4, 1}, {4, 4}, {1, 4}, {1, 1}};
  EXPECT_EQ(drawn(5, 5, ring), (Rows{"#####", "#...#", "#...#", "#...#", "#####"}));
}

TEST(Canvas, PolygonsAgreeWithTheAnglesAroundEachCentre) {
  // An independent rule: the angles under which a point inside sees the sides of a simple polygon add up to a full turn.
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    Ring ring;
    for (int i = 0; i < 9; ++i) {
      const double angle = 2 * 3.14159265358979 * i / 9, radius = 4 + static_cast<int>(random() % 1000) / 100.0;
      ring.push_back({15 + radius * std::cos(angle), 15 + radius * std::sin(angle)});
    }
    const auto rows = drawn(30, 30, ring);
    for (int y = 0; y < 30; ++y)
      for (int x = 0; x < 30; ++x) {
        double turns = 0, nearest = 1e9;
        for (std::size_t i = 0; i < ring.size(); ++i) {
          const Point a{ring[i].x - x - 0.5, ring[i].y - y - 0.5},
              b{ring[(i + 1) % 9].x - x - 0.5, ring[(i + 1) % 9].y - y - 0.5};
          turns += std::atan2(a.x * b.y - a.y * b.x, a.x * b.x + a.y * b.y);
          const double dx = b.x - a.x, dy = b.y - a.y,
                       t = std::clamp(-(a.x * dx + a.y * dy) / (dx * dx + dy * dy), 0.0, 1.0);
          nearest = std::min(nearest, std::hypot(a.x + t * dx, a.y + t * dy));
        }
        // Corners are rounded to a fifth of a pixel, so that the nearest centres may fall to either side.
        if (nearest < 0.3) continue;
        EXPECT_EQ(rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)], std::abs(turns) > 3 ? '#' : '.')
            << x << "," << y;
      }
  }
}

TEST(Canvas, AnEllipseCoversItsAreaAndTurns) {
  const auto count = [](const Rows& rows) {
    std::ptrdiff_t pixels = 0;
    for (const auto& row : rows) pixels += std::count(row.begin(), row.end(), '#');
    return static_cast<double>(pixels);
  };
  EXPECT_NEAR(count(drawn(100, 100, ellipse({50, 50}, 40, 20, 0))), 3.14159265 * 40 * 20, 25);
  // (x/2.4)² + (y/1.4)² < 1 around (3, 2): the centres of the middle rows reach ±2.2, those of the outer rows none.
  EXPECT_EQ(drawn(4, 6, ellipse({3, 2}, 2.4, 1.4, 0)), (Rows{"......", ".####.", ".####.", "......"}));
  EXPECT_EQ(drawn(6, 4, ellipse({2, 3}, 2.4, 1.4, 90)), (Rows{"....", ".##.", ".##.", ".##.", ".##.", "...."}));
}

TEST(Canvas, RunsGoAlongRowsOrColumns) {
  const Runs rows{.left = 1, .top = 1, .height = 2, .width = 3, .by_columns = false, .lengths = {1, 3, 2}};
  EXPECT_EQ(drawn(4, 5, [&](Canvas& c) { return c.fill(rows); }), (Rows{".....", "..##.", ".#...", "....."}));
  const Runs columns{.left = 0, .top = 0, .height = 3, .width = 2, .by_columns = true, .lengths = {2, 2, 2}};
  EXPECT_EQ(drawn(3, 2, [&](Canvas& c) { return c.fill(columns); }), (Rows{".#", "..", "#."}));
  const Runs outside{.left = -1, .top = 1, .height = 4, .width = 2, .by_columns = false, .lengths = {0, 8}};
  EXPECT_EQ(drawn(3, 3, [&](Canvas& c) { return c.fill(outside); }), (Rows{"...", "#..", "#.."}));
}

TEST(Canvas, RefusesWhatCostsTooMuch) {
  Canvas canvas(4, 4);
  Ring ring;
  for (int i = 0; i < 100; ++i) ring.push_back({i % 2 == 0 ? -1e6 : 1e6, 0});
  EXPECT_FALSE(canvas.fill(ring));
  const Runs runs{
      .left = 0, .top = 0, .height = kMostSide, .width = kMostSide, .by_columns = false, .lengths = {0, 1U << 28}};
  EXPECT_TRUE(check_runs(runs));
  EXPECT_FALSE(canvas.fill(runs));
}

TEST(Runs, MustFitTheirRectangle) {
  EXPECT_TRUE(check_runs({.left = 0, .top = 0, .height = 2, .width = 3, .by_columns = false, .lengths = {2, 4}}));
  EXPECT_FALSE(check_runs({.left = 0, .top = 0, .height = 2, .width = 3, .by_columns = false, .lengths = {2, 5}}));
  EXPECT_FALSE(check_runs({.left = 0, .top = 0, .height = 0, .width = 3, .by_columns = false, .lengths = {}}));
  // The lengths add up to 6 only if sums overflow at 32 bits.
  EXPECT_FALSE(
      check_runs({.left = 0, .top = 0, .height = 2, .width = 3, .by_columns = false, .lengths = {4294967295U, 7}}));
}

TEST(CocoCounts, AreWorkedOutByHand) {
  // 20 is 10100: its highest bit would be a sign, so that a second digit of 0 follows. From the fourth length on, the
  // difference to the one before the last is written: 22 - 20 = 2, and 18 - 20 = -2, which is 11110 with the sign.
  using Lengths = std::vector<std::uint32_t>;
  EXPECT_EQ(to_coco_counts(Lengths{5, 20, 3, 22}), "5d032");
  EXPECT_EQ(to_coco_counts(Lengths{5, 20, 3, 18}), "5d03N");
  EXPECT_EQ(parse_coco_counts("5d032"), (Lengths{5, 20, 3, 22}));
  EXPECT_EQ(parse_coco_counts("5d03N"), (Lengths{5, 20, 3, 18}));
  EXPECT_EQ(parse_coco_counts(""), Lengths{});
}

TEST(CocoCounts, RefuseWhatIsBroken) {
  EXPECT_FALSE(parse_coco_counts("5d"));             // The last digit says that another one follows.
  EXPECT_FALSE(parse_coco_counts("5 3"));            // A space is no digit.
  EXPECT_FALSE(parse_coco_counts("N"));              // It is negative.
  EXPECT_FALSE(parse_coco_counts("oooooooooooo0"));  // It has more than 32 bits.
  EXPECT_FALSE(parse_coco_counts("\xFF"));
}

TEST(CocoCounts, ParseUndoesPrint) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint32_t> lengths(random() % 20);
    for (auto& length : lengths) length = static_cast<std::uint32_t>(random() >> (random() % 32));
    EXPECT_EQ(parse_coco_counts(to_coco_counts(lengths)), lengths);
  }
}

/// Packs numbers, the highest bit first.
struct Bits {
  std::vector<std::uint8_t> bytes;
  unsigned count = 0;
  Bits& put(std::uint32_t value, unsigned bits) {
    for (unsigned i = bits; i-- > 0; ++count) {
      if (count % 8 == 0) bytes.push_back(0);
      bytes.back() |= static_cast<std::uint8_t>((value >> i & 1U) << (7 - count % 8));
    }
    return *this;
  }
};

Bits brush_of(std::uint32_t values) {
  Bits bits;
  // Values of 8 bits; lengths of 2, 3, 4 or 5 bits.
  return bits.put(values, 32).put(7, 5).put(1, 4).put(2, 4).put(3, 4).put(4, 4);
}

TEST(LabelStudioBrush, IsUnpackedBitByBit) {
  // 2 x 1 pixels: the first is (9, 9, 9, 0), value by value; the second repeats 255 four times.
  auto bits = brush_of(8);
  bits.put(0, 1).put(0, 2).put(3, 2).put(9, 8).put(9, 8).put(9, 8).put(0, 8);
  bits.put(1, 1).put(1, 2).put(3, 3).put(255, 8);
  const auto runs = parse_label_studio_brush(bits.bytes, 1, 2);
  ASSERT_TRUE(runs);
  EXPECT_EQ(runs->lengths, (std::vector<std::uint32_t>{1, 1}));
}

TEST(LabelStudioBrush, ReadsWhatTheLibraryOfLabelStudioPacked) {
  // @thi.ng/rle-pack 3.2.12 made these bytes of the picture below, with (200, 17, 3, 255) for marked pixels.
  const std::vector<std::uint8_t> bytes = {0,   0,   0,   80,  57,  27,  252, 96,  1,   228, 8,   129, 255, 219, 0,
                                           63,  144, 34,  7,   255, 144, 34,  7,   255, 144, 34,  7,   255, 144, 34,
                                           7,   255, 132, 192, 16,  190, 64,  136, 31,  254, 64,  136, 31,  254, 64,
                                           136, 31,  254, 64,  136, 31,  254, 64,  136, 31,  254, 64,  136, 31,  248};
  const auto runs = parse_label_studio_brush(bytes, 4, 5);
  ASSERT_TRUE(runs);
  ASSERT_TRUE(check_runs(*runs));
  EXPECT_EQ(drawn(4, 5, [&](Canvas& c) { return c.fill(*runs); }), (Rows{".#...", "####.", "....#", "#####"}));
  EXPECT_FALSE(parse_label_studio_brush(bytes, 5, 5));
  EXPECT_FALSE(parse_label_studio_brush(std::span(bytes).first(40), 4, 5));
}

TEST(LabelStudioBrush, RefusesARepetitionBeyondItsEnd) {
  auto bits = brush_of(8);
  bits.put(1, 1).put(3, 2).put(31, 5).put(255, 8);
  EXPECT_FALSE(parse_label_studio_brush(bits.bytes, 1, 2));
}

TEST(RawGrid, UndoesEachOrientation) {
  // EXIF 2.32 shows the raw grid 12/34/56 (three rows) so; the digits are the pixels.
  const auto raw = grid_of({"12", "34", "56"});
  const std::vector<std::pair<int, Rows>> shown = {
      {2, {"21", "43", "65"}}, {3, {"65", "43", "21"}}, {4, {"56", "34", "12"}}, {5, {"135", "246"}},
      {6, {"531", "642"}},     {7, {"642", "531"}},     {8, {"246", "135"}}};
  for (const auto& [orientation, rows] : shown) {
    const auto grid = to_raw_grid(grid_of(rows), orientation);
    EXPECT_EQ(grid.height, 3);
    EXPECT_EQ(grid.values, raw.values) << orientation;
  }
}

TEST(Trace, ASquareWithAHoleBecomesOneRing) {
  const auto areas = trace_areas(grid_of({"11111", "1...1", "1.2.1", "1...1", "11111"}));
  ASSERT_EQ(areas.size(), 2U);
  EXPECT_EQ(areas[0].pixels, 16);
  EXPECT_EQ(areas[0].right, 5);
  // Four corners of the outline, the way to the hole's four corners, and back.
  EXPECT_EQ(areas[0].outline.size(), 4U + 1 + 4 + 1);
  EXPECT_EQ(drawn(5, 5, areas[0].outline), (Rows{"#####", "#...#", "#...#", "#...#", "#####"}));
  EXPECT_EQ(areas[1].outline.size(), 4U);
  EXPECT_EQ(areas[1].left, 2);
}

TEST(Trace, PixelsThatMeetAtACornerAreTwoAreas) {
  EXPECT_EQ(trace_areas(grid_of({"1.", ".1"})).size(), 2U);
}

TEST(Trace, OutlinesMarkExactlyTheirPixels) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    Grid<std::uint8_t> labels(1 + static_cast<int>(random() % 20), 1 + static_cast<int>(random() % 20));
    for (auto& label : labels.values) label = static_cast<std::uint8_t>(random() % 3);
    Grid<std::uint8_t> again(labels.height, labels.width);
    Canvas canvas(labels.height, labels.width);
    for (const auto& area : trace_areas(labels)) {
      std::int64_t pixels = 0;
      ASSERT_TRUE(canvas.fill(area.outline));
      canvas.take([&](int y, int x) { again.at(y, x) = area.label, ++pixels; });
      EXPECT_EQ(pixels, area.pixels);
    }
    EXPECT_EQ(again.values, labels.values);
  }
}

}  // namespace
}  // namespace vedette
