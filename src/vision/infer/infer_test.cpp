#include "vision/infer/infer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "base/files.hpp"
#include "base/random.hpp"
#include "vision/infer/decide.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/registration.hpp"

namespace vedette {
namespace {

Tensor random_tensor(std::vector<std::int64_t> shape, std::uint64_t seed) {
  std::int64_t count = 1;
  for (auto s : shape) count *= s;
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& v : values) v = static_cast<float>(random.normal());
  return Tensor::make(std::move(shape), std::move(values));
}

Planes random_picture(int height, int width, std::uint64_t seed) {
  Planes p{3, height, width, std::vector<float>(static_cast<std::size_t>(3 * height * width))};
  Random random(seed);
  for (auto& v : p.values) v = static_cast<float>(random.uniform());
  return p;
}

/// These nodes turn a picture into tokens and project them by a random matrix: [cells, channels].
const std::vector<Node> kTokens = {{"tokens", "t", {"image"}, {}, {}},
                                   {"project", "x", {"t"}, {{"weights", "w"}, {"bias", "b"}}, {}}};

TEST(Graph, NearestDistancesAgreeWithBruteForceGroupByGroup) {
  constexpr int height = 19, width = 29, channels = 7, entries = 83;
  std::map<std::string, Tensor> tensors = {
      {"w", random_tensor({3, channels}, 1)},
      {"b", random_tensor({channels}, 2)},
      {"bank", random_tensor({entries, channels}, 3)},
      {"groups", Tensor::make({4}, {0, 30, 31, 83})},
      {"mean", random_tensor({height * width, channels}, 4)},
      {"basis", random_tensor({height * width, 2, channels}, 5)},
      {"weight", Tensor::make({height * width}, std::vector<float>(height * width, 9.0F))}};
  auto nodes = kTokens;
  nodes.push_back({"nearest_distance",
                   "bank",
                   {"x"},
                   {{"bank", "bank"}, {"groups", "groups"}},
                   {{"height", height}, {"width", width}}});
  nodes.push_back({"nearest_other_group", "others", {"bank"}, {}, {{"group", 1}}});
  nodes.push_back({"position_subspace",
                   "place",
                   {"x"},
                   {{"mean", "mean"}, {"basis", "basis"}, {"weight", "weight"}},
                   {{"height", height}, {"width", width}}});
  auto graph = Graph::plan(nodes, tensors, {"x", "bank", "place", "others"}, height, width);
  ASSERT_TRUE(graph) << graph.error().message;
  graph->run(random_picture(height, width, 5));
  const auto& x = graph->output("x").data;
  const auto distance = [&](std::size_t cell, const float* row) {
    double sum = 0;
    for (std::size_t c = 0; c < channels; ++c) sum += std::pow(static_cast<double>(x[cell * channels + c]) - row[c], 2);
    return std::sqrt(sum);
  };
  for (std::size_t cell = 0; cell < height * width; ++cell) {
    double nearest[3] = {1e9, 1e9, 1e9};
    for (std::size_t e = 0; e < entries; ++e) {
      auto& n = nearest[e < 30 ? 0 : e < 31 ? 1 : 2];
      n = std::min(n, distance(cell, tensors.at("bank").data() + e * channels));
    }
    double inside = 0;
    for (std::size_t k = 0; k < 2; ++k) {
      double dot = 0;
      for (std::size_t c = 0; c < channels; ++c)
        dot += static_cast<double>(tensors.at("basis").data()[(cell * 2 + k) * channels + c]) *
               (x[cell * channels + c] - tensors.at("mean").data()[cell * channels + c]);
      inside += dot * dot;
    }
    const double away = distance(cell, tensors.at("mean").data() + cell * channels);
    const double place = std::sqrt(std::max(0.0, 9 * away * away - inside) / channels);
    for (std::size_t g = 0; g < 3; ++g)
      ASSERT_NEAR(graph->output("bank").data[g * height * width + cell], nearest[g], 2e-3);
    ASSERT_NEAR(graph->output("place").data[cell], place, 1e-3 * (1 + place));
    ASSERT_NEAR(graph->output("others").data[cell], std::min(nearest[0], nearest[2]), 2e-3);
  }
}

TEST(Graph, NearestDistancesAreExactAmongEntriesThatHardlyDiffer) {
  // bf16 cannot tell apart the entries of a cluster. So it may help to find the nearest entry, but must not decide
  // which one is the nearest.
  constexpr std::int64_t height = 20, width = 30, entries = 700, clusters = 20, first_group = 333;
  for (const std::int64_t channels : {5, 48, 96}) {
    const auto at = [&](std::int64_t row, std::int64_t c) { return static_cast<std::size_t>(row * channels + c); };
    const auto centres = random_tensor({clusters, channels}, 7).copy();
    auto rows = random_tensor({entries, channels}, 8).copy();
    for (std::int64_t e = 0; e < entries; ++e)
      for (std::int64_t c = 0; c < channels; ++c)
        rows[at(e, c)] = 0.005F * rows[at(e, c)] + centres[at(e % clusters, c)];
    const std::map<std::string, Tensor> tensors = {{"w", random_tensor({3, channels}, 1)},
                                                   {"b", random_tensor({channels}, 2)},
                                                   {"bank", Tensor::make({entries, channels}, rows)},
                                                   {"groups", Tensor::make({3}, {0, first_group, entries})}};
    auto nodes = kTokens;
    nodes.push_back({"nearest_distance",
                     "bank",
                     {"x"},
                     {{"bank", "bank"}, {"groups", "groups"}},
                     {{"height", height}, {"width", width}}});
    auto graph = Graph::plan(nodes, tensors, {"x", "bank"}, height, width);
    ASSERT_TRUE(graph) << graph.error().message;
    graph->run(random_picture(height, width, 6));
    const auto& x = graph->output("x").data;
    for (std::int64_t cell = 0; cell < height * width; ++cell) {
      std::array<double, 2> nearest = {1e9, 1e9};
      for (std::int64_t e = 0; e < entries; ++e) {
        double sum = 0;
        for (std::int64_t c = 0; c < channels; ++c)
          sum += std::pow(static_cast<double>(x[at(cell, c)]) - rows[at(e, c)], 2);
        auto& n = nearest[e < first_group ? 0 : 1];
        n = std::min(n, std::sqrt(sum));
      }
      for (std::size_t g = 0; g < 2; ++g)
        ASSERT_NEAR(graph->output("bank").data[g * height * width + static_cast<std::size_t>(cell)], nearest[g], 1e-4);
    }
  }
}

TEST(Graph, ImpossibleGraphsAreRefused) {
  const std::map<std::string, Tensor> tensors = {{"w", random_tensor({2, 4, 3, 3}, 1)},
                                                 {"even", random_tensor({2, 3, 4, 4}, 1)},
                                                 {"g", Tensor::make({2}, {0, 5})}};
  for (const auto& node : std::vector<Node>{{"explode", "y", {"image"}, {}, {}},
                                            {"average_pool", "y", {"image"}, {}, {{"size", 65}}},
                                            {"average_pool", "y", {"image"}, {}, {{"size", 0}}},
                                            {"average_pool", "y", {"image"}, {}, {{"size", 64}}},
                                            {"blur", "y", {"image"}, {}, {{"sigma", 1}}},
                                            {"tokens", "y", {}, {}, {}}}) {
    const auto graph = Graph::plan({node}, tensors, {"y"}, 32, 32);
    EXPECT_FALSE(graph) << node.op;
  }
}

TEST(Graph, LightNormalisationRemovesGainAndOffset) {
  auto graph = Graph::plan({{"light_normalize", "y", {"image"}, {}, {{"sigma", 8}}}}, {}, {"y"}, 64, 64);
  ASSERT_TRUE(graph);
  auto picture = random_picture(64, 64, 6);
  graph->run(picture);
  const auto first = graph->output("y").copy();
  for (auto& v : picture.values) v = v + 0.3F;
  graph->run(picture);
  for (std::size_t i = 0; i < first.size(); ++i) ASSERT_NEAR(graph->output("y").data[i], first[i], 2e-3);
}

/// Makes a picture with structure, moved and turned.
Grid<float> scene(double dy, double dx, double angle) {
  Grid<float> out(60, 80);
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 80; ++x) {
      const double u = x - 39.5 - dx, v = y - 29.5 - dy;
      const double qx = std::cos(angle) * u + std::sin(angle) * v, qy = -std::sin(angle) * u + std::cos(angle) * v;
      out.at(y, x) = static_cast<float>(std::exp(-(qx * qx + qy * qy) / 300) +
                                        0.5 * std::exp(-((qx - 12) * (qx - 12) + (qy - 5) * (qy - 5)) / 12) +
                                        0.4 * std::exp(-((qx + 9) * (qx + 9) + (qy + 8) * (qy + 8)) / 9));
    }
  return out;
}

