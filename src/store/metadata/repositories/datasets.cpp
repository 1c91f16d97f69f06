#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

/// Reads an entry from the columns source_ref, is_anomalous, created and line, which come first.
DatasetEntry entry_of(const Statement& q) {
  std::optional<bool> label;
  if (const auto stored_label = q.optional_integer(1)) label = *stored_label != 0;
  return {q.text(0), label, loaded(q.integer(2)), q.text(3)};
}

#define VEDETTE_LIST_ENTRIES(place_of_text)                                                                            \
  "SELECT source_ref, is_anomalous, created, line, position FROM dataset_entries WHERE dataset_uid = ?1 AND position " \
  "> ?2 AND (?3 IS NULL OR (CASE WHEN is_anomalous IS NULL THEN 0 ELSE 1 END) = ?3) AND (?4 IS NULL OR is_anomalous "  \
  "= ?4) AND (?5 IS NULL OR created < ?5) AND (?6 IS NULL OR created > ?6) AND (?7 IS NULL OR " place_of_text          \
  "(source_ref, ?7) > 0) ORDER BY position LIMIT ?8"

class Datasets : public DatasetRepository {
 public:
  explicit Datasets(Connection& c) : c_(c) {}
  bool insert(const Scope& s, const Dataset& d) override {
    return c_.prepare(
                 "INSERT INTO datasets (account, region, project, type, uid, status, status_message, created, updated) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
               .bind(s.account)
               .bind(s.region)
               .bind(d.project)
               .bind(to_text(d.type))
               .bind(d.uid)
               .bind(to_text(d.status))
               .bind(d.status_message)
               .bind(stored(d.created))
               .bind(stored(d.updated))
               .execute() > 0;
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
    update_entries(uid, entries);
  }
  void update_entries(const std::string& uid, const std::vector<DatasetEntry>& entries) override {
    std::int64_t last = 0;
    {
      auto q = c_.prepare("SELECT MAX(position) FROM dataset_entries WHERE dataset_uid = ?");
      q.bind(uid);
      if (q.step() && !q.is_null(0)) last = q.integer(0);
    }
    for (const auto& e : entries)
      c_.prepare(
            "INSERT INTO dataset_entries (dataset_uid, position, source_ref, is_anomalous, created, line) VALUES (?, "
            "?, ?, ?, ?, ?) ON CONFLICT (dataset_uid, source_ref) DO UPDATE SET is_anomalous = excluded.is_anomalous, "
            "created = excluded.created, line = excluded.line")
          .bind(uid)
          .bind(++last)
          .bind(e.source_ref)
          .bind(e.is_anomalous ? std::optional<std::int64_t>(*e.is_anomalous ? 1 : 0) : std::nullopt)
          .bind(stored(e.created))
          .bind(e.line)
          .send();
    c_.prepare(
          "UPDATE datasets SET (total, normal, anomaly) = (SELECT COUNT(*), COUNT(*) FILTER (WHERE is_anomalous = 0), "
          "COUNT(*) FILTER (WHERE is_anomalous = 1) FROM dataset_entries WHERE dataset_uid = ?1) WHERE uid = ?1")
        .bind(uid)
        .execute();
  }
  std::vector<NumberedEntry> list_entries(const std::string& uid, const EntryFilter& f, std::int64_t after,
                                          std::int64_t limit) override {
    const auto flag = [](const std::optional<bool>& b) {
      return b ? std::optional<std::int64_t>(*b ? 1 : 0) : std::nullopt;
    };
    const auto time = [](const std::optional<Timestamp>& t) { return t ? std::optional(stored(*t)) : std::nullopt; };
    auto q = c_.prepare({.sqlite = VEDETTE_LIST_ENTRIES("instr"), .postgresql = VEDETTE_LIST_ENTRIES("strpos")});
    q.bind(uid)
        .bind(after)
        .bind(flag(f.is_labeled))
        .bind(flag(f.is_anomalous))
        .bind(time(f.created_before))
        .bind(time(f.created_after))
        .bind(f.source_ref_contains)
        .bind(limit);
    std::vector<NumberedEntry> out;
    while (q.step()) out.push_back({q.integer(4), entry_of(q)});
    return out;
  }
  std::vector<DatasetEntry> entries_at(const std::string& uid, std::int64_t offset, std::int64_t limit) override {
    auto q = c_.prepare(
        "SELECT source_ref, is_anomalous, created, line FROM dataset_entries WHERE dataset_uid = ? "
        "ORDER BY position LIMIT ? OFFSET ?");
    q.bind(uid).bind(limit).bind(offset);
    std::vector<DatasetEntry> out;
    while (q.step()) out.push_back(entry_of(q));
    return out;
  }

 private:
  Connection& c_;
};

}  // namespace

std::unique_ptr<DatasetRepository> make_datasets(Connection& c) {
  return std::make_unique<Datasets>(c);
}

}  // namespace vedette::metadata
