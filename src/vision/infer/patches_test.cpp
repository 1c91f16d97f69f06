#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {
namespace {

constexpr int kSide = 3, kStride = 2, kChannels = kSide * kSide, kClusters = 5, kFolds = 2, kRank = 20;
constexpr int kHeight = 12, kWidth = 15;

Tensor drawn(Random& random, std::vector<std::int64_t> shape, double range) {
  std::int64_t count = 1;
  for (const auto extent : shape) count *= extent;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& v : values) v = static_cast<float>(range * random.normal());
  return Tensor::make(std::move(shape), std::move(values));
}

struct Example {
  std::map<std::string, Tensor> tensors;
  std::vector<Node> nodes;
};

Example example() {
  Random random(3);
  Example out;
  out.tensors = {{"centers", drawn(random, {kClusters, kChannels}, 1)},
                 {"whitening", drawn(random, {kChannels, kChannels}, 1)},
                 {"basis", drawn(random, {kClusters, kChannels, kFolds * kRank}, 0.1)},
                 {"weight", drawn(random, {kClusters, kFolds}, 3)},
                 {"scale", drawn(random, {kClusters, kFolds}, 1)},
                 {"offset", drawn(random, {kClusters, kFolds}, 1)}};
  Node node{"patch_mixture", "odd", {"close"}, {}, {{"side", kSide}, {"stride", kStride}}};
  for (const auto& [name, tensor] : out.tensors) node.tensors[name] = name;
  out.nodes = {{"affine", "unused", {"image"}, {}, {{"scale", 1}, {"offset", 0}}},
               {"close_picture", "close", {}, {}, {{"height", kHeight}, {"width", kWidth}}},
               node};
  return out;
}

TEST(PatchMixtureOperation, EqualsItsFormula) {
  auto e = example();
  auto graph = Graph::plan(e.nodes, e.tensors, {"odd", "unused"}, 8, 8);
  ASSERT_TRUE(graph) << graph.error().message;
  ASSERT_NE(graph->close_picture(), nullptr);
  Random random(4);
  const auto input = drawn(random, {kHeight, kWidth}, 1);
  std::copy_n(input.data(), input.count, graph->close_picture()->data.data());
  graph->run();
  const auto& odd = graph->output("odd");
  ASSERT_EQ(odd.shape, (std::vector<std::int64_t>{kFolds, 5, 7}));
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x) {
      const auto pixel = [&](int i) {
        return static_cast<double>(input.data()[(y * kStride + i / kSide) * kWidth + x * kStride + i % kSide]);
      };
      const auto deviation = [&](int k, int i) { return pixel(i) - e.tensors.at("centers").data()[k * kChannels + i]; };
      int nearest = 0;
      double best = 1e30;
      for (int k = 0; k < kClusters; ++k) {
        double square = 0;
        for (int i = 0; i < kChannels; ++i) square += deviation(k, i) * deviation(k, i);
        if (square < best) best = square, nearest = k;
      }
      std::vector<double> white(kChannels);
      double norm = 0;
      for (int j = 0; j < kChannels; ++j) {
        for (int i = 0; i < kChannels; ++i)
          white[static_cast<std::size_t>(j)] +=
              deviation(nearest, i) * e.tensors.at("whitening").data()[i * kChannels + j];
        norm += white[static_cast<std::size_t>(j)] * white[static_cast<std::size_t>(j)];
      }
      for (int f = 0; f < kFolds; ++f) {
        double explained = 0;
        for (int r = f * kRank; r < (f + 1) * kRank; ++r) {
          double along = 0;
          for (int j = 0; j < kChannels; ++j)
            along += white[static_cast<std::size_t>(j)] *
                     e.tensors.at("basis").data()[(nearest * kChannels + j) * kFolds * kRank + r];
          explained += along * along;
        }
        const int at = nearest * kFolds + f;
        const double distance =
            std::sqrt(std::max(0.0, e.tensors.at("weight").data()[at] * norm - explained) / kChannels);
        const double expected =
            std::max(0.0, e.tensors.at("offset").data()[at] + e.tensors.at("scale").data()[at] * distance);
        EXPECT_NEAR(odd.data[static_cast<std::size_t>((f * 5 + y) * 7 + x)], expected, 1e-3 * (1 + expected));
      }
    }
}