TEST(Registration, FindsHowThePartLies) {
  const auto reference = scene(0, 0, 0);
  for (const auto& [dy, dx, angle] :
       {std::tuple{0.0, 0.0, 0.0}, {2.3, -3.6, 0.0}, {-1.5, 2.0, 0.07}, {3.0, 3.0, -0.11}}) {
    const auto moved = scene(dy, dx, angle);
    const auto found = estimate_registration(reference, moved);
    EXPECT_NEAR(found.dy, dy, 0.25);
    EXPECT_NEAR(found.dx, dx, 0.25);
    EXPECT_NEAR(found.angle, angle, 0.01);
    // Warping to the reference reverses the motion, and warping back restores it.
    Grid<float> back(60, 80), again(60, 80);
    warp_to_reference(moved.values.data(), back.values.data(), 1, 60, 80, found, 1);
    warp_from_reference(back.values.data(), again.values.data(), 1, 60, 80, found, 1);
    for (int y = 15; y < 45; ++y)
      for (int x = 20; x < 60; ++x) {
        ASSERT_NEAR(back.at(y, x), reference.at(y, x), 0.06);
        ASSERT_NEAR(again.at(y, x), moved.at(y, x), 0.06);
      }
  }
}

TEST(Registration, APictureInPlaceStaysAsItIsAndAKnockedOneIsMoved) {
  const auto reference = scene(0, 0, 0), jittered = scene(0.3, -0.3, 0), knocked = scene(2.3, -3.6, 0.05);
  const auto in_place = registration_score(reference, scene(0.4, 0.4, 0), {});
  const auto is_unmoved = [](const RigidTransform& t) { return t.dy == 0 && t.dx == 0 && t.angle == 0; };
  EXPECT_FALSE(is_unmoved(find_pose(reference, jittered, std::nullopt)));
  EXPECT_TRUE(is_unmoved(find_pose(reference, jittered, in_place)));
  EXPECT_NEAR(find_pose(reference, knocked, in_place).dx, -3.6, 0.25);
  // If a picture differs in more than its place, registration must not move it only to make it fit a little better.
  auto other = reference;
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 80; ++x) other.at(y, x) = static_cast<float>(std::sin(y * 0.9) * std::cos(x * 0.7));
  EXPECT_TRUE(is_unmoved(find_pose(reference, other, in_place)));
}

