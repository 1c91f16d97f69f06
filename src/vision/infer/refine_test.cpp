#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {
namespace {

constexpr int kGroups = 2, kChannels = 8, kKinds = 2, kHidden = 32, kRows = 6, kColumns = 7;
constexpr int kInputs = 9 * kChannels + 3 * 8 * 8;

Tensor random_tensor(std::vector<std::int64_t> shape, std::uint64_t seed, double scale) {
  std::int64_t count = 1;
  for (auto s : shape) count *= s;
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& v : values) v = static_cast<float>(scale * random.normal());
  return Tensor::make(std::move(shape), std::move(values));
}

/// Features and logits come from the picture's cells, by random 1 × 1 products.
std::map<std::string, Tensor> tensors() {
  return {{"f.w", random_tensor({kGroups * kChannels, 3, 1, 1}, 1, 1)},
          {"f.b", random_tensor({kGroups * kChannels}, 2, 0.3)},
          {"l.w", random_tensor({kGroups * kKinds, 3, 1, 1}, 3, 4)},
          {"l.b", random_tensor({kGroups * kKinds}, 4, 1)},
          {"w", random_tensor({kGroups, kInputs, kHidden}, 5, 0.1)},
          {"b", random_tensor({kGroups, kHidden}, 6, 0.1)},
          {"pw", random_tensor({kGroups, kHidden, 16}, 7, 0.5)},
          {"pb", random_tensor({kGroups, 16}, 8, 0.5)}};
}

const std::vector<Node> kNodes = {
    {"average_pool", "cells", {"image"}, {}, {{"size", 4}}},
    {"block",
     "features",
     {"cells"},
     {{"weights", "f.w"}, {"bias", "f.b"}},
     {{"groups", 1}, {"stride", 1}, {"relu", 1}}},
    {"block", "logits", {"cells"}, {{"weights", "l.w"}, {"bias", "l.b"}}, {{"groups", 1}, {"stride", 1}, {"relu", 0}}},
    {"refine",
     "pixels",
     {"features", "logits", "image"},
     {{"weights", "w"}, {"bias", "b"}, {"pixel_weights", "pw"}, {"pixel_bias", "pb"}},
     {{"groups", kGroups}, {"limit", 2}}}};

Planes picture() {
  Planes p{3, 4 * kRows, 4 * kColumns, std::vector<float>(3 * 16 * kRows * kColumns)};
  Random random(9);
  for (auto& v : p.values) v = static_cast<float>(random.uniform());
  return p;
}

TEST(Refine, ComputesThePixelsOfDoubtfulCellsAndTheirNeighboursAlone) {
  const auto all = tensors();
  auto graph = Graph::plan(kNodes, all, {"pixels", "features", "logits"}, 4 * kRows, 4 * kColumns, Precision::fp32);
  ASSERT_TRUE(graph) << graph.error().message;
  const auto image = picture();
  graph->run(image);
  const auto features = graph->output("features").copy(), logits = graph->output("logits").copy(),
             pixels = graph->output("pixels").copy();
  ASSERT_EQ(pixels.size(), static_cast<std::size_t>(kGroups * 16 * kRows * kColumns));
  int computed = 0, left_out = 0;
  const auto clamped = [](int i, int count) { return std::clamp(i, 0, count - 1); };
  for (int g = 0; g < kGroups; ++g)
    for (int y = 0; y < kRows; ++y)
      for (int x = 0; x < kColumns; ++x) {
        bool is_doubtful = false;
        std::vector<double> in;
        for (int dy = -1; dy <= 1; ++dy)
          for (int dx = -1; dx <= 1; ++dx) {
            if (y + dy >= 0 && y + dy < kRows && x + dx >= 0 && x + dx < kColumns)
              is_doubtful |= logits[static_cast<std::size_t>((g * kKinds * kRows + y + dy) * kColumns + x + dx)] >= 2;
            for (int c = 0; c < kChannels; ++c)
              in.push_back(features[static_cast<std::size_t>(
                  ((g * kChannels + c) * kRows + clamped(y + dy, kRows)) * kColumns + clamped(x + dx, kColumns))]);
          }
        for (int c = 0; c < 3; ++c)
          for (int py = 0; py < 8; ++py)
            for (int px = 0; px < 8; ++px)
              in.push_back(image.values[static_cast<std::size_t>((c * 4 * kRows + clamped(4 * y - 2 + py, 4 * kRows)) *
                                                                     4 * kColumns +
                                                                 clamped(4 * x - 2 + px, 4 * kColumns))]);
        (is_doubtful ? computed : left_out) += 1;
        std::vector<double> hidden;
        for (int h = 0; h < kHidden; ++h) {
          double sum = all.at("b").data()[g * kHidden + h];
          for (int d = 0; d < kInputs; ++d)
            sum += in[static_cast<std::size_t>(d)] * all.at("w").data()[(g * kInputs + d) * kHidden + h];
          hidden.push_back(std::max(0.0, sum));
        }
        for (int p = 0; p < 16; ++p) {
          double sum = all.at("pb").data()[g * 16 + p];
          for (int h = 0; h < kHidden; ++h)
            sum += hidden[static_cast<std::size_t>(h)] * all.at("pw").data()[(g * kHidden + h) * 16 + p];
          EXPECT_NEAR(pixels[static_cast<std::size_t>((g * 4 * kRows + 4 * y + p / 4) * 4 * kColumns + 4 * x + p % 4)],
                      is_doubtful ? 1 / (1 + std::exp(-sum)) : 0.0, 1e-4)
              << g << " " << y << " " << x << " " << p;
        }
      }
  EXPECT_GT(computed, 0);
  EXPECT_GT(left_out, 0);
  const auto again = pixels;
  graph->run(image);
  EXPECT_EQ(graph->output("pixels").copy(), again);
}

