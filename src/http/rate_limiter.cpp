#include "http/rate_limiter.hpp"

#include <algorithm>
#include <cmath>

#include "service/quota_errors.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostBuckets = 4096;

}  // namespace

Result<void> RateLimiter::admit(const std::string& key, std::chrono::steady_clock::time_point now) {
  if (all_per_second_ <= 0) return {};
  const auto sharers = static_cast<double>(sharers_ ? std::max<std::size_t>(1, sharers_()) : 1);
  const double per_second = all_per_second_ / sharers;
  const double most = std::max({1.0, per_second, all_burst_ / sharers});
  const MutexLock lock(mutex_);
  if (buckets_.size() >= kMostBuckets)  // full buckets are forgotten, since they limit nobody
    std::erase_if(buckets_, [&](const auto& entry) {
      const std::chrono::duration<double> idle = now - entry.second.filled;
      return entry.second.tokens + idle.count() * per_second >= most;
    });
  const bool has_room = buckets_.size() < kMostBuckets || buckets_.contains(key);
  auto& bucket = buckets_.try_emplace(has_room ? key : std::string(), Bucket{most, now}).first->second;
  const std::chrono::duration<double> elapsed = now - bucket.filled;
  bucket.tokens = std::min(most, bucket.tokens + elapsed.count() * per_second);
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return {};
  }
  auto error = fail(ErrorKind::throttled, "Rate exceeded", quotas::kRequests);
  error.retry_after_seconds = static_cast<int>(std::ceil((1 - bucket.tokens) / per_second));
  return error;
}

}  // namespace vedette