TEST(Registration, WhatRepeatsOrHasNoPatternHasNotOnePlace) {
  EXPECT_TRUE(has_one_place(scene(0, 0, 0), 0.95));
  // A weave fits itself again after one period of 9, which is farther than registration shifts a picture (6).
  Grid<float> weave(60, 80), grating = weave, smooth = weave;
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 80; ++x) {
      const double row = 2 * std::numbers::pi / 9 * y, column = 2 * std::numbers::pi / 9 * x;
      weave.at(y, x) = static_cast<float>(std::sin(row) * std::sin(column));
      grating.at(y, x) = static_cast<float>(std::sin(column));
      smooth.at(y, x) = static_cast<float>(0.01 * y + 0.004 * x);
    }
  EXPECT_FALSE(has_one_place(weave, 0.95));
  EXPECT_FALSE(has_one_place(grating, 0.95));
  EXPECT_FALSE(has_one_place(smooth, 0.95));
}

TEST(Infer, PoolingAveragesTheLargest) {
  const std::vector<float> values = {1, 9, 3, 7, 5, 0, 0, 0, 0, 0};
  EXPECT_DOUBLE_EQ(pool_largest(values, 0.001), 9);
  EXPECT_DOUBLE_EQ(pool_largest(values, 0.3), 7);
  const std::vector<Pool> pools = {{.fraction = 0.3}, {.fraction = 0.3, .level_exponent = 1}, {.fraction = 0.001}};
  const auto numbers = pool_map(values, pools);
  ASSERT_EQ(numbers.size(), 3);
  EXPECT_DOUBLE_EQ(numbers[0], std::log(7));
  EXPECT_DOUBLE_EQ(numbers[1], std::log(7 / 2.5));
  EXPECT_DOUBLE_EQ(numbers[2], std::log(9));
}

