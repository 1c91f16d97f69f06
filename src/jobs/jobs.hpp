#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "store/metadata/metadata.hpp"

/// Durable background work: one database row per job, delivered at least once, so handlers must be repeatable. This
/// module does not know what a job contains. Whoever causes a job inserts it through their own unit of work.
namespace vedette {

/// What a handler returns for a job.
struct JobOutcome {
  /// How long the job waits until it runs again; empty if it is done and its row is to be deleted.
  std::optional<std::chrono::milliseconds> retry_after;
  /// False if the job only waited for something: this run then does not count in Job::attempts. Nor does one that was
  /// cancelled.
  bool is_attempt = true;
};

/// One thread that claims jobs of one kind and runs them. It renews the lease while a job runs. If a worker dies,
/// others may claim its job when the lease runs out.
class JobWorker {
 public:
  /// Runs one job. `cancel` turns true when the worker stops or has lost the lease: the handler should then return
  /// soon, and its outcome is ignored if the lease is lost. A job whose handler throws is run again after a while. Log lines that
  /// the handler writes carry the id of the job and that of the request which asked for it.
  using Handler = std::function<JobOutcome(const Job& job, const std::atomic<bool>& cancel)>;

  JobWorker(MetadataStore& store, const Clock& clock, std::string kind, std::string worker, Handler handler);
  ~JobWorker();  ///< Cancels the running job and joins the thread.
  JobWorker(const JobWorker&) = delete;
  JobWorker& operator=(const JobWorker&) = delete;

  void start();
  /// Says that there may be work. Any thread may call it.
  void wake();
  /// Cancels the running job and returns at once. No job is claimed afterwards.
  void begin_stop();
  /// Cancels the running job and returns when the thread has ended.
  void stop();
  /// Claims one job and runs it on the calling thread. Returns false if there is none. It serves tests and start().
  bool run_one();

 private:
  void loop();

  MetadataStore& store_;
  const Clock& clock_;
  const std::string kind_, worker_;
  const Handler handler_;
  std::atomic<bool> cancel_{false};
  Mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool woken_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vedette
