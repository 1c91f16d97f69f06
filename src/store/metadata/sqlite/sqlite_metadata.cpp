#include "store/metadata/sqlite/sqlite_metadata.hpp"

#include <string_view>

#include "store/sqlite/sqlite.hpp"

namespace vedette::embedded {
extern const std::string_view migration_0001;
}

namespace vedette {
namespace {

using sqlite::Connection;
using sqlite::Statement;

std::int64_t stored(Timestamp time) {
  return time.time_since_epoch().count();
}
Timestamp loaded(std::int64_t milliseconds) {
  return Timestamp{std::chrono::milliseconds{milliseconds}};
}

class Projects : public ProjectRepository {
 public:
  explicit Projects(Connection& c) : c_(c) {}
  bool insert(const Scope& s, const Project& p) override {
    return c_.prepare("INSERT INTO projects (account, region, name, created) VALUES (?, ?, ?, ?)")
        .bind(s.account)
        .bind(s.region)
        .bind(p.name)
        .bind(stored(p.created))
        .execute_unless_exists();
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
    if (!q.step()) throw sqlite::DatabaseError("next_model_version: no such project");
    const auto version = q.integer(0);
    q.execute();
    return version;
  }

 private:
  Connection& c_;
};

class Datasets : public DatasetRepository {
 public:
  explicit Datasets(Connection& c) : c_(c) {}
  bool insert(const Scope& s, const Dataset& d) override {
    return c_
        .prepare(
            "INSERT INTO datasets (account, region, project, type, uid, status, status_message, created, updated) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(s.account)
        .bind(s.region)
        .bind(d.project)
        .bind(to_text(d.type))
        .bind(d.uid)
        .bind(to_text(d.status))
        .bind(d.status_message)
        .bind(stored(d.created))
        .bind(stored(d.updated))
        .execute_unless_exists();
  }
  std::optional<Dataset> find(const Scope& s, const std::string& project, DatasetType type) override {
    for (auto& d : list(s, project))
      if (d.type == type) return d;
    return std::nullopt;
  }
  std::vector<Dataset> list(const Scope& s, const std::string& project) override {
    auto q = c_.prepare(
        "SELECT project, type, uid, status, status_message, created, updated, total, normal, anomaly FROM datasets "
        "WHERE account = ? AND region = ? AND project = ? ORDER BY type DESC");
    q.bind(s.account).bind(s.region).bind(project);
    std::vector<Dataset> out;
    while (q.step()) {
      Dataset d;
      d.project = q.text(0);
      d.type = *parse_dataset_type(q.text(1));
      d.uid = q.text(2);
      d.status = parse_dataset_status(q.text(3));
      d.status_message = q.text(4);
      d.created = loaded(q.integer(5));
      d.updated = loaded(q.integer(6));
      d.stats = {q.integer(7), q.integer(8) + q.integer(9), q.integer(8), q.integer(9)};
      out.push_back(std::move(d));
    }
    return out;
  }
  bool move(const std::string& uid, DatasetStatus from, DatasetStatus to, const std::string& message,
            Timestamp now) override {
    return c_.prepare("UPDATE datasets SET status = ?, status_message = ?, updated = ? WHERE uid = ? AND status = ?")
               .bind(to_text(to))
               .bind(message)
               .bind(stored(now))
               .bind(uid)
               .bind(to_text(from))
               .execute() > 0;
  }
  bool remove(const std::string& uid) override {
    return c_.prepare("DELETE FROM datasets WHERE uid = ?").bind(uid).execute() > 0;
  }
  void replace_entries(const std::string& uid, const std::vector<DatasetEntry>& entries) override {
    c_.prepare("DELETE FROM dataset_entries WHERE dataset_uid = ?").bind(uid).execute();
    std::int64_t position = 0, normal = 0, anomaly = 0;
    for (const auto& e : entries) {
      std::optional<std::int64_t> label;
      if (e.is_anomalous) label = *e.is_anomalous ? 1 : 0, ++(*e.is_anomalous ? anomaly : normal);
      c_.prepare(
            "INSERT INTO dataset_entries (dataset_uid, position, source_ref, is_anomalous, created, line) VALUES (?, "
            "?, ?, ?, ?, ?)")
          .bind(uid)
          .bind(++position)
          .bind(e.source_ref)
          .bind(label)
          .bind(stored(e.created))
          .bind(e.line)
          .execute();
    }
    c_.prepare("UPDATE datasets SET total = ?, normal = ?, anomaly = ? WHERE uid = ?")
        .bind(position)
        .bind(normal)
        .bind(anomaly)
        .bind(uid)
        .execute();
  }
  std::vector<NumberedEntry> list_entries(const std::string& uid, const EntryFilter& f, std::int64_t after,
                                          std::int64_t limit) override {
    const auto flag = [](const std::optional<bool>& b) {
      return b ? std::optional<std::int64_t>(*b ? 1 : 0) : std::nullopt;
    };
    const auto time = [](const std::optional<Timestamp>& t) { return t ? std::optional(stored(*t)) : std::nullopt; };
    auto q = c_.prepare(
        "SELECT position, source_ref, is_anomalous, created, line FROM dataset_entries WHERE dataset_uid = ?1 AND "
        "position > ?2 "
        "AND (?3 IS NULL OR (is_anomalous IS NOT NULL) = ?3) AND (?4 IS NULL OR is_anomalous = ?4) "
        "AND (?5 IS NULL OR created < ?5) AND (?6 IS NULL OR created > ?6) AND (?7 IS NULL OR instr(source_ref, ?7) > "
        "0) ORDER BY position LIMIT ?8");
    q.bind(uid)
        .bind(after)
        .bind(flag(f.is_labeled))
        .bind(flag(f.is_anomalous))
        .bind(time(f.created_before))
        .bind(time(f.created_after))
        .bind(f.source_ref_contains)
        .bind(limit);
    std::vector<NumberedEntry> out;
    while (q.step()) {
      std::optional<bool> label;
      if (const auto stored_label = q.optional_integer(2)) label = *stored_label != 0;
      out.push_back({q.integer(0), {q.text(1), label, loaded(q.integer(3)), q.text(4)}});
    }
    return out;
  }

 private:
  Connection& c_;
};

#define VEDETTE_MODEL_COLUMNS                                                                                \
  "account, region, project, version, uid, description, status, status_message, created, output_bucket, "    \
  "output_prefix, kms_key_id, "                                                                              \
  "min_units, max_units, f1, recall, precision, evaluation_bucket, evaluation_manifest, evaluation_result, " \
  "evaluation_end"

class Models : public ModelRepository {
 public:
  explicit Models(Connection& c) : c_(c) {}
  void insert(const Scope& s, const Model& m) override {
    c_.prepare(
          "INSERT INTO models (account, region, project, version, uid, description, status, status_message, created, "
          "output_bucket, output_prefix, kms_key_id) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(s.account)
        .bind(s.region)
        .bind(m.project)
        .bind(m.version)
        .bind(m.uid)
        .bind(m.description)
        .bind(to_text(m.status))
        .bind(m.status_message)
        .bind(stored(m.created))
        .bind(m.output.bucket)
        .bind(m.output.key)
        .bind(m.kms_key_id)
        .execute();
    for (const auto& tag : m.tags)
      c_.prepare("INSERT OR REPLACE INTO model_tags (model_uid, key, value) VALUES (?, ?, ?)")
          .bind(m.uid)
          .bind(tag.key)
          .bind(tag.value)
          .execute();
  }
  std::optional<Model> find(const Scope& s, const std::string& project, std::int64_t version) override {
    auto q = c_.prepare("SELECT " VEDETTE_MODEL_COLUMNS
                        " FROM models WHERE account = ? AND region = ? AND project = ? AND version = ?");
    q.bind(s.account).bind(s.region).bind(project).bind(version);
    return first(q);
  }
  std::optional<Model> find_latest(const Scope& s, const std::string& project) override {
    auto q = c_.prepare("SELECT " VEDETTE_MODEL_COLUMNS
                        " FROM models WHERE account = ? AND region = ? AND project = ? ORDER BY version DESC LIMIT 1");
    q.bind(s.account).bind(s.region).bind(project);
    return first(q);
  }
  std::vector<Model> list(const Scope& s, const std::string& project, std::int64_t after, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT " VEDETTE_MODEL_COLUMNS
        " FROM models WHERE account = ? AND region = ? AND project = ? AND version > ? ORDER BY version LIMIT ?");
    q.bind(s.account).bind(s.region).bind(project).bind(after).bind(limit);
    std::vector<Model> out;
    while (q.step()) out.push_back(read(q));
    return out;
  }
  std::vector<ScopedModel> list_in_states(const std::vector<ModelStatus>& states) override {
    std::vector<ScopedModel> out;
    for (auto state : states) {
      auto q = c_.prepare("SELECT " VEDETTE_MODEL_COLUMNS
                          " FROM models WHERE status = ? ORDER BY account, region, project, version");
      q.bind(to_text(state));
      while (q.step()) out.push_back({{q.text(0), q.text(1)}, read(q)});
    }
    return out;
  }
  std::int64_t count_in_state(const Scope& s, ModelStatus status) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM models WHERE account = ? AND region = ? AND status = ?");
    q.bind(s.account).bind(s.region).bind(to_text(status));
    return q.step() ? q.integer(0) : 0;
  }
  bool move(const std::string& uid, ModelStatus from, ModelStatus to, const std::string& message) override {
    return c_.prepare("UPDATE models SET status = ?, status_message = ? WHERE uid = ? AND status = ?")
               .bind(to_text(to))
               .bind(message)
               .bind(uid)
               .bind(to_text(from))
               .execute() > 0;
  }
  bool set_message(const std::string& uid, ModelStatus in_state, const std::string& message) override {
    return c_.prepare("UPDATE models SET status_message = ? WHERE uid = ? AND status = ?")
               .bind(message)
               .bind(uid)
               .bind(to_text(in_state))
               .execute() > 0;
  }
  void set_evaluation(const std::string& uid, const Performance& p, const ObjectLocation& manifest,
                      const ObjectLocation& result, Timestamp end) override {
    c_.prepare(
          "UPDATE models SET f1 = ?, recall = ?, precision = ?, evaluation_bucket = ?, evaluation_manifest = ?, "
          "evaluation_result = ?, evaluation_end = ? WHERE uid = ?")
        .bind(p.f1)
        .bind(p.recall)
        .bind(p.precision)
        .bind(manifest.bucket)
        .bind(manifest.key)
        .bind(result.key)
        .bind(stored(end))
        .bind(uid)
        .execute();
  }
  void set_units(const std::string& uid, std::int64_t minimum, std::optional<std::int64_t> maximum) override {
    c_.prepare("UPDATE models SET min_units = ?, max_units = ? WHERE uid = ?")
        .bind(minimum)
        .bind(maximum)
        .bind(uid)
        .execute();
  }
  bool remove(const std::string& uid) override {
    return c_.prepare("DELETE FROM models WHERE uid = ?").bind(uid).execute() > 0;
  }

