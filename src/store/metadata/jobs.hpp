#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace vedette {

/// What the row of a job says about who holds it. `jobs/lease.hpp` has the transitions. All times are the database's.
struct JobLease {
  std::string worker;         ///< empty if nobody holds the job
  std::int64_t term = 0;      ///< the number of the claim; it grows with each claim of the job
  Timestamp ready{};          ///< when the lease runs out or, if nobody holds the job, when it may be claimed
  std::int64_t attempts = 0;  ///< how many claims counted as an attempt
  std::int64_t rescues = 0;   ///< how often a holder lost the job without giving it back
};

/// One unit of background work. `kind` and `payload` belong to whoever handles it.
struct Job {
  std::int64_t id = 0;  ///< is never used again for another job
  std::string kind;
  std::string payload;     ///< JSON
  std::string attachment;  ///< Any bytes; empty unless the job was inserted with an attachment.
  /// The id of the request that asked for it; empty if none did, or if an older version inserted it.
  std::string request_id;
  JobLease lease;
};

/// A job that is to be inserted; its members mean the same as those of Job.
struct NewJob {
  std::string kind, payload;
  Timestamp ready;  ///< The job is not claimed before this time.
  std::string request_id = {}, attachment = {};
};

/// The rows of jobs. It decides nothing about leases: `jobs/lease.hpp` does.
class JobRepository {
 public:
  virtual ~JobRepository() = default;
  virtual std::int64_t insert(const NewJob& job) = 0;  ///< returns the job's id
  /// Returns the job of the kind with the earliest `ready` that is at most `by`, or later than `beyond`. Its row stays
  /// locked until the end of the transaction; rows that other transactions have locked are passed over.
  virtual std::optional<Job> find_ready(const std::string& kind, Timestamp by, Timestamp beyond) = 0;
  /// Returns the lease of a job, whose row stays locked until the end of the transaction. Returns nothing if the job is
  /// gone.
  virtual std::optional<JobLease> lock(std::int64_t id) = 0;
  virtual void set_lease(std::int64_t id, const JobLease& lease) = 0;
  virtual void remove(std::int64_t id) = 0;
  /// Returns the jobs that workers hold whose name begins with the prefix, by their ids.
  virtual std::vector<std::pair<std::int64_t, JobLease>> held_by(const std::string& worker_prefix) = 0;
};

}  // namespace vedette
