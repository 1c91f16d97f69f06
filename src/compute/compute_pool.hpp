#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/result.hpp"
#include "compute/mean_wait.hpp"

/// This module shares the machine's cores among pictures: it decides which picture runs next, and on how many cores. It
/// knows nothing of models or stores, so that a server and an edge agent can both use it.
namespace vedette {

/// How many inference units a model has. One unit judges one picture at a time.
struct UnitRange {
  int minimum = 1;  ///< units that are always in service; may be 0
  int maximum = 1;  ///< units that may be in service when pictures wait; at least 1
  bool operator==(const UnitRange&) const = default;
};

struct ComputeOptions {
  int cores = 1;       ///< cores of this machine that judge pictures; never do more threads than these work at once
  int unit_cores = 1;  ///< the most cores that a unit uses for one picture; it gets fewer while pictures wait
  std::chrono::milliseconds longest_wait{2000};  ///< a picture that would have to wait longer is refused
  std::size_t most_waiting = 48;                 ///< pictures of all models that may wait
  /// The clock that the pool reads. Tests set their own.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

/// Runs the work on pictures of all models on the machine's cores. Each model has a lane: its units, and a queue before
/// them. The pool gives cores to the lane that has received the least core time for its units (start-time fair
/// queueing; Goyal et al., SIGCOMM 1996). A picture that nobody waits behind gets all cores of its unit, which is the
/// quickest for it. While other pictures wait, each picture gets one core, so that the machine judges the most pictures
/// per second. The pool has one thread per core; work that gets several cores uses them through OpenMP. Any thread may
/// call it.
class ComputePool {
 public:
  explicit ComputePool(ComputeOptions options);
  ~ComputePool();  ///< returns when all work that was taken in is done
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  class Lane;
  /// Makes a lane. `seconds` says how many seconds one core needs for a picture, as far as that is known; from then on
  /// the pool measures it.
  std::shared_ptr<Lane> open(UnitRange units, double seconds);
  /// Changes the units of a lane. The change takes effect at once, also for pictures that wait already.
  void set_units(Lane& lane, UnitRange units);

  /// Runs the work on a thread of the pool and waits for it. The work runs under a ThreadCount (base/parallel.hpp) of
  /// as many threads as it is given by its argument. The pool destroys the work, and all that it holds, outside of the
  /// pool's lock. Fails with throttled, at once and with the seconds to wait, if the queue is too long, and after the
  /// longest wait if the pictures before it took longer than was expected. Fails with unavailable if `abandoned` is
  /// requested before the work began, or if the pool is being destroyed. Fails with internal if the work throws.
  Result<void> run(const std::shared_ptr<Lane>& lane, std::function<void(int threads)> work,
                   std::stop_token abandoned = {});

  struct LaneState {
    int desired = 0;          ///< units that demand asks for, within the lane's range
    int in_service = 0;       ///< as many of these as can run at once on this machine
    int running = 0;          ///< pictures that are being judged
    std::size_t waiting = 0;  ///< pictures in the queue
    double seconds = 0;       ///< core seconds that a picture took lately
  };
  LaneState state(Lane& lane);
  /// Returns how many milliseconds the pictures that began or gave up during the last minute had waited, on average; 0 if
  /// there were none.
  [[nodiscard]] double mean_wait_milliseconds() const;

 private:
  struct Task;
  struct Worker {
    std::condition_variable wake;
    std::shared_ptr<Task> task;
    bool is_idle = true;
    std::thread thread;
  };
  using Time = std::chrono::steady_clock::time_point;
  void loop(Worker& worker);
  void scale(Lane& lane, Time now) REQUIRES(mutex_);
  [[nodiscard]] double expected_wait(const Lane& lane) const REQUIRES(mutex_);
  /// Takes the picture whose turn it is, and cores for it. Returns null if no picture can begin.
  std::shared_ptr<Task> next() REQUIRES(mutex_);
  /// Gives waiting pictures to idle workers.
  void dispatch() REQUIRES(mutex_);

  const ComputeOptions options_;
  mutable Mutex mutex_;  // guards what the lanes and the workers hold, too
  std::vector<std::weak_ptr<Lane>> lanes_ GUARDED_BY(mutex_);
  int free_cores_ GUARDED_BY(mutex_);
  std::size_t waiting_ GUARDED_BY(mutex_) = 0;
  MeanWait waits_ GUARDED_BY(mutex_);
  double virtual_time_ GUARDED_BY(mutex_) = 0;  // the start tag of the work that began last
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<Worker>> workers_;  // one worker per core
};

}  // namespace vedette
