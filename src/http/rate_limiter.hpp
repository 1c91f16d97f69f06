#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/mutex.hpp"
#include "base/result.hpp"

namespace vedette {

/// Limits the calls per second of each key. Each key has a token bucket that holds the calls of one second, at least
/// one call, or `burst` calls. There are at most 4,096 buckets, not counting full ones; all further keys share one
/// bucket. It is thread-safe.
class RateLimiter {
 public:
  /// If `per_second` is 0, there is no limit.
  explicit RateLimiter(double per_second, double burst = 1) : per_second_(per_second), burst_(burst) {}
  /// Admits a call. Fails with throttled; the error says when to come back.
  Result<void> admit(const std::string& key, std::chrono::steady_clock::time_point now);

 private:
  struct Bucket {
    double tokens;
    std::chrono::steady_clock::time_point filled;
  };
  const double per_second_, burst_;
  Mutex mutex_;
  std::map<std::string, Bucket> buckets_ GUARDED_BY(mutex_);
};

}  // namespace vedette
