#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

class Projects : public ProjectRepository {
 public:
  explicit Projects(Connection& c) : c_(c) {}
  bool insert(const Scope& s, const Project& p) override {
    return c_.prepare(
                 "INSERT INTO projects (account, region, name, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
               .bind(s.account)
               .bind(s.region)
               .bind(p.name)
               .bind(stored(p.created))
               .execute() > 0;
  }
  std::optional<Project> find(const Scope& s, const std::string& name) override {
    auto q = c_.prepare("SELECT name, created FROM projects WHERE account = ? AND region = ? AND name = ?");
    q.bind(s.account).bind(s.region).bind(name);
    if (!q.step()) return std::nullopt;
    return Project{q.text(0), loaded(q.integer(1))};
  }
  std::vector<Project> list(const Scope& s, const std::string& after, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT name, created FROM projects WHERE account = ? AND region = ? AND name > ? ORDER BY name LIMIT ?");
    q.bind(s.account).bind(s.region).bind(after).bind(limit);
    std::vector<Project> out;
    while (q.step()) out.push_back({q.text(0), loaded(q.integer(1))});
    return out;
  }
  std::int64_t count(const std::string& account) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM projects WHERE account = ?");
    q.bind(account);
    return q.step() ? q.integer(0) : 0;
  }
  bool remove(const Scope& s, const std::string& name) override {
    return c_.prepare("DELETE FROM projects WHERE account = ? AND region = ? AND name = ?")
               .bind(s.account)
               .bind(s.region)
               .bind(name)
               .execute() > 0;
  }
  std::int64_t next_model_version(const Scope& s, const std::string& name) override {
    auto q = c_.prepare(
        "UPDATE projects SET last_model_version = last_model_version + 1 WHERE account = ? AND region = ? AND name = ? "
        "RETURNING last_model_version");
    q.bind(s.account).bind(s.region).bind(name);
    if (!q.step()) throw sql::DatabaseError("next_model_version: no such project");
    const auto version = q.integer(0);
    q.execute();
    return version;
  }

 private:
  Connection& c_;
};

}  // namespace

std::unique_ptr<ProjectRepository> make_projects(Connection& c) {
  return std::make_unique<Projects>(c);
}

}  // namespace vedette::metadata
