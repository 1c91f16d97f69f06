#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "base/result.hpp"

namespace vedette {

/// Calls per second of each operation, per account and region (a token bucket that holds one second's worth, at least
/// one call). Thread-safe.
class RateLimiter {
 public:
  /// `per_second` 0: no limit.
  explicit RateLimiter(double per_second) : per_second_(per_second) {}
  /// Fails with throttled; the error says when to come back.
  Result<void> admit(const std::string& key, std::chrono::steady_clock::time_point now);

 private:
  struct Bucket {
    double tokens;
    std::chrono::steady_clock::time_point filled;
  };
  const double per_second_;
  std::mutex mutex_;                       // guards buckets_
  std::map<std::string, Bucket> buckets_;  // operations × accounts × regions in use: few
};

}  // namespace vedette
