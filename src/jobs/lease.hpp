#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/monotonic_clock.hpp"
#include "store/metadata/jobs.hpp"

/// The rules of leases. A worker that claims a job holds it until the lease runs out, and renews the lease as long as it
/// works. Every claim has a term, a number that grows with each claim of the job. Whatever a worker writes for a job is
/// written in a transaction that first looks whether its term is still the job's: so a worker that was frozen, and thaws
/// when another has its job, changes nothing more.
///
/// All times in rows are the database's. A worker measures how long it may trust its lease with a clock of its own that
/// never goes back, so that neither needs to know the other's time of day.
///
/// The functions on a JobRepository are the steps that workers take, each within one transaction. Here are no threads
/// and no clocks, so that lease_simulation.hpp can take the same steps in any order.
namespace vedette::lease {

inline constexpr std::chrono::seconds kLength{30};
inline constexpr std::chrono::seconds kRenewEvery{8};
/// The time after which a renewal that got no answer is tried again.
inline constexpr std::chrono::seconds kRetryEvery{2};
/// A worker stops trusting its lease so long before the lease runs out: it covers clocks that do not run equally fast,
/// and the time that a run needs to notice that it is cancelled.
inline constexpr std::chrono::seconds kMargin{5};
/// Nobody puts a job off, or leases it, for longer than this. A job that is ready later than that was written before
/// the database's clock was set back.
inline constexpr std::chrono::minutes kFarthest{1};
/// A job that so many holders lost without giving it back is not tried again: it may be what stops them.
inline constexpr std::int64_t kMostRescues = 3;

/// Names one claim of one job.
struct Claim {
  std::int64_t job = 0;
  std::string worker;
  std::int64_t term = 0;
};

/// Returns whether a worker may claim the job now.
bool is_claimable(const JobLease& lease, Timestamp now);
/// Returns whether the claim is the one that holds the job.
bool is_held_by(const JobLease& lease, const Claim& claim);
/// Returns whether so many holders lost the job that its next one is to give it up.
bool is_given_up(const JobLease& lease);

/// Claims the job of the kind that has waited longest, if any may be claimed.
std::optional<Job> claim(JobRepository& jobs, const std::string& kind, const std::string& worker, Timestamp now);
/// Returns whether the claim still holds its job, and keeps others from claiming it until the end of the transaction.
bool check(JobRepository& jobs, const Claim& claim);
/// The three functions below return false, and change nothing, if the claim does not hold the job any more.
bool renew(JobRepository& jobs, const Claim& claim, Timestamp now);
bool complete(JobRepository& jobs, const Claim& claim);
/// The job may be claimed again at `ready`. If `is_attempt` is false, the run does not count in JobLease::attempts.
bool give_back(JobRepository& jobs, const Claim& claim, Timestamp ready, bool is_attempt);
/// Takes the jobs from all workers whose name begins with the prefix. A node that starts knows that its former self is
/// dead. What was cut off counts as a rescue.
void take_back(JobRepository& jobs, const std::string& worker_prefix, Timestamp now);

/// What a worker knows of the lease that it holds. Times are those of a MonotonicClock. They are counted from before
/// the question to the database, which may have answered any time after that.
class Held {
 public:
  enum class Answer { renewed, lost, unknown };

  explicit Held(Moment claim_began)
      : trusted_until_(claim_began + kLength - kMargin), renew_at_(claim_began + kRenewEvery) {}
  /// Takes the answer to a renewal that was sent after `began`. Without an answer, the renewal may have happened or not.
  void answered(Moment began, Answer answer);
  /// Returns whether nobody else can hold the job, as long as the database's clock runs evenly. A worker that does not
  /// trust its lease any more should stop.
  [[nodiscard]] bool is_trusted(Moment now) const { return now < trusted_until_; }
  [[nodiscard]] Moment trusted_until() const { return trusted_until_; }
  [[nodiscard]] Moment renew_at() const { return renew_at_; }

 private:
  Moment trusted_until_, renew_at_;
};

}  // namespace vedette::lease
