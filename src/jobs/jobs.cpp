#include "jobs/jobs.hpp"

#include <exception>

#include "base/log.hpp"

namespace vedette {
namespace {

constexpr std::chrono::seconds kLease{30};
constexpr std::chrono::seconds kRenewInterval{8};
constexpr std::chrono::seconds kPollInterval{2};  // other nodes insert jobs, too
constexpr std::chrono::seconds kRetryAfterCrash{10};

/// Renews a lease until it goes away.
class Heartbeat {
 public:
  Heartbeat(MetadataStore& store, const Clock& clock, std::int64_t job, const std::string& worker,
            std::atomic<bool>& lost)
      : thread_(log::carried([this, &store, &clock, job, worker, &lost] {
          std::unique_lock lock(mutex_);
          while (!ended_.wait_for(lock, kRenewInterval, [this] { return is_over_; })) {
            try {
              auto work = store.write();
              if (!work->jobs().renew(job, worker, clock.now() + kLease)) {
                lost = true;
                return;
              }
              work->commit();
            } catch (const std::exception& e) {
              log::warning("lease not renewed", {{"reason", e.what()}});
            }
          }
        })) {}
  ~Heartbeat() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  std::mutex mutex_;  // guards is_over_
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace

JobWorker::JobWorker(MetadataStore& store, const Clock& clock, std::string kind, std::string worker, Handler handler)
    : store_(store), clock_(clock), kind_(std::move(kind)), worker_(std::move(worker)), handler_(std::move(handler)) {}

JobWorker::~JobWorker() {
  stop();
}

void JobWorker::start() {
  thread_ = std::thread([this] { loop(); });
}

void JobWorker::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void JobWorker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    cancel_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void JobWorker::loop() {
  while (true) {
    bool worked = false;
    try {
      worked = run_one();
    } catch (const std::exception& e) {
      log::error("job worker", {{"kind", kind_}, {"reason", e.what()}});
    }
    std::unique_lock lock(mutex_);
    if (!worked) changed_.wait_for(lock, kPollInterval, [this] { return stopping_ || woken_; });
    woken_ = false;
    if (stopping_) return;
  }
}

bool JobWorker::run_one() {
  std::optional<Job> job;
  {
    auto work = store_.write();
    job = work->jobs().claim(kind_, worker_, clock_.now(), clock_.now() + kLease);
    if (!job) return false;
    work->commit();
  }
  std::vector<log::Field> context = {{"job", std::to_string(job->id)}};
  if (!job->request_id.empty()) context.emplace_back("request", job->request_id);
  const log::Scope scope{log::Context(std::move(context))};
  std::optional<JobOutcome> outcome;
  {
    const Heartbeat heartbeat(store_, clock_, job->id, worker_, cancel_);
    try {
      outcome = handler_(*job, cancel_);
    } catch (const std::exception& e) {
      log::error("job failed", {{"kind", kind_}, {"reason", e.what()}});
      outcome = JobOutcome{kRetryAfterCrash};
    }
  }
  auto work = store_.write();
  // A lost lease makes both calls change nothing: the job is another worker's.
  if (outcome->retry_after) {
    work->jobs().release(job->id, worker_, clock_.now() + *outcome->retry_after);
  } else {
    work->jobs().complete(job->id, worker_);
  }
  work->commit();
  const std::lock_guard lock(mutex_);
  if (!stopping_) cancel_ = false;
  return true;
}

}  // namespace vedette