TEST(Refine, InBf16ItComputesTheSameButForRounding) {
  auto exact = Graph::plan(kNodes, tensors(), {"pixels"}, 4 * kRows, 4 * kColumns, Precision::fp32),
       rounded = Graph::plan(kNodes, tensors(), {"pixels"}, 4 * kRows, 4 * kColumns, best_precision());
  ASSERT_TRUE(exact && rounded);
  exact->run(picture());
  rounded->run(picture());
  for (std::size_t i = 0; i < exact->output("pixels").data.size(); ++i)
    EXPECT_NEAR(exact->output("pixels").data[i], rounded->output("pixels").data[i], 0.03) << i;
}

TEST(Refine, WhatDoesNotFitIsRefused) {
  const auto refused = [](auto change) {
    auto nodes = kNodes;
    auto all = tensors();
    change(nodes.back(), all);
    return !Graph::plan(nodes, all, {"pixels"}, 4 * kRows, 4 * kColumns);
  };
  using Tensors = std::map<std::string, Tensor>;
  EXPECT_FALSE(refused([](Node&, Tensors&) {}));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.numbers["groups"] = 3; }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.numbers["groups"] = 0; }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.numbers["limit"] = 1e9; }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.numbers.erase("limit"); }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.inputs.pop_back(); }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.inputs[2] = "cells"; }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.inputs[1] = "image"; }));
  EXPECT_TRUE(refused([](Node& n, Tensors&) { n.tensors["weights"] = "pw"; }));
  EXPECT_TRUE(refused([](Node&, Tensors& t) { t["w"] = random_tensor({kGroups, kInputs, 24}, 1, 1); }));
  EXPECT_TRUE(refused([](Node&, Tensors& t) { t["w"] = random_tensor({kGroups, kInputs - 1, kHidden}, 1, 1); }));
  EXPECT_TRUE(refused([](Node&, Tensors& t) { t["b"] = random_tensor({kGroups, 16}, 1, 1); }));
  EXPECT_TRUE(refused([](Node&, Tensors& t) { t["pb"] = random_tensor({1, 16}, 1, 1); }));
}

