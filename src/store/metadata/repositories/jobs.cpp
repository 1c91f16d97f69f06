#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

/// Nobody puts a job off, or leases it, for longer than this. A job that is ready later than that was written before
/// the clock was set back.
constexpr std::chrono::minutes kLongestWait{1};

#define VEDETTE_OLDEST_READY \
  "SELECT id FROM jobs WHERE kind = ?3 AND (ready <= ?4 OR ready > ?5) ORDER BY ready, id LIMIT 1"
#define VEDETTE_RETURNING_JOB " RETURNING jobs.id, kind, payload, attempts, attachment, request_id"

class Jobs : public JobRepository {
 public:
  explicit Jobs(Connection& c) : c_(c) {}
  std::int64_t insert(const NewJob& job) override {
    auto q = c_.prepare(
        "INSERT INTO jobs (kind, payload, ready, request_id, attachment) VALUES (?, ?, ?, ?, ?) RETURNING id");
    q.bind(job.kind).bind(job.payload).bind(stored(job.ready)).bind(job.request_id).bind_blob(job.attachment).step();
    const auto id = q.integer(0);
    q.execute();
    return id;
  }
  std::optional<Job> claim(const std::string& kind, const std::string& worker, Timestamp now,
                           Timestamp lease_until) override {
    // Without MATERIALIZED, PostgreSQL may look for the oldest job several times, and claim each that it finds.
    auto q = c_.prepare(
        {.sqlite = "UPDATE jobs SET worker = ?1, ready = ?2, attempts = attempts + 1 WHERE id = (" VEDETTE_OLDEST_READY
                   ")" VEDETTE_RETURNING_JOB,
         .postgresql = "WITH chosen AS MATERIALIZED (" VEDETTE_OLDEST_READY
                       " FOR UPDATE SKIP LOCKED) UPDATE jobs SET worker = ?1, ready = ?2, attempts = attempts + 1 FROM "
                       "chosen WHERE jobs.id = chosen.id" VEDETTE_RETURNING_JOB});
    q.bind(worker).bind(stored(lease_until)).bind(kind).bind(stored(now)).bind(stored(now + kLongestWait));
    if (!q.step()) return std::nullopt;
    Job job{q.integer(0), q.text(1), q.text(2), q.integer(3), q.text(4), q.text(5)};
    q.execute();
    return job;
  }
  bool renew(std::int64_t id, const std::string& worker, Timestamp lease_until) override {
    return c_.prepare("UPDATE jobs SET ready = ? WHERE id = ? AND worker = ?")
               .bind(stored(lease_until))
               .bind(id)
               .bind(worker)
               .execute() > 0;
  }
  bool complete(std::int64_t id, const std::string& worker) override {
    return c_.prepare("DELETE FROM jobs WHERE id = ? AND worker = ?").bind(id).bind(worker).execute() > 0;
  }
  bool release(std::int64_t id, const std::string& worker, Timestamp ready, bool is_attempt) override {
    return c_.prepare("UPDATE jobs SET ready = ?, attempts = attempts - ?, worker = NULL WHERE id = ? AND worker = ?")
               .bind(stored(ready))
               .bind(std::int64_t{is_attempt ? 0 : 1})
               .bind(id)
               .bind(worker)
               .execute() > 0;
  }
  void release_all(const std::string& worker_prefix, Timestamp ready) override {
    c_.prepare(
          "UPDATE jobs SET ready = ?1, worker = NULL WHERE worker IS NOT NULL AND substr(worker, 1, length(?2)) = ?2")
        .bind(stored(ready))
        .bind(worker_prefix)
        .execute();
  }

 private:
  Connection& c_;
};

}  // namespace

std::unique_ptr<JobRepository> make_jobs(Connection& c) {
  return std::make_unique<Jobs>(c);
}

}  // namespace vedette::metadata