TEST(Infer, APictureIsSummarizedAndProbedAsAWhole) {
  const std::vector<Node> nodes = {{"average_pool", "cells", {"image"}, {}, {{"size", 8}}},
                                   {"tokens", "rows", {"cells"}, {}, {}},
                                   {"summarize_rows", "summary", {"rows"}, {}, {{"share", 0.25}}},
                                   {"probe",
                                    "odds",
                                    {"summary"},
                                    {{"center", "c"}, {"scale", "s"}, {"weights", "w"}, {"bias", "b"}},
                                    {{"limit", 2}}}};
  const std::map<std::string, Tensor> tensors = {{"c", Tensor::make({9}, {0.5F, 0, 0, 0, 0, 0, 0, 0, 0})},
                                                 {"s", Tensor::make({9}, {1, 1, 1, 1, 1, 1, 10, 1, 1})},
                                                 {"w", Tensor::make({9}, {4, 0, 0, 2, 0, 0, 1, 0, 0})},
                                                 {"b", Tensor::make({1}, {-0.25F})}};
  auto graph = Graph::plan(nodes, tensors, {"summary", "odds"}, 16, 16);
  ASSERT_TRUE(graph) << graph.error().message;
  // Of four cells one is white; the green channel is 0.5 everywhere.
  auto input = graph->input();
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 16; ++x) {
      const auto at = static_cast<std::size_t>(16 * y + x);
      input[at] = y < 8 && x < 8 ? 1.0F : 0.0F;
      input[256 + at] = 0.5F;
      input[512 + at] = 0;
    }
  graph->run();
  const auto summary = graph->output("summary").copy();
  const std::vector<double> expected = {0.25, 0.5, 0, std::sqrt(0.1875), 0, 0, 1, 0.5, 0};
  ASSERT_EQ(summary.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(summary[i], expected[i], 1e-6) << i;
  // The seventh number is 10 deviations away, which are cut off at 2.
  const double logit = -0.25 + 4 * (0.25 - 0.5) + 2 * std::sqrt(0.1875) + 1 * 2;
  EXPECT_NEAR(graph->output("odds").data[0], std::exp(logit), 1e-4);
}

TEST(Infer, OnlyRegionsThatReachThePeakAreLabelled) {
  Manifest m;
  m.image_height = 24, m.image_width = 48;
  m.contestants = {{.name = "one", .maps = {"map"}, .pools = {{.fraction = 0.01, .weight = 1}}, .map_weight = 1}};
  m.segmentation = Segmentation{{{"a", "#ff0000"}, {"b", "#00ff00"}}, {{1, 2}, {1, 2}}, {"classes"}, {}};
  Grid<float> map(6, 12);
  map.at(2, 2) = 1.5F;  // this cell reaches the threshold but not the peak
  map.at(2, 9) = 2.5F;
  Planes classes{2, 6, 12, std::vector<float>(2 * 6 * 12)};
  for (std::size_t i = 6 * 12; i < classes.values.size(); ++i) classes.values[i] = 1;  // the class is "b" everywhere
  const auto detection =
      combine(m, std::vector<ContestantOutput>{{{map}, {{0.0}}}}, std::vector{classes}, {}, {}, std::nullopt);
  std::set<int> left, right;
  for (int y = 0; y < 24; ++y)
    for (int x = 0; x < 48; ++x) (x < 24 ? left : right).insert(detection.label_map->at(y, x));
  EXPECT_EQ(left, std::set<int>{0});
  EXPECT_EQ(right, (std::set<int>{0, 2}));
}

