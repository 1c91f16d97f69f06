#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_CHECK_COLUMNS "project, uid, status, status_message, dataset_state, images, checked, created, updated"

class DatasetChecks : public DatasetCheckRepository {
 public:
  explicit DatasetChecks(Connection& c) : c_(c) {}
  void replace(const Scope& s, const DatasetCheck& check) override {
    c_.prepare("DELETE FROM dataset_checks WHERE account = ? AND region = ? AND project = ?")
        .bind(s.account)
        .bind(s.region)
        .bind(check.project)
        .execute();
    c_.prepare("INSERT INTO dataset_checks (account, region, " VEDETTE_CHECK_COLUMNS
               ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(s.account)
        .bind(s.region)
        .bind(check.project)
        .bind(check.uid)
        .bind(to_text(check.status))
        .bind(check.status_message)
        .bind(check.dataset_state)
        .bind(check.images)
        .bind(check.checked)
        .bind(stored(check.created))
        .bind(stored(check.updated))
        .execute();
  }
  std::optional<DatasetCheck> find(const Scope& s, const std::string& project) override {
    auto q = c_.prepare("SELECT " VEDETTE_CHECK_COLUMNS
                        " FROM dataset_checks WHERE account = ? AND region = ? AND project = ?");
    q.bind(s.account).bind(s.region).bind(project);
    return read(q);
  }
  std::optional<DatasetCheck> find(const std::string& uid) override {
    auto q = c_.prepare("SELECT " VEDETTE_CHECK_COLUMNS " FROM dataset_checks WHERE uid = ?");
    q.bind(uid);
    return read(q);
  }
  bool update(const DatasetCheck& check) override {
    return c_.prepare(
                 "UPDATE dataset_checks SET status_message = ?, dataset_state = ?, images = ?, checked = ?, updated = "
                 "? "
                 "WHERE uid = ? AND status = ?")
               .bind(check.status_message)
               .bind(check.dataset_state)
               .bind(check.images)
               .bind(check.checked)
               .bind(stored(check.updated))
               .bind(check.uid)
               .bind(to_text(CheckStatus::running))
               .execute() > 0;
  }
  bool finish(const std::string& uid, CheckStatus status, const std::string& message,
              const std::vector<DatasetFinding>& findings, Timestamp now) override {
    if (c_.prepare("UPDATE dataset_checks SET status = ?, status_message = ?, updated = ? WHERE uid = ? AND status = ?")
            .bind(to_text(status))
            .bind(message)
            .bind(stored(now))
            .bind(uid)
            .bind(to_text(CheckStatus::running))
            .execute() == 0)
      return false;
    std::int64_t place = 0;
    for (const auto& f : findings)
      c_.prepare(
            "INSERT INTO dataset_findings (check_uid, place, kind, dataset, source_ref, related_dataset, related_ref, "
            "detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(uid)
          .bind(place++)
          .bind(f.kind)
          .bind(to_text(f.dataset))
          .bind(f.source_ref)
          .bind(f.related_dataset ? std::optional(std::string(to_text(*f.related_dataset))) : std::nullopt)
          .bind(f.related_ref)
          .bind(f.detail)
          .send();
    return true;
  }
  std::vector<FindingCount> count_findings(const std::string& uid) override {
    auto q =
        c_.prepare("SELECT kind, COUNT(*) FROM dataset_findings WHERE check_uid = ? GROUP BY kind ORDER BY MIN(place)");
    q.bind(uid);
    std::vector<FindingCount> out;
    while (q.step()) out.push_back({q.text(0), q.integer(1)});
    return out;
  }
  std::vector<DatasetFinding> findings_at(const std::string& uid, const std::optional<std::string>& kind,
                                          std::int64_t offset, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT kind, dataset, source_ref, related_dataset, related_ref, detail FROM dataset_findings WHERE check_uid "
        "= ?1 AND (?2 IS NULL OR kind = ?2) ORDER BY place LIMIT ?3 OFFSET ?4");
    q.bind(uid).bind(kind).bind(limit).bind(offset);
    std::vector<DatasetFinding> out;
    while (q.step()) {
      DatasetFinding f{q.text(0), *parse_dataset_type(q.text(1)), q.optional_text(2), {}, q.optional_text(4),
                       q.text(5)};
      if (const auto related = q.optional_text(3)) f.related_dataset = parse_dataset_type(*related);
      out.push_back(std::move(f));
    }
    return out;
  }

 private:
  static std::optional<DatasetCheck> read(Statement& q) {
    if (!q.step()) return std::nullopt;
    DatasetCheck check;
    check.project = q.text(0);
    check.uid = q.text(1);
    check.status = parse_check_status(q.text(2));
    check.status_message = q.text(3);
    check.dataset_state = q.text(4);
    check.images = q.integer(5);
    check.checked = q.integer(6);
    check.created = loaded(q.integer(7));
    check.updated = loaded(q.integer(8));
    return check;
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<DatasetCheckRepository> make_dataset_checks(Connection& c) {
  return std::make_unique<DatasetChecks>(c);
}

}  // namespace vedette::metadata
