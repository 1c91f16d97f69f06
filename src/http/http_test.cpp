#include <gtest/gtest.h>

#include "http/rate_limiter.hpp"

namespace vedette {
namespace {

TEST(RateLimiter, AdmitsItsRateAndSaysWhenToComeBack) {
  RateLimiter limiter(2);
  const auto start = std::chrono::steady_clock::time_point{};
  EXPECT_TRUE(limiter.admit("a", start));
  EXPECT_TRUE(limiter.admit("a", start));
  const auto refused = limiter.admit("a", start);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::throttled);
  EXPECT_EQ(refused.error().retry_after_seconds, 1);
  EXPECT_TRUE(limiter.admit("b", start));
  EXPECT_TRUE(limiter.admit("a", start + std::chrono::milliseconds(500)));
  EXPECT_FALSE(limiter.admit("a", start + std::chrono::milliseconds(500)));
}

TEST(RateLimiter, SlowRatesLetOneThroughAndZeroIsNoLimit) {
  RateLimiter slow(0.1), none(0);
  const auto start = std::chrono::steady_clock::time_point{};
  EXPECT_TRUE(slow.admit("a", start));
  EXPECT_EQ(slow.admit("a", start).error().retry_after_seconds, 10);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(none.admit("a", start));
}

}  // namespace
}  // namespace vedette
