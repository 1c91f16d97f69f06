#include <gtest/gtest.h>

#include <cmath>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/infer/graph.hpp"

namespace vedette {
namespace {

Tensor random_tensor(std::vector<std::int64_t> shape, double scale, std::uint64_t seed) {
  Random random(seed);
  std::int64_t count = 1;
  for (auto extent : shape) count *= extent;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& v : values) v = static_cast<float>(scale * random.normal());
  return Tensor::make(std::move(shape), std::move(values));
}

Planes random_picture(int height, int width) {
  Planes p{3, height, width, {}};
  Random random(9);
  for (int i = 0; i < 3 * height * width; ++i) p.values.push_back(static_cast<float>(random.uniform()));
  return p;
}

struct Map {
  std::vector<std::int64_t> shape;  // [C,H,W]
  std::vector<float> data;
  [[nodiscard]] float at(std::int64_t c, std::int64_t y, std::int64_t x) const {
    if (y < 0 || x < 0 || y >= shape[1] || x >= shape[2]) return 0;
    return data[static_cast<std::size_t>((c * shape[1] + y) * shape[2] + x)];
  }
};

Map plain_block(const Map& in, const Tensor& weights, const Tensor& bias, std::int64_t groups, std::int64_t stride,
                bool relu, const Map* residual) {
  const auto outputs = weights.size(0), inputs = weights.size(1), kernel = weights.size(2);
  Map out{{outputs, (in.shape[1] - 1) / stride + 1, (in.shape[2] - 1) / stride + 1}, {}};
  for (std::int64_t o = 0; o < outputs; ++o)
    for (std::int64_t y = 0; y < out.shape[1]; ++y)
      for (std::int64_t x = 0; x < out.shape[2]; ++x) {
        double sum = bias.data()[o] + (residual ? residual->at(o, y, x) : 0);
        for (std::int64_t i = 0; i < inputs; ++i)
          for (std::int64_t ky = 0; ky < kernel; ++ky)
            for (std::int64_t kx = 0; kx < kernel; ++kx)
              sum += static_cast<double>(weights.data()[((o * inputs + i) * kernel + ky) * kernel + kx]) *
                     in.at(o / (outputs / groups) * inputs + i, y * stride + ky - kernel / 2,
                           x * stride + kx - kernel / 2);
        out.data.push_back(static_cast<float>(relu ? std::max(0.0, sum) : sum));
      }
  return out;
}

Node block(const std::string& output, std::vector<std::string> inputs, const std::string& weights, int groups,
           int stride, int relu) {
  return {"block",
          output,
          std::move(inputs),
          {{"weights", weights}, {"bias", weights + ".bias"}},
          {{"groups", groups}, {"stride", stride}, {"relu", relu}}};
}

TEST(Networks, OperationsOfForeignNetworksComputeWhatTheySay) {
  const std::map<std::string, Tensor> tensors = {{"w", random_tensor({6, 1, 5, 3}, 0.2, 1)},
                                                 {"w.bias", random_tensor({6}, 0.1, 2)},
                                                 {"p", random_tensor({6, 3, 1, 1}, 0.5, 3)},
                                                 {"p.bias", random_tensor({6}, 0.1, 4)}};
  const std::map<std::string, double> window = {{"stride", 2}, {"dilation", 1}, {"top", 1},
                                                {"left", 0},   {"bottom", 0},   {"right", 1}};
  const auto with = [](std::map<std::string, double> numbers, const std::map<std::string, double>& more) {
    numbers.insert(more.begin(), more.end());
    return numbers;
  };
  const std::vector<Node> nodes = {
      block("x", {"image"}, "p", 1, 1, 0),
      {"convolution",
       "depthwise",
       {"x"},
       {{"weights", "w"}, {"bias", "w.bias"}},
       {{"stride", 1},
        {"dilation", 2},
        {"top", 3},
        {"left", 2},
        {"bottom", 1},
        {"right", 0},
        {"groups", 6},
        {"relu", 0}}},
      {"max_pool", "max", {"x"}, {}, with(window, {{"height", 3}, {"width", 2}})},
      {"mean_pool", "mean", {"x"}, {}, with(window, {{"height", 3}, {"width", 2}, {"include_padding", 1}})},
      {"mean_pool", "all", {"x"}, {}, with(window, {{"height", 0}, {"width", 0}, {"include_padding", 0}})},
      {"multiply", "gated", {"x", "all"}, {}, {}},
      {"add", "sum", {"x", "gated"}, {}, {}},
      {"leaky_relu", "leaky", {"x"}, {}, {{"slope", 0.25}}},
      {"clip", "clipped", {"x"}, {}, {{"low", -0.1}, {"high", 0.3}}},
      {"sigmoid", "sigmoid", {"x"}, {}, {}},
      {"hard_swish", "swish", {"x"}, {}, {}},
  };
  auto graph = Graph::plan(
      nodes, tensors, {"x", "depthwise", "max", "mean", "all", "gated", "sum", "leaky", "clipped", "sigmoid", "swish"},
      32, 48);
  ASSERT_TRUE(graph) << graph.error().message;
  graph->run(random_picture(32, 48));
  const Map x{graph->output("x").shape, graph->output("x").copy()};
  const auto expect = [&](const char* name, std::vector<std::int64_t> shape, auto value) {
    const auto& out = graph->output(name);
    ASSERT_EQ(out.shape, shape) << name;
    std::size_t i = 0;
    for (std::int64_t c = 0; c < shape[0]; ++c)
      for (std::int64_t yy = 0; yy < shape[1]; ++yy)
        for (std::int64_t xx = 0; xx < shape[2]; ++xx, ++i)
          ASSERT_NEAR(out.data[i], value(c, yy, xx), 0.02) << name << ' ' << c << ' ' << yy << ' ' << xx;
  };
  const auto inside = [](std::int64_t y, std::int64_t xx) { return y >= 0 && xx >= 0 && y < 32 && xx < 48; };
  expect("depthwise", {6, 28, 46}, [&](auto c, auto y, auto xx) {
    double sum = tensors.at("w.bias").data()[c];
    for (int ky = 0; ky < 5; ++ky)
      for (int kx = 0; kx < 3; ++kx)
        sum += static_cast<double>(tensors.at("w").data()[(c * 5 + ky) * 3 + kx]) *
               x.at(c, y + 2 * ky - 3, xx + 2 * kx - 2);
    return sum;
  });
  expect("max", {6, 16, 24}, [&](auto c, auto y, auto xx) {
    double highest = -1e9;
    for (int ky = 0; ky < 3; ++ky)
      for (int kx = 0; kx < 2; ++kx)
        if (inside(2 * y + ky - 1, 2 * xx + kx))
          highest = std::max<double>(highest, x.at(c, 2 * y + ky - 1, 2 * xx + kx));
    return highest;
  });
  expect("mean", {6, 16, 24}, [&](auto c, auto y, auto xx) {
    double sum = 0;
    for (int ky = 0; ky < 3; ++ky)
      for (int kx = 0; kx < 2; ++kx) sum += x.at(c, 2 * y + ky - 1, 2 * xx + kx);
    return sum / 6;
  });
  const auto mean = [&](std::int64_t c) {
    double sum = 0;
    for (std::int64_t i = 0; i < 32 * 48; ++i) sum += x.data[static_cast<std::size_t>(c * 32 * 48 + i)];
    return sum / (32 * 48);
  };
  expect("all", {6, 1, 1}, [&](auto c, auto, auto) { return mean(c); });
  expect("gated", {6, 32, 48}, [&](auto c, auto y, auto xx) { return x.at(c, y, xx) * mean(c); });
  expect("sum", {6, 32, 48}, [&](auto c, auto y, auto xx) { return x.at(c, y, xx) * (1 + mean(c)); });
  expect("leaky", {6, 32, 48},
         [&](auto c, auto y, auto xx) { return std::max(x.at(c, y, xx), 0.25F * x.at(c, y, xx)); });
  expect("clipped", {6, 32, 48}, [&](auto c, auto y, auto xx) { return std::clamp(x.at(c, y, xx), -0.1F, 0.3F); });
  expect("sigmoid", {6, 32, 48}, [&](auto c, auto y, auto xx) { return 1 / (1 + std::exp(-x.at(c, y, xx))); });
  expect("swish", {6, 32, 48},
         [&](auto c, auto y, auto xx) { return x.at(c, y, xx) * std::clamp(x.at(c, y, xx) / 6 + 0.5F, 0.0F, 1.0F); });
}

TEST(Networks, BlocksAndUpsamplingComputeWhatTheySay) {
  const std::map<std::string, Tensor> tensors = {
      {"a", random_tensor({24, 3, 3, 3}, 0.3, 1)},  {"a.bias", random_tensor({24}, 0.1, 2)},
      {"b", random_tensor({24, 24, 3, 3}, 0.1, 3)}, {"b.bias", random_tensor({24}, 0.1, 4)},
      {"c", random_tensor({48, 24, 3, 3}, 0.1, 5)}, {"c.bias", random_tensor({48}, 0.1, 6)},
      {"d", random_tensor({24, 48, 1, 1}, 0.1, 7)}, {"d.bias", random_tensor({24}, 0.1, 8)},
      {"e", random_tensor({6, 8, 3, 3}, 0.1, 9)},   {"e.bias", random_tensor({6}, 0.1, 10)},
  };
  const std::vector<Node> nodes = {
      block("a", {"image"}, "a", 1, 2, 1),
      block("b", {"a", "a"}, "b", 1, 1, 1),
      block("c", {"b"}, "c", 1, 2, 1),
      {"upsample", "up", {"c"}, {}, {{"factor", 2}}},
      block("d", {"up", "b"}, "d", 1, 1, 0),
      block("e", {"d"}, "e", 3, 1, 0),
      {"slice", "last", {"e"}, {}, {{"channel", 5}}},
  };
  for (const int threads : {1, 2}) {
    auto graph = Graph::plan(nodes, tensors, {"e", "last"}, 48, 64);
    ASSERT_TRUE(graph) << graph.error().message;
    const auto picture = random_picture(48, 64);
    const ThreadCount count(threads);
    graph->run(picture);
    const auto t = [&](const char* name) { return tensors.at(name); };
    const Map image{{3, 48, 64}, picture.values};
    const auto a = plain_block(image, t("a"), t("a.bias"), 1, 2, true, nullptr);
    const auto b = plain_block(a, t("b"), t("b.bias"), 1, 1, true, &a);
    const auto c = plain_block(b, t("c"), t("c.bias"), 1, 2, true, nullptr);
    Map up{{48, 24, 32}, std::vector<float>(48 * 24 * 32)};
    for (std::int64_t ch = 0; ch < 48; ++ch)
      for (std::int64_t y = 0; y < 24; ++y)
        for (std::int64_t x = 0; x < 32; ++x) {
          const auto place = [](std::int64_t i, std::int64_t size) {
            return std::clamp((static_cast<double>(i) + 0.5) / 2 - 0.5, 0.0, static_cast<double>(size) - 1);
          };
          const double py = place(y, 12), px = place(x, 16);
          const auto y0 = static_cast<std::int64_t>(py), x0 = static_cast<std::int64_t>(px);
          const auto y1 = std::min<std::int64_t>(y0 + 1, 11), x1 = std::min<std::int64_t>(x0 + 1, 15);
          const double fy = py - static_cast<double>(y0), fx = px - static_cast<double>(x0);
          up.data[static_cast<std::size_t>((ch * 24 + y) * 32 + x)] =
              static_cast<float>((c.at(ch, y0, x0) * (1 - fx) + c.at(ch, y0, x1) * fx) * (1 - fy) +
                                 (c.at(ch, y1, x0) * (1 - fx) + c.at(ch, y1, x1) * fx) * fy);
        }
    const auto d = plain_block(up, t("d"), t("d.bias"), 1, 1, false, &b);
    const auto e = plain_block(d, t("e"), t("e.bias"), 3, 1, false, nullptr);
    const auto& last = graph->output("last");
    ASSERT_EQ(last.shape, (std::vector<std::int64_t>{24, 32}));
    double error = 0, size = 0;
    for (std::int64_t y = 0; y < 24; ++y)
      for (std::int64_t x = 0; x < 32; ++x) {
        error += std::pow(last.data[static_cast<std::size_t>(y * 32 + x)] - e.at(5, y, x), 2);
        size += std::pow(e.at(5, y, x), 2);
      }
    EXPECT_LT(std::sqrt(error / size), 0.02);  // bf16 keeps eight bits
  }
}

/// Layers as wide as the backbone's, where a bf16 kernel of oneDNN with a binary post-op was wrong.
TEST(Networks, ResidualBlocksOfRealSizeComputeWhatTheySay) {
  const std::map<std::string, Tensor> tensors = {{"a", random_tensor({48, 3, 3, 3}, 0.3, 1)},
                                                 {"a.bias", random_tensor({48}, 0.1, 2)},
                                                 {"b", random_tensor({48, 48, 3, 3}, 0.05, 3)},
                                                 {"b.bias", random_tensor({48}, 0.1, 4)}};
  const std::vector<Node> nodes = {block("a", {"image"}, "a", 1, 2, 1), block("b", {"a", "a"}, "b", 1, 1, 1)};
  auto graph = Graph::plan(nodes, tensors, {"b"}, 80, 240);
  ASSERT_TRUE(graph) << graph.error().message;
  const auto picture = random_picture(80, 240);
  graph->run(picture);
  const auto a =
      plain_block({{3, 80, 240}, picture.values}, tensors.at("a"), tensors.at("a.bias"), 1, 2, true, nullptr);
  const auto b = plain_block(a, tensors.at("b"), tensors.at("b.bias"), 1, 1, true, &a);
  const auto& got = graph->output("b").data;
  double error = 0, size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) error += std::pow(got[i] - b.data[i], 2), size += std::pow(b.data[i], 2);
  EXPECT_LT(std::sqrt(error / size), 0.02);
}