TEST(PatchMixtureOperation, RefusesWhatDoesNotFit) {
  const auto fails = [](const Example& e) { return !Graph::plan(e.nodes, e.tensors, {"odd"}, 8, 8); };
  EXPECT_FALSE(fails(example()));
  Random random(5);
  auto e = example();
  e.tensors["centers"] = drawn(random, {kClusters, kChannels + 1}, 1);
  EXPECT_TRUE(fails(e));
  e = example();
  e.tensors["basis"] = drawn(random, {kClusters, kChannels, kFolds * kRank + 1}, 1);
  EXPECT_TRUE(fails(e));
  e = example();
  e.tensors["scale"] = drawn(random, {kClusters, kFolds + 1}, 1);
  EXPECT_TRUE(fails(e));
  e = example();
  e.nodes[2].numbers["side"] = 17;
  EXPECT_TRUE(fails(e));
  e = example();
  e.nodes[1].numbers["height"] = 2;
  EXPECT_TRUE(fails(e));
  e = example();
  e.nodes[1].numbers["width"] = 1e9;
  EXPECT_TRUE(fails(e));
  e = example();
  constexpr int kMany = 5000;
  e.tensors = {{"centers", drawn(random, {kMany, kChannels}, 1)},
               {"whitening", drawn(random, {kChannels, kChannels}, 1)},
               {"basis", drawn(random, {kMany, kChannels, kFolds}, 1)},
               {"weight", drawn(random, {kMany, kFolds}, 1)},
               {"scale", drawn(random, {kMany, kFolds}, 1)},
               {"offset", drawn(random, {kMany, kFolds}, 1)}};
  EXPECT_TRUE(fails(e));
  // Clusters that are possible alone may be too many for a wide row of patches.
  constexpr int kPossible = 4096;
  e.tensors = {{"centers", drawn(random, {kPossible, 4}, 1)},       {"whitening", drawn(random, {4, 4}, 1)},
               {"basis", drawn(random, {kPossible, 4, kFolds}, 1)}, {"weight", drawn(random, {kPossible, kFolds}, 1)},
               {"scale", drawn(random, {kPossible, kFolds}, 1)},    {"offset", drawn(random, {kPossible, kFolds}, 1)}};
  e.nodes = {{"upsample", "wide", {"image"}, {}, {{"factor", 16}}},
             {"upsample", "wider", {"wide"}, {}, {{"factor", 16}}},
             {"upsample", "widest", {"wider"}, {}, {{"factor", 2}}},
             {"channels", "bright", {"widest"}, {}, {{"first", 0}, {"count", 1}}},
             {"patch_mixture",
              "odd",
              {"bright"},
              {{"centers", "centers"},
               {"whitening", "whitening"},
               {"basis", "basis"},
               {"weight", "weight"},
               {"scale", "scale"},
               {"offset", "offset"}},
              {{"side", 2}, {"stride", 1}}}};
  const auto refused = Graph::plan(e.nodes, e.tensors, {"odd"}, 8, 40);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("too much at once"), std::string::npos) << refused.error().message;
  // A graph has one close picture.
  e = example();
  e.nodes.push_back({"close_picture", "closer", {}, {}, {{"height", kHeight}, {"width", kWidth}}});
  e.nodes.push_back({"concatenate", "both", {"close", "closer"}, {}, {}});
  EXPECT_FALSE(Graph::plan(e.nodes, e.tensors, {"both"}, 8, 8));
}

TEST(ClosePicture, HasTheBrightnessOfThePictureAndDecidesHowFarItMayBeReduced) {
  RgbImage image{2, 2, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}};
  std::vector<float> same(4), one(1);
  close_picture(image, 2, 2, same.data());
  EXPECT_FLOAT_EQ(same[0], 0.25F);
  EXPECT_FLOAT_EQ(same[1], 0.5F);
  EXPECT_FLOAT_EQ(same[3], 1);
  close_picture(image, 1, 1, one.data());
  EXPECT_NEAR(one[0], 0.5, 0.01);

  Manifest manifest;
  manifest.input_height = 64;
  manifest.input_width = 96;
  EXPECT_EQ(least_size(manifest).height, 64);
  manifest.graph = {{"close_picture", "close", {}, {}, {{"height", 48}, {"width", 480}}}};
  EXPECT_EQ(least_size(manifest).height, 64);
  EXPECT_EQ(least_size(manifest).width, 480);
}

}  // namespace
}  // namespace vedette
