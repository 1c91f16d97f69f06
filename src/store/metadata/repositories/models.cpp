#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

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
    for (const auto& tag : m.tags) set_tag(m.uid, tag);
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
  std::int64_t count_in_state(const std::string& account, ModelStatus status) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM models WHERE account = ? AND status = ?");
    q.bind(account).bind(to_text(status));
    return q.step() ? q.integer(0) : 0;
  }
  std::optional<ModelStatus> status(const std::string& uid) override {
    auto q = c_.prepare("SELECT status FROM models WHERE uid = ?");
    q.bind(uid);
    return q.step() ? std::optional(parse_model_status(q.text(0))) : std::nullopt;
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
  void choose_run(const std::string& uid, const ChosenRun& run) override {
    c_.prepare("UPDATE models SET chosen_run = ?, chosen_at = ? WHERE uid = ?")
        .bind(run.name)
        .bind(stored(run.time))
        .bind(uid)
        .execute();
  }
  std::optional<ChosenRun> chosen_run(const std::string& uid) override {
    auto q = c_.prepare("SELECT chosen_run, chosen_at FROM models WHERE uid = ? AND chosen_run IS NOT NULL");
    q.bind(uid);
    if (!q.step()) return std::nullopt;
    return ChosenRun{q.text(0), loaded(q.integer(1))};
  }
  void set_evaluation(const std::string& uid, const std::optional<Performance>& p, const ObjectLocation& manifest,
                      const ObjectLocation& result, Timestamp end) override {
    const auto figure = [&](double Performance::*member) { return p ? std::optional((*p).*member) : std::nullopt; };
    c_.prepare(
          "UPDATE models SET f1 = ?, recall = ?, precision = ?, evaluation_bucket = ?, evaluation_manifest = ?, "
          "evaluation_result = ?, evaluation_end = ? WHERE uid = ?")
        .bind(figure(&Performance::f1))
        .bind(figure(&Performance::recall))
        .bind(figure(&Performance::precision))
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
  void set_tag(const std::string& uid, const Tag& tag) override {
    c_.prepare(
          "INSERT INTO model_tags (model_uid, key, value) VALUES (?, ?, ?) ON CONFLICT (model_uid, key) DO UPDATE SET "
          "value = excluded.value")
        .bind(uid)
        .bind(tag.key)
        .bind(tag.value)
        .send();
  }
  void remove_tag(const std::string& uid, const std::string& key) override {
    c_.prepare("DELETE FROM model_tags WHERE model_uid = ? AND key = ?").bind(uid).bind(key).execute();
  }
  void set_progress(const std::string& uid, const TrainingProgress& p) override {
    c_.prepare(
          "INSERT INTO training_progress (model_uid, started, updated, stage, fraction, seconds_left) VALUES (?, ?, ?, "
          "?, ?, ?) ON CONFLICT (model_uid) DO UPDATE SET updated = excluded.updated, stage = excluded.stage, fraction "
          "= excluded.fraction, seconds_left = excluded.seconds_left")
        .bind(uid)
        .bind(stored(p.started))
        .bind(stored(p.updated))
        .bind(p.stage)
        .bind(p.fraction)
        .bind(p.seconds_left)
        .execute();
  }
  std::optional<TrainingProgress> progress(const std::string& uid) override {
    auto q =
        c_.prepare("SELECT started, updated, stage, fraction, seconds_left FROM training_progress WHERE model_uid = ?");
    q.bind(uid);
    if (!q.step()) return std::nullopt;
    return TrainingProgress{loaded(q.integer(0)), loaded(q.integer(1)), q.text(2), q.real(3), q.optional_real(4)};
  }
  void set_threshold(const std::string& uid, const std::optional<MovedThreshold>& t) override {
    if (!t) {
      c_.prepare("DELETE FROM model_thresholds WHERE model_uid = ?").bind(uid).execute();
      return;
    }
    c_.prepare(
          "INSERT INTO model_thresholds (model_uid, threshold, changed_by, changed_at) VALUES (?, ?, ?, ?) ON CONFLICT "
          "(model_uid) DO UPDATE SET threshold = excluded.threshold, changed_by = excluded.changed_by, changed_at = "
          "excluded.changed_at")
        .bind(uid)
        .bind(t->threshold)
        .bind(t->user)
        .bind(stored(t->time))
        .execute();
  }
  std::optional<MovedThreshold> threshold(const std::string& uid) override {
    auto q = c_.prepare("SELECT threshold, changed_by, changed_at FROM model_thresholds WHERE model_uid = ?");
    q.bind(uid);
    if (!q.step()) return std::nullopt;
    return MovedThreshold{q.real(0), q.text(1), loaded(q.integer(2))};
  }
  std::int64_t count(const Scope& s, const std::string& project) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM models WHERE account = ? AND region = ? AND project = ?");
    q.bind(s.account).bind(s.region).bind(project);
    return q.step() ? q.integer(0) : 0;
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

}  // namespace

std::unique_ptr<ModelRepository> make_models(Connection& c) {
  return std::make_unique<Models>(c);
}

}  // namespace vedette::metadata