/// The layers of a fold's decoder, as wide as they are.
TEST(Networks, GroupsThatFillNoVectorComputeWhatTheySay) {
  const std::map<std::string, Tensor> tensors = {
      {"a", random_tensor({96, 3, 1, 1}, 0.5, 1)},  {"a.bias", random_tensor({96}, 0.1, 2)},
      {"b", random_tensor({96, 24, 3, 3}, 0.1, 3)}, {"b.bias", random_tensor({96}, 0.1, 4)},
      {"c", random_tensor({8, 24, 1, 1}, 0.3, 5)},  {"c.bias", random_tensor({8}, 0.1, 6)},
  };
  const std::vector<Node> nodes = {block("a", {"image"}, "a", 1, 1, 1), block("b", {"a"}, "b", 4, 1, 1),
                                   block("c", {"b"}, "c", 4, 1, 0)};
  auto graph = Graph::plan(nodes, tensors, {"c"}, 24, 32);
  ASSERT_TRUE(graph) << graph.error().message;
  const auto picture = random_picture(24, 32);
  graph->run(picture);
  const auto t = [&](const char* name) { return tensors.at(name); };
  const auto a = plain_block({{3, 24, 32}, picture.values}, t("a"), t("a.bias"), 1, 1, true, nullptr);
  const auto b = plain_block(a, t("b"), t("b.bias"), 4, 1, true, nullptr);
  const auto c = plain_block(b, t("c"), t("c.bias"), 4, 1, false, nullptr);
  for (const auto& [name, expected] : {std::pair("c", &c)}) {
    const auto& got = graph->output(name).data;
    double error = 0, size = 0;
    for (std::size_t i = 0; i < got.size(); ++i)
      error += std::pow(got[i] - expected->data[i], 2), size += std::pow(expected->data[i], 2);
    EXPECT_LT(std::sqrt(error / size), 0.02) << name;
  }
}

