#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/s3/settings.hpp"
#include "base/clock.hpp"
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
  /// Text exposition format 0.0.4: objects and bytes checked since the start, damaged ones known.
  [[nodiscard]] std::string to_prometheus() const;

 private:
  void loop();
  void apply_lifecycles();
  /// Checks some contents; how long to rest before the next step.
  std::chrono::milliseconds check();
  [[nodiscard]] bool stopping() const;

  BucketStore& store_;
  const Clock& clock_;
  const UpkeepOptions options_;
  std::string next_, first_;  // of the pass that runs; it begins anywhere and goes round
  bool went_round_ = false;
  std::int64_t damaged_in_pass_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::int64_t checked_objects_ = 0, damaged_ = 0;
  std::uint64_t checked_bytes_ = 0;
  bool stopping_ = false;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace vedette
