#include "base/text.hpp"
#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_TRIAL_COLUMNS \
  "project, name, uid, model_version, model_uid, bucket, moved_threshold, status, status_message, created, updated"

std::optional<bool> optional_flag(const Statement& q, int column) {
  return q.is_null(column) ? std::nullopt : std::optional(q.integer(column) != 0);
}
std::optional<std::int64_t> stored_flag(const std::optional<bool>& flag) {
  return flag ? std::optional<std::int64_t>(*flag ? 1 : 0) : std::nullopt;
}

class TrialDetections : public TrialDetectionRepository {
 public:
  explicit TrialDetections(Connection& c) : c_(c) {}
  bool insert(const Scope& s, const TrialDetection& t, const std::vector<std::string>& keys) override {
    const bool is_new = c_.prepare("INSERT INTO trial_detections (account, region, " VEDETTE_TRIAL_COLUMNS
                                   ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
                            .bind(s.account)
                            .bind(s.region)
                            .bind(t.project)
                            .bind(t.name)
                            .bind(t.uid)
                            .bind(t.model_version)
                            .bind(t.model_uid)
                            .bind(t.bucket)
                            .bind(t.moved_threshold)
                            .bind(to_text(t.status))
                            .bind(t.status_message)
                            .bind(stored(t.created))
                            .bind(stored(t.updated))
                            .execute() > 0;
    if (!is_new) return false;
    std::int64_t place = 0;
    for (const auto& key : keys)
      c_.prepare("INSERT INTO trial_images (trial_uid, place, key) VALUES (?, ?, ?)")
          .bind(t.uid)
          .bind(place++)
          .bind(key)
          .send();
    return true;
  }
  std::optional<TrialDetection> find(const Scope& s, const std::string& project, const std::string& name) override {
    auto q = c_.prepare("SELECT " VEDETTE_TRIAL_COLUMNS
                        " FROM trial_detections WHERE account = ? AND region = ? AND project = ? AND name = ?");
    q.bind(s.account).bind(s.region).bind(project).bind(name);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  std::optional<TrialDetection> find(const std::string& uid) override {
    auto q = c_.prepare("SELECT " VEDETTE_TRIAL_COLUMNS " FROM trial_detections WHERE uid = ?");
    q.bind(uid);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  std::vector<TrialDetection> list(const Scope& s, const std::string& project, const Place& after,
                                   std::int64_t limit) override {
    auto q = c_.prepare("SELECT " VEDETTE_TRIAL_COLUMNS
                        " FROM trial_detections WHERE account = ? AND region = ? AND project = ? AND (created, name) > "
                        "(?, ?) ORDER BY created, name LIMIT ?");
    q.bind(s.account).bind(s.region).bind(project).bind(after.created_ms).bind(after.name).bind(limit);
    std::vector<TrialDetection> out;
    while (q.step()) out.push_back(read(q));
    return out;
  }
  std::int64_t count(const Scope& s, const std::string& project) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM trial_detections WHERE account = ? AND region = ? AND project = ?");
    q.bind(s.account).bind(s.region).bind(project).step();
    return q.integer(0);
  }
  std::int64_t count_running(const std::string& account) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM trial_detections WHERE account = ? AND status = ?");
    q.bind(account).bind(to_text(TrialStatus::running)).step();
    return q.integer(0);
  }
  bool move(const std::string& uid, TrialStatus from, TrialStatus to, const std::string& message,
            Timestamp now) override {
    return c_.prepare(
                 "UPDATE trial_detections SET status = ?, status_message = ?, updated = ? WHERE uid = ? AND status = "
                 "?")
               .bind(to_text(to))
               .bind(message)
               .bind(stored(now))
               .bind(uid)
               .bind(to_text(from))
               .execute() > 0;
  }
  bool remove(const std::string& uid) override {
    return c_.prepare("DELETE FROM trial_detections WHERE uid = ?").bind(uid).execute() > 0;
  }
  std::vector<TrialImage> images_at(const std::string& uid, std::int64_t offset, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT key, is_anomalous, confidence, score, labels, mask_key, skipped_reason, is_correct FROM trial_images "
        "WHERE trial_uid = ? ORDER BY place LIMIT ? OFFSET ?");
    q.bind(uid).bind(limit).bind(offset);
    std::vector<TrialImage> out;
    while (q.step()) {
      TrialImage image;
      image.key = q.text(0);
      if (const auto is_anomalous = optional_flag(q, 1)) {
        image.verdict = TrialVerdict{*is_anomalous, q.real(2), q.real(3), {}, q.optional_text(5)};
        for (const auto label : split(q.text(4), ','))
          if (!label.empty()) image.verdict->anomaly_labels.emplace_back(label);
      }
      image.skipped_reason = q.optional_text(6);
      image.is_correct = optional_flag(q, 7);
      out.push_back(std::move(image));
    }
    return out;
  }
  std::vector<std::pair<std::int64_t, std::string>> pending(const std::string& uid, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT place, key FROM trial_images WHERE trial_uid = ? AND is_anomalous IS NULL AND skipped_reason IS NULL "
        "ORDER BY place LIMIT ?");
    q.bind(uid).bind(limit);
    std::vector<std::pair<std::int64_t, std::string>> out;
    while (q.step()) out.emplace_back(q.integer(0), q.text(1));
    return out;
  }
  void set_result(const std::string& uid, std::int64_t place, const TrialImage& image) override {
    const auto& v = image.verdict;
    std::string labels;
    if (v)
      for (const auto& label : v->anomaly_labels) labels += (labels.empty() ? "" : ",") + label;
    c_.prepare(
          "UPDATE trial_images SET is_anomalous = ?, confidence = ?, score = ?, labels = ?, mask_key = ?, "
          "skipped_reason = ? WHERE trial_uid = ? AND place = ?")
        .bind(v ? stored_flag(v->is_anomalous) : std::nullopt)
        .bind(v ? std::optional(v->confidence) : std::nullopt)
        .bind(v ? std::optional(v->anomaly_score) : std::nullopt)
        .bind(v ? std::optional(labels) : std::nullopt)
        .bind(v ? v->mask_key : std::nullopt)
        .bind(v ? std::nullopt : image.skipped_reason)
        .bind(uid)
        .bind(place)
        .execute();
  }
  bool verify(const std::string& uid, const std::string& key, std::optional<bool> is_correct) override {
    return c_.prepare(
                 "UPDATE trial_images SET is_correct = ? WHERE trial_uid = ? AND key = ? AND is_anomalous IS NOT NULL")
               .bind(stored_flag(is_correct))
               .bind(uid)
               .bind(key)
               .execute() > 0;
  }

 private:
  TrialDetection read(const Statement& q) {
    TrialDetection t;
    t.project = q.text(0);
    t.name = q.text(1);
    t.uid = q.text(2);
    t.model_version = q.integer(3);
    t.model_uid = q.text(4);
    t.bucket = q.text(5);
    t.moved_threshold = q.optional_real(6);
    t.status = parse_trial_status(q.text(7));
    t.status_message = q.text(8);
    t.created = loaded(q.integer(9));
    t.updated = loaded(q.integer(10));
    auto counts = c_.prepare(
        "SELECT COUNT(*), COUNT(is_anomalous), COUNT(*) FILTER (WHERE is_anomalous = 1), COUNT(skipped_reason), "
        "COUNT(*) FILTER (WHERE is_correct = 1), COUNT(*) FILTER (WHERE is_correct = 0) FROM trial_images WHERE "
        "trial_uid = ?");
    counts.bind(t.uid);
    if (counts.step())
      t.counts = {counts.integer(0), counts.integer(1), counts.integer(2),
                  counts.integer(3), counts.integer(4), counts.integer(5)};
    return t;
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<TrialDetectionRepository> make_trial_detections(Connection& c) {
  return std::make_unique<TrialDetections>(c);
}

}  // namespace vedette::metadata