TEST(Plausibility, BlackWhiteAndDefocusedPicturesAreRefused) {
  auto picture = random_picture(128, 160, 3);
  for (int c = 0; c < 3; ++c)  // the structure is 8 pixels wide
    for (int y = 0; y < 128; ++y)
      for (int x = 0; x < 160; ++x)
        picture.values[static_cast<std::size_t>((c * 128 + y) * 160 + x)] =
            picture.values[static_cast<std::size_t>((c * 128 + y / 8 * 8) * 160 + x / 8 * 8)];
  const auto usual = describe_picture(picture);
  EXPECT_NEAR(usual.brightness, 0.5, 0.05);
  const Plausibility limits{usual.brightness / 3, 1 - (1 - usual.brightness) / 3, usual.sharpness / 1.7, 2};
  EXPECT_EQ(implausible_because(limits, usual), "");
  auto black = picture, white = picture, blurred = picture;
  for (auto& v : black.values) v *= 0.1F;
  for (auto& v : white.values) v = 1 - 0.1F * v;
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 128; ++y)
      for (int x = 0; x < 160; ++x) {
        float sum = 0;
        for (int dy = -12; dy <= 12; ++dy)
          for (int dx = -12; dx <= 12; ++dx)
            sum += picture.values[static_cast<std::size_t>((c * 128 + std::clamp(y + dy, 0, 127)) * 160 +
                                                           std::clamp(x + dx, 0, 159))];
        blurred.values[static_cast<std::size_t>((c * 128 + y) * 160 + x)] = sum / 625;
      }
  EXPECT_NE(implausible_because(limits, describe_picture(black)).find("darker"), std::string::npos);
  EXPECT_NE(implausible_because(limits, describe_picture(white)).find("brighter"), std::string::npos);
  EXPECT_NE(implausible_because(limits, describe_picture(blurred)).find("focus"), std::string::npos);
  auto foreign = usual;
  foreign.level = 2.1;
  EXPECT_NE(implausible_because(limits, foreign).find("unlike"), std::string::npos);
  auto glint = usual, other_range = usual;
  glint.beyond_range = 0.01;
  other_range.beyond_range = 0.4;
  EXPECT_EQ(implausible_because(limits, glint), "");
  EXPECT_NE(implausible_because(limits, other_range).find("range"), std::string::npos);
}

TEST(Decide, ALogitBecomesAVerdictWithinTheLimit) {
  const DecisionNumbers numbers{.threshold = anomaly_score_of(0.5),
                                .confidence_slope = 2,
                                .confidence_limit = 0.9,
                                .plausibility = {0.2, 0.8, 0.1, 2}};
  const PictureStatistics usual{.brightness = 0.5, .sharpness = 1, .level = 1};
  const auto at = decide(0.5, numbers, usual), above = decide(1, numbers, usual), below = decide(-4, numbers, usual);
  EXPECT_TRUE(at.is_anomalous);
  EXPECT_DOUBLE_EQ(at.confidence, 0.5);
  EXPECT_TRUE(above.is_anomalous);
  EXPECT_NEAR(above.confidence, 1 / (1 + std::exp(-2 * 0.5)), 1e-12);
  EXPECT_NEAR(above.anomaly_score, std::log1p(std::exp(1.0)), 1e-12);
  EXPECT_FALSE(below.is_anomalous);
  EXPECT_DOUBLE_EQ(below.confidence, 0.9);
  EXPECT_EQ(below.reason, "");
  EXPECT_DOUBLE_EQ(decide(100, numbers, usual).anomaly_score, 100);
  // A picture that no model can judge is anomalous however good its score is, and the score that is told agrees with
  // that.
  const auto black = decide(-4, numbers, {.brightness = 0.1, .sharpness = 1, .level = 1});
  EXPECT_TRUE(black.is_anomalous);
  EXPECT_DOUBLE_EQ(black.confidence, 0.9);
  EXPECT_DOUBLE_EQ(black.anomaly_score, numbers.threshold);
  EXPECT_NE(black.reason, "");
  EXPECT_DOUBLE_EQ(decide(3, numbers, {.brightness = 0.9}).anomaly_score, anomaly_score_of(3));
}

TEST(Decide, AMovedThresholdChangesTheVerdictButNotTheProbability) {
  const PictureStatistics usual{.brightness = 0.5, .sharpness = 1, .level = 1};
  const DecisionNumbers trained{.threshold = anomaly_score_of(0.5),
                                .confidence_slope = 2,
                                .confidence_limit = 0.9,
                                .plausibility = {0.2, 0.8, 0.1, 2}};
  const auto probability = [](const Decided& d) { return d.is_anomalous ? d.confidence : 1 - d.confidence; };
  for (const double moved : {-0.25, 1.25}) {
    auto numbers = trained;
    numbers.threshold = anomaly_score_of(moved);
    numbers.even_score = trained.threshold;
    for (double logit = -3; logit <= 3; logit += 0.125) {
      const auto before = decide(logit, trained, usual), after = decide(logit, numbers, usual);
      EXPECT_EQ(after.is_anomalous, logit >= moved) << logit;
      EXPECT_EQ(after.anomaly_score, before.anomaly_score);
      EXPECT_NEAR(probability(after), probability(before), 1e-12) << logit;
      // At the even score itself both verdicts are equally probable.
      if (logit != 0.5) {
        EXPECT_EQ(after.confidence < 0.5, after.is_anomalous != before.is_anomalous) << logit;
      }
      const auto again = decide_by_score(before.anomaly_score, numbers, before.reason);
      EXPECT_EQ(again.is_anomalous, after.is_anomalous);
      EXPECT_EQ(again.confidence, after.confidence);
    }
    // Both limits hold far away, also for a verdict that the model itself would not have given.
    auto extreme = numbers;
    extreme.threshold = anomaly_score_of(50);
    EXPECT_NEAR(decide(40, extreme, usual).confidence, 0.1, 1e-12);
    const auto black = decide(-4, numbers, {.brightness = 0.1, .sharpness = 1, .level = 1});
    EXPECT_TRUE(black.is_anomalous);
    EXPECT_EQ(black.confidence, 0.9);
    EXPECT_EQ(black.anomaly_score, numbers.threshold);
  }
}

