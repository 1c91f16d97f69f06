#include "vision/infer/drift.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.hpp"

namespace vedette {
namespace {

using Kind = StreamState::Kind;

/// A good picture whose level lies `shift` deviations higher than in the training.
Look good(Random& random, double shift = 0) {
  Look look;
  look.anomaly_score = 1 + 0.2 * random.normal();
  look.statistics.level = 3 + 0.5 * (random.normal() + shift);
  look.statistics.brightness = 0.4 + 0.02 * random.normal();
  look.statistics.sharpness = 0.1 + 0.01 * random.normal();
  return look;
}

Look anomalous(Random& random) {
  auto look = good(random, 8);
  look.anomaly_score = 30;
  return look;
}

TrainingLooks training(Random& random, int pictures) {
  std::vector<Look> looks;
  for (int i = 0; i < pictures; ++i) looks.push_back(good(random));
  return summarize_looks(looks);
}

TEST(StreamMonitor, AStreamLikeTheTrainingStaysSoWithATenthOfAnomalousPictures) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    StreamMonitor monitor(training(random, 40));
    for (int i = 0; i < 2000; ++i) {
      const auto look = random.uniform(0, 1) < 0.1 ? anomalous(random) : good(random);
      ASSERT_FALSE(monitor.add(look)) << seed << ": " << describe(monitor.state());
    }
    EXPECT_EQ(monitor.state().kind, Kind::like_training);
  }
}

TEST(StreamMonitor, TellsWhenAStreamLeavesTheTrainingAndWhenItComesBack) {
  for (const int pictures : {20, 40, 400}) {
    Random random(static_cast<std::uint64_t>(pictures));
    StreamMonitor monitor(training(random, pictures));
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(monitor.add(good(random)));
    const auto changes_within = [&](int most, double shift) -> std::optional<StreamState> {
      for (int i = 0; i < most; ++i)
        if (auto change = monitor.add(good(random, shift))) return change;
      return std::nullopt;
    };
    const auto left = changes_within(100, 2.5);
    ASSERT_TRUE(left) << pictures;
    EXPECT_EQ(left->kind, Kind::unlike_training);
    EXPECT_EQ(left->differences, std::vector<std::string>{"odder as a whole"});
    EXPECT_FALSE(changes_within(200, 2.5));  // It is told once.
    const auto back = changes_within(100, 0);
    ASSERT_TRUE(back) << pictures;
    EXPECT_EQ(back->kind, Kind::like_training);
  }
}

TEST(StreamMonitor, BrightnessAloneDecidesNothingButNamesWhatHasChanged) {
  Random random(5);
  StreamMonitor monitor(training(random, 40));
  const auto brighter = [&](double shift) {
    auto look = good(random, shift);
    look.statistics.brightness += 0.2;
    return look;
  };
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(monitor.add(brighter(0)));
  for (int i = 0; i < 200; ++i) monitor.add(brighter(4));
  EXPECT_EQ(monitor.state().differences, (std::vector<std::string>{"brighter", "odder as a whole"}));
  EXPECT_NE(describe(monitor.state()).find("they are brighter, odder as a whole."), std::string::npos);
}

TEST(StreamMonitor, ACameraThatShowsOnePictureForEverIsFound) {
  Random random(6);
  StreamMonitor monitor(training(random, 40));
  const auto frozen = good(random);
  for (int i = 0; i < 100; ++i) monitor.add(frozen);
  EXPECT_EQ(monitor.state().kind, Kind::unlike_training);
}

TEST(TrainingLooks, QuantilesAtEqualStepsTellAnyQuantile) {
  const std::vector<double> rising = {2, 4, 8};
  EXPECT_EQ(quantile(rising, 0), 2);
  EXPECT_EQ(quantile(rising, 0.25), 3);
  EXPECT_EQ(quantile(rising, 0.5), 4);
  EXPECT_EQ(quantile(rising, 0.75), 6);
  EXPECT_EQ(quantile(rising, 1), 8);
  EXPECT_EQ(quantile(std::vector<double>{7}, 0.95), 7);
}

TEST(StreamMonitor, SaysWhenItCannotTell) {
  Random random(7);
  StreamMonitor monitor(training(random, 40)), blind(std::nullopt);
  for (std::size_t i = 0; i < StreamMonitor::kLeast - 1; ++i) {
    EXPECT_FALSE(monitor.add(good(random, 10)));
    EXPECT_FALSE(blind.add(good(random, 10)));
  }
  EXPECT_EQ(monitor.state().kind, Kind::too_few);
  EXPECT_EQ(blind.state().kind, Kind::unknown);
  Look broken = good(random, 10);
  broken.statistics.level = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(monitor.add(broken));
  EXPECT_EQ(monitor.state().kind, Kind::too_few);
  EXPECT_TRUE(monitor.add(good(random, 10)));
}

}  // namespace
}  // namespace vedette
