#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "base/monotonic_clock.hpp"
#include "base/mutex.hpp"
#include "jobs/lease.hpp"
#include "store/metadata/metadata.hpp"

/// Durable background work: one database row per job, delivered at least once, so handlers must be repeatable. This
/// module does not know what a job contains. Whoever causes a job inserts it through their own unit of work.
/// `jobs/lease.hpp` has the rules by which workers share jobs.
namespace vedette {

/// What a handler returns for a job.
struct JobOutcome {
  /// How long the job waits until it runs again; empty if it is done and its row is to be deleted.
  std::optional<std::chrono::milliseconds> retry_after;
  /// False if the job only waited for something: this run then does not count in JobLease::attempts. Nor does one that
  /// was cancelled.
  bool is_attempt = true;
};

/// One run of a job, as its handler sees it.
struct JobRun {
  const Job& job;
  /// Its transactions write only while this run holds the job; otherwise write() throws LeaseLost.
  MetadataStore& metadata;
  /// Turns true when the worker stops or can no longer trust its lease: the handler should then return soon. Its
  /// outcome is ignored if the lease is lost.
  const std::atomic<bool>& cancel;
  /// "<job>-<term>". Files and objects that are not yet published have names that contain this, so that no two runs of
  /// a job, on whatever nodes, write the same one.
  std::string name;
};

/// What is done for the jobs of a kind.
struct JobHandler {
  /// Runs one job. A job whose handler throws is run again after a while. Log lines that the handler writes carry the id
  /// of the job and that of the request which asked for it.
  std::function<JobOutcome(const JobRun& run)> run;
  /// Ends whatever the job is about as failed, with a sentence for the user. It is called instead of `run` when too many
  /// workers lost the job (lease::kMostRescues), since the job may be what stops them.
  std::function<void(const JobRun& run)> give_up;
};

/// Another worker has the job: whatever this one still wants to write for it is refused.
struct LeaseLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Passes on to another store, but writes only while a claim holds its job. Thread-safe.
class FencedStore : public MetadataStore {
 public:
  FencedStore(MetadataStore& store, lease::Claim claim) : store_(store), claim_(std::move(claim)) {}
  using MetadataStore::read;
  std::unique_ptr<UnitOfWork> read() override { return store_.read(); }
  void run_transaction(const std::function<bool(UnitOfWork&)>& function) override {
    store_.run_transaction([&](UnitOfWork& work) {
      if (!lease::check(work.jobs(), claim_)) throw LeaseLost("another worker has the job");
      return function(work);
    });
  }

 private:
  MetadataStore& store_;
  const lease::Claim claim_;
};

/// One thread that claims jobs of one kind and runs them. It renews the lease while a job runs. If a worker dies,
/// others may claim its job when the lease runs out.
class JobWorker {
 public:
  struct Options {
    std::string kind;
    std::string worker;  ///< a name that no other worker of the kind has or had, on whatever node
    /// Returns whether this node may begin new work; a worker that may not claims nothing.
    std::function<bool()> may_claim = [] { return true; };
  };
  JobWorker(MetadataStore& store, const MonotonicClock& clock, Options options, JobHandler handler);
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
  /// Runs the handler. Returns nothing if another worker has the job.
  std::optional<JobOutcome> run(const JobRun& run);

  MetadataStore& store_;
  const MonotonicClock& clock_;
  const Options options_;
  const JobHandler handler_;
  std::atomic<bool> cancel_{false};
  Mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool woken_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

/// Keeps a lease while a job runs. Times are those of the clock.
class LeaseKeeper {
 public:
  /// `claim_began` is the time before the claim was asked for.
  LeaseKeeper(MetadataStore& store, const MonotonicClock& clock, lease::Claim claim, Moment claim_began,
              std::atomic<bool>& cancel);
  /// Renews the lease if it is time to, and cancels the run if the lease cannot be trusted any more. Returns how long it
  /// may take until the next call, or nothing when the run is cancelled for good.
  std::optional<std::chrono::nanoseconds> step();

 private:
  MetadataStore& store_;
  const MonotonicClock& clock_;
  const lease::Claim claim_;
  lease::Held held_;
  std::atomic<bool>& cancel_;
};

}  // namespace vedette