/// Blocks in 8 bits, each from what the graph says went into it, as wide as the backbone's and less.
TEST(Networks, BlocksWithRangesComputeWhatTheySayInEightBits) {
  struct Shape {
    std::int64_t channels, height, width;
  };
  for (const auto& [channels, height, width] :
       {Shape{24, 62, 94}, Shape{48, 40, 120}, Shape{96, 33, 47}, Shape{192, 30, 40}, Shape{40, 20, 31}}) {
    const auto n = channels, m = 2 * channels;
    const double spread = 1.0 / std::sqrt(static_cast<double>(9 * n));
    std::map<std::string, Tensor> tensors = {{"a", random_tensor({n, 3, 3, 3}, 0.3, 1)},
                                             {"b", random_tensor({n, n, 3, 3}, spread, 3)},
                                             {"c", random_tensor({m, n, 3, 3}, spread, 5)},
                                             {"d", random_tensor({n, m, 1, 1}, 3 * spread, 7)}};
    for (const char* name : {"a", "b", "c", "d"})
      tensors.emplace(std::string(name) + ".bias", random_tensor({tensors.at(name).size(0)}, 0.1, 2));
    std::vector<Node> nodes = {block("a", {"image"}, "a", 1, 1, 1), block("b", {"a", "a"}, "b", 1, 1, 1),
                               block("c", {"b"}, "c", 1, 2, 1), block("d", {"c"}, "d", 1, 1, 0)};
    const std::vector<std::string> outputs = {"a", "b", "c", "d", "pooled", "joined"};
    nodes.push_back({"average_pool", "pooled", {"b"}, {}, {{"size", 2}}});
    nodes.push_back({"concatenate", "joined", {"c", "d"}, {}, {}});
    const auto picture = random_picture(static_cast<int>(height), static_cast<int>(width));
    for (int i = 0; i < 3; ++i) {  // what they reach
      auto exact = Graph::plan(nodes, tensors, outputs, picture.height, picture.width, Precision::fp32);
      ASSERT_TRUE(exact) << exact.error().message;
      exact->run(picture);
      const auto& reached = exact->output(nodes[static_cast<std::size_t>(i)].output).data;
      nodes[static_cast<std::size_t>(i)].numbers["range"] = *std::max_element(reached.begin(), reached.end());
    }
    auto graph = Graph::plan(nodes, tensors, outputs, picture.height, picture.width, Precision::int8);
    ASSERT_TRUE(graph) << graph.error().message;
    graph->run(picture);
    const auto products = std::count_if(graph->steps().begin(), graph->steps().end(),
                                        [](const auto& step) { return step.work.precision == Precision::int8; });
    EXPECT_EQ(products, multiplies_int8() ? 3 : 0);
    const auto got = [&](const char* name) { return Map{graph->output(name).shape, graph->output(name).copy()}; };
    const auto deviation = [](const Map& x, const Map& y) {
      double error = 0, size = 0;
      for (std::size_t i = 0; i < x.data.size(); ++i)
        error += std::pow(x.data[i] - y.data[i], 2), size += std::pow(y.data[i], 2);
      return std::sqrt(error / size);
    };
    const auto a = got("a"), b = got("b"), c = got("c"), d = got("d"), pooled = got("pooled"), joined = got("joined");
    EXPECT_LT(deviation(b, plain_block(a, tensors.at("b"), tensors.at("b.bias"), 1, 1, true, &a)), 0.02);
    EXPECT_LT(deviation(c, plain_block(b, tensors.at("c"), tensors.at("c.bias"), 1, 2, true, nullptr)), 0.02);
    EXPECT_LT(deviation(d, plain_block(c, tensors.at("d"), tensors.at("d.bias"), 1, 1, false, nullptr)), 0.02);
    Map mean{pooled.shape, {}}, both{joined.shape, c.data};
    for (std::int64_t ch = 0; ch < n; ++ch)
      for (std::int64_t y = 0; y < pooled.shape[1]; ++y)
        for (std::int64_t x = 0; x < pooled.shape[2]; ++x)
          mean.data.push_back((b.at(ch, 2 * y, 2 * x) + b.at(ch, 2 * y, 2 * x + 1) + b.at(ch, 2 * y + 1, 2 * x) +
                               b.at(ch, 2 * y + 1, 2 * x + 1)) /
                              4);
    both.data.insert(both.data.end(), d.data.begin(), d.data.end());
    EXPECT_LT(deviation(pooled, mean), 0.01);
    EXPECT_LT(deviation(joined, both), 0.01);
  }
}