TEST(Infer, RegionsAreConnectedAcrossCorners) {
  Grid<float> map(3, 5);
  map.values = {1, 0, 0, 0, 1,  //
                0, 1, 0, 0, 1,  //
                0, 0, 0, 0, 0};
  int count = 0;
  const auto regions = find_regions(map, 0.5, 0.5, count);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(regions.at(0, 0), regions.at(1, 1));
  EXPECT_NE(regions.at(0, 0), regions.at(0, 4));
  map.at(1, 4) = 3;
  const auto high = find_regions(map, 0.5, 2, count);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(high.at(0, 0), 0);
  EXPECT_EQ(high.at(0, 4), 1);
}

/// Makes a model that calls bright pictures anomalous: its map is the luminance.
Artifact bright_model() {
  Artifact a;
  auto& m = a.manifest;
  m.image_height = m.image_width = m.input_height = m.input_width = 64;
  m.folds = 1;
  m.graph = {{"tokens", "t", {"image"}, {}, {}},
             {"nearest_distance", "d", {"t"}, {{"bank", "zero"}, {"groups", "g"}}, {{"height", 64}, {"width", 64}}},
             {"nearest_distance", "d2", {"t"}, {{"bank", "two"}, {"groups", "g2"}}, {{"height", 64}, {"width", 64}}},
             {"nearest_other_group", "map", {"d2"}, {}, {{"group", 1}}}};
  a.tensors = {{"zero", Tensor::make({1, 3}, {0, 0, 0})},
               {"g", Tensor::make({2}, {0, 1})},
               {"two", Tensor::make({2, 3}, {0, 0, 0, 9, 9, 9})},
               {"g2", Tensor::make({3}, {0, 1, 2})}};
  m.contestants = {{.name = "bright", .maps = {"map"}, .pools = {{.fraction = 0.5, .weight = 1}}, .map_weight = 1}};
  m.threshold = std::log1p(std::exp(std::log(0.8)));
  m.confidence_slope = 3;
  m.confidence_limit = 0.95;
  return a;
}

TEST(Infer, DecidesAndIsCertainWithinTheLimit) {
  const auto engine = Engine::create(bright_model());
  ASSERT_TRUE(engine) << engine.error().message;
  RgbImage image{64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 255)};
  const auto bright = (*engine)->detect(image);
  ASSERT_TRUE(bright);
  EXPECT_TRUE(bright->is_anomalous);
  EXPECT_GT(bright->confidence, 0.5);
  EXPECT_LE(bright->confidence, 0.95);
  EXPECT_FALSE(bright->label_map);
  std::fill(image.pixels.begin(), image.pixels.end(), 1);
  const auto dark = (*engine)->detect(image);
  EXPECT_FALSE(dark->is_anomalous);
  EXPECT_DOUBLE_EQ(dark->confidence, 0.95);
  EXPECT_LT(dark->anomaly_score, bright->anomaly_score);
  EXPECT_EQ((*engine)->detect(RgbImage{65, 64, std::vector<std::uint8_t>(65 * 64 * 3)}).error().kind,
            ErrorKind::invalid_input);
}

