#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "base/result.hpp"

namespace vedette {

/// Calls per second of each key: token buckets that hold one second's worth, at least one call, or `burst`. There are 4,096 of
/// them at most, those at rest left out; whoever comes beyond shares one. Thread-safe.
class RateLimiter {
 public:
  /// `per_second` 0: no limit.
  explicit RateLimiter(double per_second, double burst = 1) : per_second_(per_second), burst_(burst) {}
  /// Fails with throttled; the error says when to come back.
  Result<void> admit(const std::string& key, std::chrono::steady_clock::time_point now);

 private:
  struct Bucket {
    double tokens;
    std::chrono::steady_clock::time_point filled;
  };
  const double per_second_, burst_;
  std::mutex mutex_;  // guards buckets_
  std::map<std::string, Bucket> buckets_;
};

}  // namespace vedette
