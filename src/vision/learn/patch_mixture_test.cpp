#include "vision/learn/patch_mixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "vision/infer/graph.hpp"

namespace vedette {
namespace {

constexpr int kSide = 4, kFolds = 3, kChannels = kSide * kSide, kPicture = 96;

/// Stripes of any phase, at one of two angles, with noise: no patch is like the mean patch.
Grid<float> striped(Random& random, double angle) {
  Grid<float> out(kPicture, kPicture);
  const double phase = random.uniform(0, 6.3);
  for (int y = 0; y < kPicture; ++y)
    for (int x = 0; x < kPicture; ++x)
      out.at(y, x) = static_cast<float>(std::sin((x * std::cos(angle) + y * std::sin(angle)) * 1.1 + phase) +
                                        0.05 * random.normal());
  return out;
}

PatchMixture learned(std::uint64_t seed) {
  Random random(1);
  std::vector<float> patches;
  std::vector<std::int64_t> fold_of;
  for (int picture = 0; picture < 12; ++picture) {
    const auto image = striped(random, picture % 2 == 0 ? 0.2 : 1.3);
    for (int i = 0; i < 900; ++i) {
      const auto top = static_cast<int>(random.below(kPicture - kSide)),
                 left = static_cast<int>(random.below(kPicture - kSide));
      for (int y = 0; y < kSide; ++y)
        for (int x = 0; x < kSide; ++x) patches.push_back(image.at(top + y, left + x));
      fold_of.push_back(picture / 2 % kFolds);
    }
  }
  return fit_patch_mixture(patches, kChannels, fold_of, kFolds, seed, 2);
}

TEST(PatchMixture, FindsThePlaceWhereAStripeIsBroken) {
  const auto mixture = learned(7);
  const std::map<std::string, Tensor> tensors = {{"c", mixture.centers}, {"w", mixture.whitening},
                                                 {"b", mixture.basis},   {"v", mixture.weight},
                                                 {"s", mixture.scale},   {"o", mixture.offset}};
  const std::vector<Node> nodes = {
      {"close_picture", "close", {}, {}, {{"height", kPicture}, {"width", kPicture}}},
      {"patch_mixture",
       "odd",
       {"close"},
       {{"centers", "c"}, {"whitening", "w"}, {"basis", "b"}, {"weight", "v"}, {"scale", "s"}, {"offset", "o"}},
       {{"side", kSide}, {"stride", 2}}}};
  auto graph = Graph::plan(nodes, tensors, {"odd"}, 64, 64);
  ASSERT_TRUE(graph) << graph.error().message;
  Random random(2);
  auto image = striped(random, 0.2);
  // The brightness stays, and so does the mean of the place: only the phase of the stripes is wrong.
  const auto other = striped(random, 0.2);
  for (int y = 40; y < 48; ++y)
    for (int x = 60; x < 68; ++x) image.at(y, x) = other.at(y, x + 2);
  std::copy(image.values.begin(), image.values.end(), graph->close_picture()->data.begin());
  graph->run();
  const auto& odd = graph->output("odd");
  ASSERT_EQ(odd.shape, (std::vector<std::int64_t>{kFolds, 47, 47}));
  for (std::int64_t fold = 0; fold < kFolds; ++fold) {
    const auto map = odd.data.subspan(static_cast<std::size_t>(fold) * 47 * 47, std::size_t{47} * 47);
    const auto at = std::max_element(map.begin(), map.end()) - map.begin();
    EXPECT_NEAR(static_cast<double>(at / 47) * 2 + 2, 44, 7);
    EXPECT_NEAR(static_cast<double>(at % 47) * 2 + 2, 64, 7);
    EXPECT_GT(map[static_cast<std::size_t>(at)], 1.5);
    // Good patches, which the models of this fold may or may not have seen, are as odd as they should be.
    const auto high = std::count_if(map.begin(), map.end(), [](float v) { return v > 1; });
    EXPECT_LT(high, 90);
  }
}

TEST(PatchMixture, IsTheSameForTheSameSeed) {
  const auto a = learned(7), b = learned(7);
  EXPECT_EQ(a.basis.copy(), b.basis.copy());
  EXPECT_EQ(a.offset.copy(), b.offset.copy());
}

}  // namespace
}  // namespace vedette