 private:
  std::optional<Model> first(Statement& q) {
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  Model read(Statement& q) {
    Model m;
    m.project = q.text(2);
    m.version = q.integer(3);
    m.uid = q.text(4);
    m.description = q.optional_text(5);
    m.status = parse_model_status(q.text(6));
    m.status_message = q.text(7);
    m.created = loaded(q.integer(8));
    m.output = {q.text(9), q.text(10)};
    m.kms_key_id = q.optional_text(11);
    m.min_inference_units = q.optional_integer(12);
    m.max_inference_units = q.optional_integer(13);
    if (!q.is_null(14)) m.performance = Performance{q.real(14), q.real(15), q.real(16)};
    if (!q.is_null(17)) {
      m.evaluation_manifest = ObjectLocation{q.text(17), q.text(18)};
      m.evaluation_result = ObjectLocation{q.text(17), q.text(19)};
      m.evaluation_end = loaded(q.integer(20));
    }
    auto tags = c_.prepare("SELECT key, value FROM model_tags WHERE model_uid = ? ORDER BY key");
    tags.bind(m.uid);
    while (tags.step()) m.tags.push_back({tags.text(0), tags.text(1)});
    return m;
  }
  Connection& c_;
};

class Jobs : public JobRepository {
 public:
  explicit Jobs(Connection& c) : c_(c) {}
  std::int64_t insert(const std::string& kind, const std::string& payload, Timestamp ready) override {
    c_.prepare("INSERT INTO jobs (kind, payload, ready) VALUES (?, ?, ?)")
        .bind(kind)
        .bind(payload)
        .bind(stored(ready))
        .execute();
    return c_.last_insert_id();
  }
  std::optional<Job> claim(const std::string& kind, const std::string& worker, Timestamp now,
                           Timestamp lease_until) override {
    auto q = c_.prepare(
        "UPDATE jobs SET worker = ?, ready = ?, attempts = attempts + 1 WHERE id = "
        "(SELECT id FROM jobs WHERE kind = ? AND ready <= ? ORDER BY ready, id LIMIT 1) RETURNING id, kind, payload, "
        "attempts");
    q.bind(worker).bind(stored(lease_until)).bind(kind).bind(stored(now));
    if (!q.step()) return std::nullopt;
    Job job{q.integer(0), q.text(1), q.text(2), q.integer(3)};
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
  bool release(std::int64_t id, const std::string& worker, Timestamp ready) override {
    return c_.prepare("UPDATE jobs SET ready = ?, worker = NULL WHERE id = ? AND worker = ?")
               .bind(stored(ready))
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

class Users : public UserRepository {
 public:
  explicit Users(Connection& c) : c_(c) {}
  bool insert(const User& u) override {
    return c_.prepare("INSERT INTO users (account, name, policy) VALUES (?, ?, ?)")
        .bind(u.account)
        .bind(u.name)
        .bind(u.policy)
        .execute_unless_exists();
  }
  std::optional<User> find(const std::string& account, const std::string& name) override {
    auto q = c_.prepare("SELECT account, name, policy FROM users WHERE account = ? AND name = ?");
    q.bind(account).bind(name);
    if (!q.step()) return std::nullopt;
    return User{q.text(0), q.text(1), q.text(2)};
  }
  void insert_key(const AccessKey& k) override {
    c_.prepare(
          "INSERT INTO access_keys (access_key_id, account, user, sealed_secret, is_active, created) VALUES (?, ?, ?, "
          "?, ?, ?)")
        .bind(k.access_key_id)
        .bind(k.account)
        .bind(k.user)
        .bind_blob(k.sealed_secret)
        .bind(std::int64_t{k.is_active})
        .bind(stored(k.created))
        .execute();
  }
  std::optional<AccessKey> find_key(const std::string& id) override {
    auto q = c_.prepare(
        "SELECT access_key_id, account, user, sealed_secret, is_active, created FROM access_keys WHERE access_key_id = "
        "?");
    q.bind(id);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  std::vector<AccessKey> list_keys() override {
    auto q = c_.prepare(
        "SELECT access_key_id, account, user, sealed_secret, is_active, created FROM access_keys ORDER BY created, "
        "access_key_id");
    std::vector<AccessKey> out;
    while (q.step()) out.push_back(read(q));
    return out;
  }
  bool deactivate_key(const std::string& id) override {
    return c_.prepare("UPDATE access_keys SET is_active = 0 WHERE access_key_id = ?").bind(id).execute() > 0;
  }

 private:
  static AccessKey read(const Statement& q) {
    return {q.text(0), q.text(1), q.text(2), q.text(3), q.integer(4) != 0, loaded(q.integer(5))};
  }
  Connection& c_;
};

class Tokens : public TokenRepository {
 public:
  explicit Tokens(Connection& c) : c_(c) {}
  std::optional<RememberedToken> find(const Scope& s, const std::string& operation, const std::string& token,
                                      Timestamp not_before) override {
    auto q = c_.prepare(
        "SELECT parameters_hash, resource FROM client_tokens WHERE account = ? AND region = ? AND operation = ? AND "
        "token = ? AND created >= ?");
    q.bind(s.account).bind(s.region).bind(operation).bind(token).bind(stored(not_before));
    if (!q.step()) return std::nullopt;
    return RememberedToken{q.text(0), q.text(1)};
  }
  void remember(const Scope& s, const std::string& operation, const std::string& token, const RememberedToken& value,
                Timestamp now) override {
    c_.prepare(
          "INSERT OR REPLACE INTO client_tokens (account, region, operation, token, parameters_hash, resource, "
          "created) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(s.account)
        .bind(s.region)
        .bind(operation)
        .bind(token)
        .bind(value.parameters_hash)
        .bind(value.resource)
        .bind(stored(now))
        .execute();
  }
  void forget_before(Timestamp time) override {
    c_.prepare("DELETE FROM client_tokens WHERE created < ?").bind(stored(time)).execute();
  }

 private:
  Connection& c_;
};

class SqliteUnitOfWork : public UnitOfWork {
 public:
  SqliteUnitOfWork(sqlite::Pool& pool, sqlite::Transaction::Access access) : transaction_(pool, access) {}
  ProjectRepository& projects() override { return projects_; }
  DatasetRepository& datasets() override { return datasets_; }
  ModelRepository& models() override { return models_; }
  JobRepository& jobs() override { return jobs_; }
  UserRepository& users() override { return users_; }
  TokenRepository& tokens() override { return tokens_; }
  void commit() override { transaction_.commit(); }

 private:
  sqlite::Transaction transaction_;
  Projects projects_{transaction_.connection()};
  Datasets datasets_{transaction_.connection()};
  Models models_{transaction_.connection()};
  Jobs jobs_{transaction_.connection()};
  Users users_{transaction_.connection()};
  Tokens tokens_{transaction_.connection()};
};

class SqliteMetadata : public MetadataStore {
 public:
  explicit SqliteMetadata(const std::filesystem::path& path) : pool_(path) {
    Connection connection(path);
    sqlite::migrate(connection, {{1, embedded::migration_0001}});
  }
  std::unique_ptr<UnitOfWork> read() override {
    return std::make_unique<SqliteUnitOfWork>(pool_, sqlite::Transaction::Access::read);
  }
  std::unique_ptr<UnitOfWork> write() override {
    return std::make_unique<SqliteUnitOfWork>(pool_, sqlite::Transaction::Access::write);
  }

 private:
  sqlite::Pool pool_;
};

}  // namespace

std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path) {
  return std::make_unique<SqliteMetadata>(path);
}

}  // namespace vedette
