#include "jobs/jobs.hpp"

#include <exception>

#include "base/log.hpp"

namespace vedette {
namespace {

constexpr std::chrono::seconds kLease{30};
constexpr std::chrono::seconds kRenewInterval{8};
// The worker looks again after this time, since other nodes insert jobs, too.
constexpr std::chrono::seconds kPollInterval{2};
constexpr std::chrono::seconds kRetryAfterCrash{10};

/// Renews a lease again and again while this object lives.
class Heartbeat {
 public:
  Heartbeat(MetadataStore& store, std::int64_t job, const std::string& worker, std::atomic<bool>& lost)
      : thread_(log::carried([this, &store, job, worker, &lost] {
          MutexLock lock(mutex_);
          while (!ended_.wait_for(lock.standard(), kRenewInterval, [this]() REQUIRES(mutex_) { return is_over_; })) {
            lock.unlock();  // The database may take its time.
            try {
              const bool is_held =
                  store.write([&](UnitOfWork& work) { return work.jobs().renew(job, worker, work.now() + kLease); });
              if (!is_held) {
                lost = true;
                return;
              }
            } catch (const std::exception& e) {
              log::warning("the lease of a job could not be renewed", {{"reason", e.what()}});
            }
            lock.lock();
          }
        })) {}
  ~Heartbeat() {
    {
      const MutexLock lock(mutex_);
      is_over_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  Mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ GUARDED_BY(mutex_) = false;
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
    const MutexLock lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void JobWorker::begin_stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    cancel_ = true;
  }
  changed_.notify_all();
}

void JobWorker::stop() {
  begin_stop();
  if (thread_.joinable()) thread_.join();
}

void JobWorker::loop() {
  while (true) {
    bool worked = false;
    try {
      worked = run_one();
    } catch (const std::exception& e) {
      log::error("a job could not be claimed or ended", {{"kind", kind_}, {"reason", e.what()}});
    }
    MutexLock lock(mutex_);
    if (!worked)
      changed_.wait_for(lock.standard(), kPollInterval, [this]() REQUIRES(mutex_) { return stopping_ || woken_; });
    woken_ = false;
    if (stopping_) return;
  }
}

bool JobWorker::run_one() {
  {
    // An earlier job whose lease was lost must not cancel this one.
    const MutexLock lock(mutex_);
    if (!stopping_) cancel_ = false;
  }
  const auto job = store_.write(
      [&](UnitOfWork& work) { return work.jobs().claim(kind_, worker_, work.now(), work.now() + kLease); });
  if (!job) return false;
  std::vector<log::Field> context = {{"job", std::to_string(job->id)}};
  if (!job->request_id.empty()) context.emplace_back("request", job->request_id);
  const log::Scope scope{log::Context(std::move(context))};
  std::optional<JobOutcome> outcome;
  {
    const Heartbeat heartbeat(store_, job->id, worker_, cancel_);
    try {
      outcome = handler_(*job, cancel_);
    } catch (const std::exception& e) {
      log::error("a job's handler threw an exception: the job will run again", {{"kind", kind_}, {"reason", e.what()}});
      outcome = JobOutcome{kRetryAfterCrash};
    }
  }
  const bool counts = outcome->is_attempt && !cancel_;
  store_.write([&](UnitOfWork& work) {
    // If the lease is lost, neither call changes anything: the job then belongs to another worker.
    if (outcome->retry_after)
      work.jobs().release(job->id, worker_, work.now() + *outcome->retry_after, counts);
    else
      work.jobs().complete(job->id, worker_);
  });
  return true;
}

}  // namespace vedette
