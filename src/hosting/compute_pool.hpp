#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/result.hpp"

namespace vedette {

/// How many inference units a model has. One unit judges one picture at a time.
struct UnitRange {
  int minimum = 1;  ///< always in service
  int maximum = 1;  ///< that demand may bring into service
  bool operator==(const UnitRange&) const = default;
};

struct ComputeOptions {
  int cores = 1;       ///< of this machine that judge pictures; never more threads than these run at once
  int unit_cores = 1;  ///< that a unit uses for one picture, at most: fewer while pictures wait
  std::chrono::milliseconds longest_wait{2000};  ///< that a picture is taken in for
  std::size_t most_waiting = 48;                 ///< of all models
  /// Time, for tests.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

/// Runs picture work of all models on the machine's cores. Each model has a lane: its units, and a queue before them. Cores go to the lane
/// that has had the least of them for its units (start-time fair queueing; Goyal et al., SIGCOMM 1996). A picture that nobody waits
/// behind gets all cores of its unit, which is the quickest for it; while others wait each gets one, which is the most for all.
/// Thread-safe.
class ComputePool {
 public:
  explicit ComputePool(ComputeOptions options);
  ~ComputePool();  ///< after all work that was taken in
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  class Lane;
  /// `seconds`: that a picture takes one core, as far as is known; the pool learns it.
  std::shared_ptr<Lane> open(UnitRange units, double seconds);
  /// Takes effect at once, for pictures that wait, too.
  void set_units(Lane& lane, UnitRange units);

  /// Runs the work on a thread of the pool, which may use as many threads as it is told, and waits for it. Fails with throttled, at
  /// once and with the seconds to wait, if the queue is too long, and after the longest wait, if the pictures before it took longer than
  /// was expected; with unavailable if `abandoned` is requested before it began, or
  /// the pool is being destroyed.
  Result<void> run(const std::shared_ptr<Lane>& lane, std::function<void(int threads)> work,
                   std::stop_token abandoned = {});

  struct LaneState {
    int desired = 0;     ///< units that demand asks for, within the lane's range
    int in_service = 0;  ///< of these, as many as can run at once on this machine
    int running = 0;
    std::size_t waiting = 0;
    double seconds = 0;  ///< core seconds per picture, lately
  };
  LaneState state(Lane& lane);

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
  void scale(Lane& lane, Time now);
  [[nodiscard]] double expected_wait(const Lane& lane) const;
  /// The picture whose turn it is, with cores for it; null if none can begin.
  std::shared_ptr<Task> next();
  /// Gives pictures to idle workers.
  void dispatch();

  const ComputeOptions options_;
  std::mutex mutex_;  // guards all below, and lanes
  std::vector<std::weak_ptr<Lane>> lanes_;
  int free_cores_;
  std::size_t waiting_ = 0;
  double virtual_time_ = 0;  // start tag of the work that was begun last
  bool stopping_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;  // one per core
};

}  // namespace vedette
