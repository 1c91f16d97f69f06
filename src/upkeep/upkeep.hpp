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

/// Does what buckets need while nobody asks: applies their lifecycle rules, and reads their contents and compares them
/// with the checksums.
namespace vedette {

struct LifecycleOutcome {
  std::int64_t expired_objects = 0, expired_versions = 0, removed_markers = 0, aborted_uploads = 0;
};
/// Applies a bucket's rules once. It is safe to repeat this, and to run it beside other callers: an object that was
/// replaced meanwhile stays. Ends early once `stopping` returns true.
Result<LifecycleOutcome> apply_lifecycle(BucketStore& store, const std::string& bucket,
                                         const std::vector<s3::LifecycleRule>& rules, Timestamp now,
                                         const std::function<bool()>& stopping);

struct UpkeepOptions {
  std::chrono::seconds lifecycle_every{3600};
  int check_days = 7;  ///< In how many days every content is read again, about; 0: contents are never read again.
};

/// Guards against a clock that jumps ahead, so that objects are not deleted for a wrong age. It remembers in the store
/// when it was asked last. If more than a week has passed since then without this process having lived through it,
/// nothing may be deleted for a day of running, in which somebody can set the clock right. A server that was off for
/// long waits a day, too. Only one thread may use it.
class ClockGuard {
 public:
  ClockGuard(BucketStore& store, const Clock& clock) : store_(store), clock_(clock) {}
  /// Whether objects may be deleted for their age. `elapsed` is the time of a steady clock since the last call; it is
  /// zero at the first call.
  bool may_expire(std::chrono::milliseconds elapsed);

 private:
  BucketStore& store_;
  const Clock& clock_;
};

/// One background thread that does the upkeep. Thread-safe.
class Upkeep {
 public:
  Upkeep(BucketStore& store, const Clock& clock, UpkeepOptions options)
      : store_(store), clock_(clock), options_(options) {}
  ~Upkeep();  ///< Calls stop().
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;
  /// Starts the thread. What to_prometheus() tells of missing and set-aside contents is true from then on.
  void start();
  void stop();
  /// Returns figures in the text exposition format 0.0.4: objects and bytes checked since the start, damaged objects
  /// known, contents that are missing, and contents that were set aside.
  [[nodiscard]] std::string to_prometheus() const;

 private:
  void loop();
  void apply_lifecycles();
  void tidy();
  /// Checks some contents. Returns how long to rest before the next step.
  std::chrono::milliseconds check();
  [[nodiscard]] bool stopping() const;

  BucketStore& store_;
  const Clock& clock_;
  const UpkeepOptions options_;
  std::string next_, first_;  // These are places in the pass that runs now; a pass begins anywhere and goes round.
  bool went_round_ = false;
  std::int64_t damaged_in_pass_ = 0;
  bool may_expire_ = false;  // The guard's last answer.
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
