#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/mutex.hpp"
#include "base/result.hpp"

namespace vedette {

/// Limits the calls per second of each key. Each key has a token bucket that holds the calls of one second, at least
/// one call, or `burst` calls. There are at most 4,096 buckets, not counting full ones; all further keys share one
/// bucket. It is thread-safe.
class RateLimiter {
 public:
  /// If `per_second` is 0, there is no limit. `sharers` tells how many limiters share the rate and the burst, each on a
  /// node of its own: this one admits its part.
  explicit RateLimiter(double per_second, double burst = 1, std::function<std::size_t()> sharers = {})
      : all_per_second_(per_second), all_burst_(burst), sharers_(std::move(sharers)) {}
  /// Admits a call. Fails with throttled; the error says when to come back.
  Result<void> admit(const std::string& key, std::chrono::steady_clock::time_point now);

 private:
  struct Bucket {
    double tokens;
    std::chrono::steady_clock::time_point filled;
  };
  const double all_per_second_, all_burst_;
  const std::function<std::size_t()> sharers_;
  Mutex mutex_;
  std::map<std::string, Bucket> buckets_ GUARDED_BY(mutex_);
};

}  // namespace vedette
