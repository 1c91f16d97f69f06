#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "api/s3/settings.hpp"
#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "store/objects/buckets.hpp"

/// What buckets need while nobody asks: their lifecycle rules applied, their contents read and compared with the checksums.
namespace vedette {

struct LifecycleOutcome {
  std::int64_t expired_objects = 0, expired_versions = 0, removed_markers = 0, aborted_uploads = 0;
};
/// Applies a bucket's rules once. Safe to repeat, and beside other callers: an object replaced meanwhile stays. Stops
/// early if `stopping` says so.
Result<LifecycleOutcome> apply_lifecycle(BucketStore& store, const std::string& bucket,
                                         const std::vector<s3::LifecycleRule>& rules, Timestamp now,
                                         const std::function<bool()>& stopping);

struct UpkeepOptions {
  std::chrono::seconds lifecycle_every{3600};
  int check_days = 7;  ///< every content is read again about this often; 0: never
};

/// Guards what is deleted by age against a clock that jumps ahead: it remembers when it was asked last, in the store. If
/// more than a week passed since without this process having lived through it, nothing may be deleted for a day of
/// running, in which somebody can set the clock right. A server that was off for long waits a day, too. One thread.
class ClockGuard {
 public:
  ClockGuard(BucketStore& store, const Clock& clock) : store_(store), clock_(clock) {}
  /// `elapsed`: by a steady clock, since the last call; zero at the first.
  bool may_expire(std::chrono::milliseconds elapsed);

 private:
  BucketStore& store_;
  const Clock& clock_;
};

/// One background thread. Thread-safe.
class Upkeep {
 public:
  Upkeep(BucketStore& store, const Clock& clock, UpkeepOptions options)
      : store_(store), clock_(clock), options_(options) {}
  ~Upkeep();  ///< stops
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;
  void start();
  void stop();
  /// Text exposition format 0.0.4: objects and bytes checked since the start, damaged ones known, contents missing and
  /// set aside.
  [[nodiscard]] std::string to_prometheus() const;

 private:
  void loop();
  void apply_lifecycles();
  void tidy();
  /// Checks some contents; how long to rest before the next step.
  std::chrono::milliseconds check();
  [[nodiscard]] bool stopping() const;

  BucketStore& store_;
  const Clock& clock_;
  const UpkeepOptions options_;
  std::string next_, first_;  // of the pass that runs; it begins anywhere and goes round
  bool went_round_ = false;
  std::int64_t damaged_in_pass_ = 0;
  bool may_expire_ = false;  // as the guard said last
  mutable Mutex mutex_;
  std::int64_t checked_objects_ GUARDED_BY(mutex_) = 0;
  std::int64_t damaged_ GUARDED_BY(mutex_) = 0;
  std::uint64_t checked_bytes_ GUARDED_BY(mutex_) = 0;
  StoreUpkeep kept_ GUARDED_BY(mutex_){};
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace vedette
