#include "jobs/lease.hpp"

namespace vedette::lease {
namespace {

/// Nobody holds the job any more.
JobLease freed(JobLease lease, Timestamp ready) {
  lease.worker.clear();
  lease.ready = ready;
  return lease;
}

JobLease claimed(JobLease lease, const std::string& worker, Timestamp now) {
  if (!lease.worker.empty()) ++lease.rescues;
  lease.worker = worker;
  lease.ready = now + kLength;
  ++lease.term;
  ++lease.attempts;
  return lease;
}

}  // namespace

bool is_claimable(const JobLease& lease, Timestamp now) {
  return lease.ready <= now || lease.ready > now + kFarthest;
}

bool is_held_by(const JobLease& lease, const Claim& claim) {
  return lease.worker == claim.worker && lease.term == claim.term;
}

bool is_given_up(const JobLease& lease) {
  return lease.rescues >= kMostRescues;
}

std::optional<Job> claim(JobRepository& jobs, const std::string& kind, const std::string& worker, Timestamp now) {
  auto job = jobs.find_ready(kind, now, now + kFarthest);
  if (!job || !is_claimable(job->lease, now)) return std::nullopt;
  job->lease = claimed(std::move(job->lease), worker, now);
  jobs.set_lease(job->id, job->lease);
  return job;
}

bool check(JobRepository& jobs, const Claim& claim) {
  const auto lease = jobs.lock(claim.job);
  return lease && is_held_by(*lease, claim);
}

bool renew(JobRepository& jobs, const Claim& claim, Timestamp now) {
  auto lease = jobs.lock(claim.job);
  if (!lease || !is_held_by(*lease, claim)) return false;
  lease->ready = now + kLength;
  jobs.set_lease(claim.job, *lease);
  return true;
}

bool complete(JobRepository& jobs, const Claim& claim) {
  if (!check(jobs, claim)) return false;
  jobs.remove(claim.job);
  return true;
}

bool give_back(JobRepository& jobs, const Claim& claim, Timestamp ready, bool is_attempt) {
  auto lease = jobs.lock(claim.job);
  if (!lease || !is_held_by(*lease, claim)) return false;
  if (!is_attempt) --lease->attempts;
  jobs.set_lease(claim.job, freed(std::move(*lease), ready));
  return true;
}

void take_back(JobRepository& jobs, const std::string& worker_prefix, Timestamp now) {
  for (auto& [id, lease] : jobs.held_by(worker_prefix)) {
    ++lease.rescues;
    jobs.set_lease(id, freed(std::move(lease), now));
  }
}

void Held::answered(Moment began, Answer answer) {
  if (answer == Answer::renewed) trusted_until_ = began + kLength - kMargin;
  if (answer == Answer::lost) trusted_until_ = began;
  renew_at_ = began + (answer == Answer::unknown ? kRetryEvery : kRenewEvery);
}

}  // namespace vedette::lease