/// Makes a model whose map needs more digits than bf16 has: 1 + red / 1000, less 1.
Artifact delicate_model() {
  Artifact a;
  auto& m = a.manifest;
  m.image_height = m.image_width = m.input_height = m.input_width = 64;
  m.folds = 1;
  m.graph = {{"block",
              "one",
              {"image"},
              {{"weights", "thousandth"}, {"bias", "plus"}},
              {{"groups", 1}, {"stride", 1}, {"relu", 1}}},
             {"block",
              "back",
              {"one"},
              {{"weights", "thousand"}, {"bias", "minus"}},
              {{"groups", 1}, {"stride", 1}, {"relu", 1}}},
             {"slice", "map", {"back"}, {}, {{"channel", 0}}}};
  a.tensors = {{"thousandth", Tensor::make({1, 3, 1, 1}, {1e-3F, 0, 0})},
               {"plus", Tensor::make({1}, {1})},
               {"thousand", Tensor::make({1, 1, 1, 1}, {1000})},
               {"minus", Tensor::make({1}, {-1000})},
               {"picture", Tensor::make({64, 64, 3}, std::vector<float>(64 * 64 * 3, 128))}};
  m.contestants = {{.name = "red", .maps = {"map"}, .pools = {{.fraction = 0.5, .weight = 1}}, .map_weight = 1}};
  m.threshold = 1;
  m.confidence_limit = 0.95;
  return a;
}

TEST(Infer, AModelThatNeedsFullPrecisionRunsInIt) {
  auto artifact = delicate_model();
  const auto exact = Engine::create(artifact, Precision::fp32);
  ASSERT_TRUE(exact) << exact.error().message;
  const auto score = (*exact)->detect(RgbImage{64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 128)})->anomaly_score;
  artifact.manifest.golden = {{"picture", score}};
  artifact.manifest.int8_agrees = true;  // This precision is tried first, then bf16.
  const TemporaryFolder folder;
  ASSERT_TRUE(write_artifact(folder.path(), artifact.manifest, artifact.tensors,
                             {{"thousandth", "plus", "thousand", "minus"}, {"picture"}}));
  const auto engine = Engine::load(folder.path());
  ASSERT_TRUE(engine) << engine.error().message;
  EXPECT_EQ((*engine)->precision(), Precision::fp32);
  artifact.manifest.golden[0].anomaly_score = 2 * score;
  const TemporaryFolder other;
  ASSERT_TRUE(write_artifact(other.path(), artifact.manifest, artifact.tensors,
                             {{"thousandth", "plus", "thousand", "minus"}, {"picture"}}));
  EXPECT_FALSE(Engine::load(other.path()));
}

TEST(Infer, AGoldenSampleThatIsImplausibleIsReproduced) {
  // The defect that is kept as a golden sample may itself be a picture that the model cannot judge. Then its score is
  // the threshold.
  auto artifact = delicate_model();
  artifact.manifest.plausibility.brightest = 0.1;
  const auto engine = Engine::create(artifact, Precision::fp32);
  ASSERT_TRUE(engine) << engine.error().message;
  const auto said = (*engine)->detect(RgbImage{64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 128)});
  ASSERT_TRUE(said && !said->reason.empty());
  artifact.manifest.golden = {{"picture", said->anomaly_score}};
  const TemporaryFolder folder;
  ASSERT_TRUE(write_artifact(folder.path(), artifact.manifest, artifact.tensors,
                             {{"thousandth", "plus", "thousand", "minus"}, {"picture"}}));
  EXPECT_TRUE(Engine::load(folder.path(), Engine::Check::all, Precision::fp32));
}

TEST(Infer, AModelThatDecidesOtherwiseInBf16RunsInFullPrecision) {
  auto artifact = delicate_model();
  artifact.manifest.bf16_agrees = false;
  const TemporaryFolder folder;
  ASSERT_TRUE(write_artifact(folder.path(), artifact.manifest, artifact.tensors,
                             {{"thousandth", "plus", "thousand", "minus"}, {"picture"}}));
  for (const auto check : {Engine::Check::all, Engine::Check::nothing}) {
    const auto engine = Engine::load(folder.path(), check);
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ((*engine)->precision(), Precision::fp32);
  }
}

TEST(Infer, ModelsShareWeights) {
  const auto artifact = delicate_model();
  const auto one = Engine::create(artifact), two = Engine::create(artifact);
  ASSERT_TRUE(one && two);
  EXPECT_EQ((*one)->memory().weights, (*two)->memory().weights);
  // The weights include those that are arranged for products.
  EXPECT_GT((*one)->memory().weights.size(), artifact.tensors.size());
}

}  // namespace
}  // namespace vedette
