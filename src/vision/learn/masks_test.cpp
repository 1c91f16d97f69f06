#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "vision/decoder/decoder.hpp"
#include "vision/infer/graph.hpp"

namespace vedette {
namespace {

constexpr int kSide = 96, kFolds = 2;
// What stands for the light-normalised picture.
constexpr double kGain = 4, kOffset = -2;

/// Brightness stands for the distances: log(1 + distance) is the mean of a cell.
Planes distances_of(const RgbImage& image) {
  auto out = resize_to_planes(image, image.height / 8, image.width / 8);
  out.channels = kDistanceMaps;
  out.values.resize(out.values.size() / 3 * kDistanceMaps);
  for (auto& v : out.values) v = std::expm1(v);
  return out;
}

/// Makes a picture of grey noise. With a scratch it also has a bright line, three pixels wide.
DecoderSample picture(std::uint64_t seed, bool has_scratch) {
  Random random(seed);
  DecoderSample s{{kSide, kSide, std::vector<std::uint8_t>(3 * kSide * kSide)}, {}, {}};
  if (has_scratch) s.truth = Grid<std::uint8_t>(kSide, kSide);
  const double angle = random.uniform(0, 3.14), cosine = std::cos(angle), sine = std::sin(angle);
  const double cy = random.uniform(30, 66), cx = random.uniform(30, 66);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      const double across = (y - cy) * cosine - (x - cx) * sine, along = (y - cy) * sine + (x - cx) * cosine;
      const bool inside = has_scratch && std::abs(across) <= 1.5 && std::abs(along) <= 25;
      const auto value = static_cast<std::uint8_t>(110 + 8 * random.normal() + (inside ? 70 : 0));
      for (int c = 0; c < 3; ++c) s.image.pixels[static_cast<std::size_t>(3 * (y * kSide + x) + c)] = value;
      if (inside) s.truth.at(y, x) = 1;
    }
  s.distances = distances_of(s.image);
  return s;
}

/// Mean colours stand for a backbone.
Description described(const RgbImage& image) {
  auto light = resize_to_planes(image, image.height, image.width);
  for (auto& v : light.values) v = static_cast<float>(kGain * v + kOffset);
  return {{resize_to_planes(image, image.height / 4, image.width / 4),
           resize_to_planes(image, image.height / 8, image.width / 8),
           resize_to_planes(image, image.height / 16, image.width / 16)},
          std::move(light)};
}

/// The scratches are drawn better than cells of four pixels can say, even if they know how far each is covered.
TEST(Masks, AScratchOfThreePixelsIsDrawnPixelByPixel) {
  DecoderJob job;
  for (int i = 0; i < 24; ++i) job.pictures.push_back({i % kFolds, i >= 12});
  job.load = [](std::size_t i) -> Result<DecoderSample> { return picture(i, i >= 12); };
  job.measure = [](const RgbImage& image, std::int64_t) -> Result<Planes> { return distances_of(image); };
  job.describe = [](const RgbImage& image) -> Result<Description> { return described(image); };
  job.folds = kFolds;
  job.labels = 1;
  job.seed = 3;
  job.threads = 2;
  job.steps = 150;
  const auto decoders = train_decoders(job);
  ASSERT_TRUE(decoders) << decoders.error().message;
  std::vector<Node> nodes = {
      {"affine", "light", {"image"}, {}, {{"scale", kGain}, {"offset", kOffset}}},
      {"average_pool", "map4", {"image"}, {}, {{"size", 4}}},
      {"average_pool", "map8", {"image"}, {}, {{"size", 8}}},
      {"average_pool", "map16", {"image"}, {}, {{"size", 16}}},
      {"concatenate", "joined", {"map8", "map8"}, {}, {}},
      {"channels", "distances", {"joined"}, {}, {{"first", 0}, {"count", kFolds * kDistanceMaps}}}};
  const auto outputs = append_decoders(nodes, {"map4", "map8", "map16"}, "map8", "light", "distances", kFolds);
  auto graph = Graph::plan(nodes, decoders->tensors, {outputs.logits, outputs.details}, kSide, kSide);
  ASSERT_TRUE(graph) << graph.error().message;
  double drawn_hit = 0, drawn_united = 0, best_cells = 0;
  for (std::uint64_t seed = 100; seed < 112; ++seed) {
    const auto sample = picture(seed, true);
    graph->run(resize_to_planes(sample.image, kSide, kSide));
    const auto& details = graph->output(outputs.details).data;
    Grid<float> cells(kSide / 4, kSide / 4);
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const bool is_marked = sample.truth.at(y, x) != 0;
        const auto i = static_cast<std::size_t>(y * kSide + x);
        const bool is_drawn = details[i] + details[i + kSide * kSide] >= 2 * 0.45F;
        drawn_hit += is_marked && is_drawn ? 1 : 0;
        drawn_united += is_marked || is_drawn ? 1 : 0;
        cells.at(y / 4, x / 4) += is_marked ? 1.0F / 16 : 0.0F;
      }
    // This is the best that the enlarged shares of the cells can say.
    const auto enlarged = resize_map(cells, kSide, kSide);
    double hit = 0, united = 0;
    for (std::size_t i = 0; i < enlarged.values.size(); ++i) {
      hit += sample.truth.values[i] != 0 && enlarged.values[i] >= 0.4F ? 1 : 0;
      united += sample.truth.values[i] != 0 || enlarged.values[i] >= 0.4F ? 1 : 0;
    }
    best_cells = std::max(best_cells, hit / united);
  }
  EXPECT_GT(drawn_hit / drawn_united, 0.8);
  EXPECT_LT(best_cells, 0.8) << "cells alone would do as well";
}

}  // namespace
}  // namespace vedette
