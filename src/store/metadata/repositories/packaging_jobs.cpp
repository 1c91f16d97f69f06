#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_PACKAGING_COLUMNS                                                                         \
  "project, name, model_version, description, configuration, component_name, component_version, status, " \
  "status_message, created, updated"

class PackagingJobs : public PackagingJobRepository {
 public:
  explicit PackagingJobs(Connection& c) : c_(c) {}
  bool insert(const Scope& s, const PackagingJob& j) override {
    return c_.prepare("INSERT INTO packaging_jobs (account, region, " VEDETTE_PACKAGING_COLUMNS
                      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
               .bind(s.account)
               .bind(s.region)
               .bind(j.project)
               .bind(j.name)
               .bind(j.model_version)
               .bind(j.description)
               .bind(j.configuration)
               .bind(j.component_name)
               .bind(j.component_version)
               .bind(to_text(j.status))
               .bind(j.status_message)
               .bind(stored(j.created))
               .bind(stored(j.updated))
               .execute() > 0;
  }
  std::optional<PackagingJob> find(const Scope& s, const std::string& project, const std::string& name) override {
    auto q = c_.prepare("SELECT " VEDETTE_PACKAGING_COLUMNS
                        " FROM packaging_jobs WHERE account = ? AND region = ? AND project = ? AND name = ?");
    q.bind(s.account).bind(s.region).bind(project).bind(name);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  std::vector<PackagingJob> list(const Scope& s, const std::string& project, const Place& after,
                                 std::int64_t limit) override {
    auto q = c_.prepare("SELECT " VEDETTE_PACKAGING_COLUMNS
                        " FROM packaging_jobs WHERE account = ? AND region = ? AND project = ? AND (created, name) > "
                        "(?, ?) ORDER BY created, name LIMIT ?");
    q.bind(s.account).bind(s.region).bind(project).bind(after.created_ms).bind(after.name).bind(limit);
    std::vector<PackagingJob> out;
    while (q.step()) out.push_back(read(q));
    return out;
  }
  bool has_component(const Scope& s, const std::string& name, const std::string& version) override {
    auto q = c_.prepare(
        "SELECT 1 FROM packaging_jobs WHERE account = ? AND region = ? AND component_name = ? AND component_version = "
        "? AND status <> 'FAILED' LIMIT 1");
    q.bind(s.account).bind(s.region).bind(name).bind(version);
    return q.step();
  }
  bool move(const Scope& s, const std::string& project, const std::string& name, PackagingJobStatus from,
            PackagingJobStatus to, const std::string& message, Timestamp now) override {
    return c_.prepare(
                 "UPDATE packaging_jobs SET status = ?, status_message = ?, updated = ? WHERE account = ? AND region = "
                 "? AND project = ? AND name = ? AND status = ?")
               .bind(to_text(to))
               .bind(message)
               .bind(stored(now))
               .bind(s.account)
               .bind(s.region)
               .bind(project)
               .bind(name)
               .bind(to_text(from))
               .execute() > 0;
  }
  void choose_archive(const Scope& s, const std::string& project, const std::string& name,
                      const PackagedArchive& archive) override {
    c_.prepare(
          "UPDATE packaging_jobs SET chosen = ?, archive_sha256 = ? WHERE account = ? AND region = ? AND project = ? "
          "AND name = ?")
        .bind(archive.uri)
        .bind(archive.sha256)
        .bind(s.account)
        .bind(s.region)
        .bind(project)
        .bind(name)
        .execute();
  }
  std::optional<PackagedArchive> chosen_archive(const Scope& s, const std::string& project,
                                                const std::string& name) override {
    auto q = c_.prepare(
        "SELECT chosen, archive_sha256 FROM packaging_jobs WHERE account = ? AND region = ? AND project = ? AND name = "
        "? AND chosen IS NOT NULL");
    q.bind(s.account).bind(s.region).bind(project).bind(name);
    if (!q.step()) return std::nullopt;
    return PackagedArchive{q.text(0), q.text(1)};
  }
  void set_archive(const Scope& s, const std::string& project, const std::string& name,
                   const std::string& uri) override {
    c_.prepare("UPDATE packaging_jobs SET archive = ? WHERE account = ? AND region = ? AND project = ? AND name = ?")
        .bind(uri)
        .bind(s.account)
        .bind(s.region)
        .bind(project)
        .bind(name)
        .execute();
  }
  std::optional<PackagedArchive> archive(const Scope& s, const std::string& project, const std::string& name) override {
    auto q = c_.prepare(
        "SELECT archive, archive_sha256 FROM packaging_jobs WHERE account = ? AND region = ? AND project = ? AND name "
        "= ? AND archive IS NOT NULL");
    q.bind(s.account).bind(s.region).bind(project).bind(name);
    if (!q.step()) return std::nullopt;
    return PackagedArchive{q.text(0), q.text(1)};
  }

 private:
  static PackagingJob read(const Statement& q) {
    PackagingJob j;
    j.project = q.text(0);
    j.name = q.text(1);
    j.model_version = q.integer(2);
    j.description = q.optional_text(3);
    j.configuration = q.text(4);
    j.component_name = q.text(5);
    j.component_version = q.text(6);
    j.status = parse_packaging_job_status(q.text(7));
    j.status_message = q.text(8);
    j.created = loaded(q.integer(9));
    j.updated = loaded(q.integer(10));
    return j;
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<PackagingJobRepository> make_packaging_jobs(Connection& c) {
  return std::make_unique<PackagingJobs>(c);
}

}  // namespace vedette::metadata