TEST(Networks, WhatDoesNotFitIsRefused) {
  const std::map<std::string, Tensor> tensors = {{"a", random_tensor({24, 3, 3, 3}, 0.3, 1)},
                                                 {"a.bias", random_tensor({24}, 0.1, 2)},
                                                 {"even", random_tensor({24, 3, 2, 2}, 0.3, 1)},
                                                 {"even.bias", random_tensor({24}, 0.1, 2)}};
  EXPECT_TRUE(Graph::plan({block("x", {"image"}, "a", 1, 2, 1)}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({block("x", {"image"}, "a", 2, 2, 1)}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({block("x", {"image"}, "a", 1, 3, 1)}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({block("x", {"image", "image"}, "a", 1, 1, 1)}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({block("x", {"image"}, "even", 1, 1, 1)}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({block("x", {}, "a", 1, 1, 1)}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({{"upsample", "x", {"image"}, {}, {{"factor", 99}}}}, tensors, {"x"}, 32, 32));
  EXPECT_FALSE(Graph::plan({{"slice", "x", {"image"}, {}, {{"channel", 3}}}}, tensors, {"x"}, 32, 32));
}

TEST(Graph, WhatNobodyReadsAnyMoreMakesRoomAndChangesNothing) {
  const std::map<std::string, Tensor> tensors = {{"a", random_tensor({24, 3, 3, 3}, 0.3, 1)},
                                                 {"a.bias", random_tensor({24}, 0.1, 2)},
                                                 {"b", random_tensor({24, 24, 3, 3}, 0.1, 3)},
                                                 {"b.bias", random_tensor({24}, 0.1, 4)}};
  std::vector<Node> nodes = {block("v0", {"image"}, "a", 1, 2, 1)};
  std::vector<std::string> all = {"v0"};
  for (int i = 1; i < 8; ++i) {
    nodes.push_back(block("v" + std::to_string(i), {all.back(), all.back()}, "b", 1, 1, 1));
    all.push_back(nodes.back().output);
  }
  nodes.push_back({"average_pool", "unread", {"v7"}, {}, {{"size", 2}}});
  auto kept = Graph::plan(nodes, tensors, all, 64, 96), last = Graph::plan(nodes, tensors, {"v3", "v7"}, 64, 96);
  ASSERT_TRUE(kept && last);
  EXPECT_LT(last->bytes(), kept->bytes() / 2);
  for (int i = 0; i < 2; ++i) {  // the second finds the first's leftovers
    const auto picture = random_picture(64, 96);
    kept->run(picture);
    last->run(picture);
    for (const auto* name : {"v3", "v7"}) EXPECT_EQ(kept->output(name).copy(), last->output(name).copy());
  }
  EXPECT_FALSE(Graph::plan(nodes, tensors, {"v9"}, 64, 96));
}

}  // namespace
}  // namespace vedette
