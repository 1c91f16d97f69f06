#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_LEASE "COALESCE(worker, ''), term, ready, attempts, rescues"
#define VEDETTE_FIND_READY                                                                              \
  "SELECT " VEDETTE_LEASE                                                                               \
  ", id, kind, payload, attachment, request_id FROM jobs WHERE kind = ? AND (ready <= ? OR ready > ?) " \
  "ORDER BY ready, id LIMIT 1"
#define VEDETTE_LOCK "SELECT " VEDETTE_LEASE " FROM jobs WHERE id = ?"

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
  std::optional<Job> find_ready(const std::string& kind, Timestamp by, Timestamp beyond) override {
    auto q = c_.prepare({.sqlite = VEDETTE_FIND_READY, .postgresql = VEDETTE_FIND_READY " FOR UPDATE SKIP LOCKED"});
    q.bind(kind).bind(stored(by)).bind(stored(beyond));
    if (!q.step()) return std::nullopt;
    return Job{q.integer(5), q.text(6), q.text(7), q.text(8), q.text(9), lease(q, 0)};
  }
  std::optional<JobLease> lock(std::int64_t id) override {
    auto q = c_.prepare({.sqlite = VEDETTE_LOCK, .postgresql = VEDETTE_LOCK " FOR UPDATE"});
    q.bind(id);
    if (!q.step()) return std::nullopt;
    return lease(q, 0);
  }
  void set_lease(std::int64_t id, const JobLease& lease) override {
    c_.prepare("UPDATE jobs SET worker = NULLIF(?, ''), term = ?, ready = ?, attempts = ?, rescues = ? WHERE id = ?")
        .bind(lease.worker)
        .bind(lease.term)
        .bind(stored(lease.ready))
        .bind(lease.attempts)
        .bind(lease.rescues)
        .bind(id)
        .execute();
  }
  void remove(std::int64_t id) override { c_.prepare("DELETE FROM jobs WHERE id = ?").bind(id).execute(); }
  std::vector<std::pair<std::int64_t, JobLease>> held_by(const std::string& prefix) override {
    auto q = c_.prepare("SELECT id, " VEDETTE_LEASE
                        " FROM jobs WHERE worker IS NOT NULL AND substr(worker, 1, length(?1)) = ?1 ORDER BY id");
    q.bind(prefix);
    std::vector<std::pair<std::int64_t, JobLease>> out;
    while (q.step()) out.emplace_back(q.integer(0), lease(q, 1));
    return out;
  }

 private:
  static JobLease lease(const Statement& q, int from) {
    return {q.text(from), q.integer(from + 1), loaded(q.integer(from + 2)), q.integer(from + 3), q.integer(from + 4)};
  }

  Connection& c_;
};

}  // namespace

std::unique_ptr<JobRepository> make_jobs(Connection& c) {
  return std::make_unique<Jobs>(c);
}

}  // namespace vedette::metadata
