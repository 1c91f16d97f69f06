#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "store/metadata/metadata.hpp"

/// Durable background work, one database row per job, delivered at least once: handlers must be repeatable. Knows no
/// job's content. Jobs are inserted through the unit of work of whatever causes them.
namespace vedette {

/// What a handler makes of a job.
struct JobOutcome {
  std::optional<std::chrono::milliseconds> retry_after;  ///< empty: done, the row goes
};

/// One thread that claims jobs of one kind and runs them, renewing the lease meanwhile. A job whose worker dies becomes
/// claimable when its lease runs out.
class JobWorker {
 public:
  /// `cancel` turns true when the worker stops or has lost the lease: the handler should return soon (its outcome is
  /// then ignored if the lease is lost). A handler that throws is retried after a while. Log lines that it writes carry
  /// the job's id and that of the request which asked for it.
  using Handler = std::function<JobOutcome(const Job& job, const std::atomic<bool>& cancel)>;

  JobWorker(MetadataStore& store, const Clock& clock, std::string kind, std::string worker, Handler handler);
  ~JobWorker();  ///< cancels and joins
  JobWorker(const JobWorker&) = delete;
  JobWorker& operator=(const JobWorker&) = delete;

  void start();
  /// There may be work; any thread.
  void wake();
  /// Cancels the running job and returns when the thread has ended.
  void stop();
  /// Claims and runs one job on the calling thread; false if there is none. For tests and for start().
  bool run_one();

 private:
  void loop();

  MetadataStore& store_;
  const Clock& clock_;
  const std::string kind_, worker_;
  const Handler handler_;
  std::atomic<bool> cancel_{false};
  std::mutex mutex_;  // guards stopping_, woken_
  std::condition_variable changed_;
  bool stopping_ = false, woken_ = false;
  std::thread thread_;
};

}  // namespace vedette
