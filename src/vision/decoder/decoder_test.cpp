#include "vision/decoder/decoder.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"

namespace vedette {
namespace {

constexpr int kSide = 96;

Planes no_distances() {
  return {kDistanceMaps, kSide / 8, kSide / 8, std::vector<float>(kDistanceMaps * kSide / 8 * kSide / 8, 1.0F)};
}

/// Makes a picture of grey noise. An anomalous picture holds a bright disc (label 1) or a dark one (label 2).
DecoderSample picture(std::uint64_t seed, int label) {
  Random random(seed);
  DecoderSample s{{kSide, kSide, std::vector<std::uint8_t>(3 * kSide * kSide)}, {}, {}};
  if (label > 0) s.truth = Grid<std::uint8_t>(kSide, kSide);
  const double cy = random.uniform(20, 76), cx = random.uniform(20, 76);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) {
      const bool inside = label > 0 && std::hypot(y - cy, x - cx) < 9;
      const double value = 120 + 10 * random.normal() + (inside ? (label == 1 ? 80 : -80) : 0);
      for (int c = 0; c < 3; ++c)
        s.image.pixels[static_cast<std::size_t>(3 * (y * kSide + x) + c)] = static_cast<std::uint8_t>(value);
      if (inside) s.truth.at(y, x) = static_cast<std::uint8_t>(label);
    }
  s.distances = no_distances();
  return s;
}

DecoderJob job(int steps) {
  DecoderJob j;
  for (int i = 0; i < 16; ++i) j.pictures.push_back({i % 2, i >= 8});
  j.load = [](std::size_t i) -> Result<DecoderSample> {
    return picture(i, i < 8 ? 0 : static_cast<int>(1 + i / 2 % 2));
  };
  j.measure = [](const RgbImage&, std::int64_t) -> Result<Planes> { return no_distances(); };
  // Mean colours stand for a backbone.
  j.describe = [](const RgbImage& image) -> Result<Description> {
    return Description{{resize_to_planes(image, image.height / 4, image.width / 4),
                        resize_to_planes(image, image.height / 8, image.width / 8),
                        resize_to_planes(image, image.height / 16, image.width / 16)},
                       resize_to_planes(image, image.height, image.width)};
  };
  j.folds = 2;
  j.labels = 2;
  j.seed = 5;
  j.threads = 1;
  j.steps = steps;
  return j;
}

TEST(Decoder, WeightsFitTheNodesAndRepeat) {
  const auto first = train_decoders(job(2)), second = train_decoders(job(2));
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(second);
  std::vector<Node> nodes;
  append_decoders(nodes, {"a", "b", "c"}, "color", "light", "distances", 2);
  for (const auto& node : nodes)
    for (const auto& [role, name] : node.tensors) {
      ASSERT_TRUE(first->tensors.contains(name)) << name;
      EXPECT_EQ(first->tensors.at(name).copy(), second->tensors.at(name).copy()) << name;
    }
  EXPECT_EQ(first->tensors.at("decoder.out.weight").size(0), 2 * 3);
}

TEST(Decoder, ATrainingThatFitsABudgetEqualsOneWithTheStepsItTook) {
  auto fitted = job(0);
  fitted.seconds_left = [] { return 0.0; };
  const auto first = train_decoders(fitted);
  ASSERT_TRUE(first);
  EXPECT_GT(first->steps, 20);
  const auto second = train_decoders(job(first->steps));
  ASSERT_TRUE(second);
  EXPECT_EQ(first->tensors.at("decoder.out.weight").copy(), second->tensors.at("decoder.out.weight").copy());
}

TEST(Decoder, APictureThatCannotBeDescribedEndsTheTraining) {
  auto j = job(2);
  j.describe = [](const RgbImage&) -> Result<Description> { return invalid_input("undescribed"); };
  EXPECT_EQ(train_decoders(j).error().message, "undescribed");
}

TEST(Decoder, APictureThatCannotBeMeasuredEndsTheTraining) {
  auto j = job(2);
  j.measure = [](const RgbImage&, std::int64_t) -> Result<Planes> { return invalid_input("unmeasured"); };
  EXPECT_EQ(train_decoders(j).error().message, "unmeasured");
}

TEST(Decoder, APictureThatCannotBeLoadedEndsTheTraining) {
  auto j = job(2);
  j.load = [](std::size_t) -> Result<DecoderSample> { return invalid_input("broken"); };
  EXPECT_EQ(train_decoders(j).error().message, "broken");
}

}  // namespace
}  // namespace vedette
