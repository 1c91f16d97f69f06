#include "jobs/jobs.hpp"

#include <algorithm>
#include <exception>

#include "base/log.hpp"

namespace vedette {
namespace {

// The worker looks again after this time, since other nodes insert jobs, too.
constexpr std::chrono::seconds kPollInterval{2};
constexpr std::chrono::seconds kRetryAfterCrash{10};

/// Steps a LeaseKeeper on a thread of its own while this object lives.
class Heartbeat {
 public:
  explicit Heartbeat(LeaseKeeper keeper)
      : thread_(log::carried([this, keeper]() mutable {
          MutexLock lock(mutex_);
          while (!is_over_) {
            lock.unlock();  // The database may take its time.
            const auto pause = keeper.step();
            if (!pause) return;
            lock.lock();
            ended_.wait_for(lock.standard(), *pause, [this]() REQUIRES(mutex_) { return is_over_; });
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

LeaseKeeper::LeaseKeeper(MetadataStore& store, const MonotonicClock& clock, lease::Claim claim, Moment claim_began,
                         std::atomic<bool>& cancel)
    : store_(store), clock_(clock), claim_(std::move(claim)), held_(claim_began), cancel_(cancel) {}

std::optional<std::chrono::nanoseconds> LeaseKeeper::step() {
  using Answer = lease::Held::Answer;
  if (const auto began = clock_.now(); began >= held_.renew_at()) {
    auto answer = Answer::unknown;
    try {
      const bool is_renewed =
          store_.write([&](UnitOfWork& work) { return lease::renew(work.jobs(), claim_, work.now()); });
      answer = is_renewed ? Answer::renewed : Answer::lost;
    } catch (const std::exception& e) {
      log::warning("the lease of a job could not be renewed", {{"reason", e.what()}});
    }
    held_.answered(began, answer);
  }
  const auto now = clock_.now();
  if (!held_.is_trusted(now)) {
    log::warning("a job is cancelled because its lease is lost or ran out");
    cancel_ = true;
    return std::nullopt;
  }
  return std::max(std::chrono::nanoseconds(0), std::min(held_.renew_at(), held_.trusted_until()) - now);
}

JobWorker::JobWorker(MetadataStore& store, const MonotonicClock& clock, Options options, JobHandler handler)
    : store_(store), clock_(clock), options_(std::move(options)), handler_(std::move(handler)) {}

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
      worked = options_.may_claim() && run_one();
    } catch (const std::exception& e) {
      log::error("a job could not be claimed or ended", {{"kind", options_.kind}, {"reason", e.what()}});
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
    if (stopping_) return false;
    cancel_ = false;
  }
  const auto began = clock_.now();
  const auto job = store_.write(
      [&](UnitOfWork& work) { return lease::claim(work.jobs(), options_.kind, options_.worker, work.now()); });
  if (!job) return false;
  std::vector<log::Field> context = {{"job", std::to_string(job->id)}};
  if (!job->request_id.empty()) context.emplace_back("request", job->request_id);
  const log::Scope scope{log::Context(std::move(context))};

  const lease::Claim claim{job->id, options_.worker, job->lease.term};
  FencedStore fenced(store_, claim);
  std::optional<JobOutcome> outcome;
  {
    const Heartbeat heartbeat({store_, clock_, claim, began, cancel_});
    outcome = run({*job, fenced, cancel_, std::to_string(job->id) + "-" + std::to_string(job->lease.term)});
  }
  if (!outcome) return true;
  const bool is_attempt = outcome->is_attempt && !cancel_;
  const bool is_held = store_.write([&](UnitOfWork& work) {
    return outcome->retry_after ? lease::give_back(work.jobs(), claim, work.now() + *outcome->retry_after, is_attempt)
                                : lease::complete(work.jobs(), claim);
  });
  if (!is_held) log::warning("another worker has the job", {{"kind", options_.kind}});
  return true;
}

std::optional<JobOutcome> JobWorker::run(const JobRun& run) {
  try {
    if (!lease::is_given_up(run.job.lease)) return handler_.run(run);
    log::error("a job is given up", {{"kind", options_.kind}, {"rescues", std::to_string(run.job.lease.rescues)}});
    handler_.give_up(run);
    return JobOutcome{};
  } catch (const LeaseLost&) {
    log::warning("another worker has the job", {{"kind", options_.kind}});
    return std::nullopt;
  } catch (const std::exception& e) {
    log::error("a job's handler threw an exception: the job will run again",
               {{"kind", options_.kind}, {"reason", e.what()}});
    return JobOutcome{kRetryAfterCrash};
  }
}

}  // namespace vedette