TEST(Draw, PixelsAreDrawnWhereTheyReachTheirPeakAndTheMapElsewhere) {
  Manifest m;
  m.image_height = m.input_height = 24, m.image_width = m.input_width = 48;
  m.folds = 2;
  m.segmentation = Segmentation{{{"scratch", "#ff0000"}}, {{1, 2, 0.5, 0.75}}, {"classes"}, "pixels"};
  Grid<float> map(6, 12);
  for (int x = 3; x < 9; ++x) map.at(2, x) = 2.5F;
  Planes classes{1, 6, 12, std::vector<float>(6 * 12)};
  // Both folds see a line of three pixels where the map has a region, and one fold alone sees another line. Both see a
  // spot where the map has no region, and another one that does not reach the peak.
  PixelMaps details{2, 24, 48, std::vector<std::uint8_t>(2 * 24 * 48, 1)};
  const auto mark = [&](int fold, int y, int x, std::uint8_t value) {
    details.values[static_cast<std::size_t>((fold * 24 + y) * 48 + x)] = value;
  };
  for (int x = 12; x < 36; ++x) {
    for (int y = 7; y < 10; ++y) mark(0, y, x, 250), mark(1, y, x, 200);
    mark(0, 11, x, 240);
  }
  for (int fold = 0; fold < 2; ++fold) mark(fold, 20, 40, 255), mark(fold, 20, 4, 190);
  const std::vector class_maps = {classes, classes};
  const auto drawn = draw_labels(m, map, class_maps, details, std::nullopt);
  for (int y = 0; y < 24; ++y)
    for (int x = 0; x < 48; ++x)
      EXPECT_EQ(drawn.at(y, x), (y >= 7 && y < 10 && x >= 12 && x < 36) || (y == 20 && x == 40) ? 1 : 0)
          << y << " " << x;
  EXPECT_EQ(draw_labels(m, map, class_maps, details, 0).at(11, 20), 1);
  EXPECT_EQ(draw_labels(m, map, class_maps, details, 1).at(11, 20), 0);
  // A second region of the map, where there are no pixels, is drawn as in models without pixels.
  map.at(5, 1) = 2.5F;
  const auto with = draw_labels(m, map, class_maps, details, std::nullopt),
             without = draw_labels(m, map, class_maps, {}, std::nullopt);
  EXPECT_EQ(with.at(23, 5), 1);
  for (int x = 0; x < 24; ++x) EXPECT_EQ(with.at(23, x), without.at(23, x)) << x;
  EXPECT_EQ(with.at(8, 20), 1);
  EXPECT_EQ(with.at(11, 20), 0);
  EXPECT_EQ(without.at(11, 20), 1);
  // Labels for which pixels do no good are drawn from the map alone.
  m.segmentation->thresholds[0].pixel = m.segmentation->thresholds[0].pixel_peak = 2;
  EXPECT_EQ(draw_labels(m, map, class_maps, details, std::nullopt).values, without.values);
}

TEST(Draw, PixelsThatDoNotFitTheModelAreRefused) {
  Artifact a;
  auto& m = a.manifest;
  m.image_height = m.image_width = m.input_height = m.input_width = 64;
  m.folds = 1;
  m.graph = {{"slice", "map", {"image"}, {}, {{"channel", 0}}},
             {"channels", "fitting", {"image"}, {}, {{"first", 0}, {"count", 1}}},
             {"average_pool", "small", {"fitting"}, {}, {{"size", 2}}}};
  m.contestants = {{.name = "one", .maps = {"map"}, .pools = {{.fraction = 0.5, .weight = 1}}, .map_weight = 1}};
  m.segmentation = Segmentation{{{"a", "#ff0000"}}, {{1, 2, 0.5, 0.5}}, {"fitting"}, "fitting"};
  EXPECT_TRUE(Engine::create(a));
  for (const char* name : {"image", "small", "map"}) {
    m.segmentation->details = name;
    EXPECT_FALSE(Engine::create(a)) << name;
  }
}

TEST(Draw, MapsWithSidesBeyondAnyPictureAreRefused) {
  Artifact a;
  auto& m = a.manifest;
  m.image_height = m.image_width = m.input_height = m.input_width = 256;
  m.folds = 1;
  m.graph = {{"channels", "one", {"image"}, {}, {{"first", 0}, {"count", 1}}},
             {"slice", "map", {"image"}, {}, {{"channel", 0}}},
             {"tokens", "column", {"one"}, {}, {}}};  // [65536, 1]
  m.contestants = {{.name = "one", .maps = {"map"}, .pools = {{.fraction = 0.5, .weight = 1}}, .map_weight = 1}};
  EXPECT_TRUE(Engine::create(a));
  m.contestants[0].maps = {"column"};
  EXPECT_FALSE(Engine::create(a));
}

}  // namespace
}  // namespace vedette
