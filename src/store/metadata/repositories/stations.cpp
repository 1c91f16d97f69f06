#include <algorithm>

#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

#define VEDETTE_STATION_COLUMNS "id, account, region, name, created, seen, reported, interval_seconds, report"

#define VEDETTE_VERDICTS(hint)                                                                                        \
  "SELECT number, received, judged, is_anomalous, state, component, component_version, record FROM station_verdicts " \
  "WHERE station = ?1 AND number IN (SELECT number FROM station_verdicts " hint                                       \
  " WHERE station = ?1 AND number < ?2 "                                                                              \
  "AND (?3 IS NULL OR is_anomalous = ?3) AND (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR component = ?5) AND (?6 "  \
  "IS NULL OR component_version = ?6) AND (?7 IS NULL OR judged >= ?7) AND (?8 IS NULL OR judged < ?8) AND (?9 IS "   \
  "NULL OR received >= ?9) ORDER BY number DESC LIMIT ?10) ORDER BY number DESC"

class Stations : public StationRepository {
 public:
  explicit Stations(Connection& c) : c_(c) {}

  std::optional<Station> find(const Scope& s, const std::string& name) override {
    auto q =
        c_.prepare("SELECT " VEDETTE_STATION_COLUMNS " FROM stations WHERE account = ? AND region = ? AND name = ?");
    q.bind(s.account).bind(s.region).bind(name);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  Station insert(const Scope& s, const std::string& name, Timestamp now) override {
    Station station;
    station.account = s.account;
    station.region = s.region;
    station.name = name;
    station.created = station.seen = now;
    auto q = c_.prepare(
        "INSERT INTO stations (account, region, name, created, seen, interval_seconds, report, next_number) VALUES "
        "(?, ?, ?, ?, ?, ?, '', 1) RETURNING id");
    q.bind(s.account)
        .bind(s.region)
        .bind(name)
        .bind(stored(now))
        .bind(stored(now))
        .bind(station.interval_seconds)
        .step();
    station.id = q.integer(0);
    q.execute();
    return station;
  }
  std::vector<Station> list(const Scope& s, const std::string& after_name, std::int64_t limit) override {
    auto q = c_.prepare("SELECT " VEDETTE_STATION_COLUMNS
                        " FROM stations WHERE account = ? AND region = ? AND name > ? ORDER BY name LIMIT ?");
    q.bind(s.account).bind(s.region).bind(after_name).bind(limit);
    return read_all(q);
  }
  std::vector<Station> list_everywhere() override {
    auto q = c_.prepare("SELECT " VEDETTE_STATION_COLUMNS " FROM stations ORDER BY account, region, name");
    return read_all(q);
  }
  std::int64_t count(const std::string& account) override {
    auto q = c_.prepare("SELECT COUNT(*) FROM stations WHERE account = ?");
    q.bind(account).step();
    return q.integer(0);
  }
  void set_seen(std::int64_t id, Timestamp now) override {
    c_.prepare("UPDATE stations SET seen = ? WHERE id = ?").bind(stored(now)).bind(id).execute();
  }
  void set_report(std::int64_t id, const std::string& report, std::int64_t interval_seconds, Timestamp now) override {
    c_.prepare("UPDATE stations SET report = ?, interval_seconds = ?, reported = ?, seen = ? WHERE id = ?")
        .bind(report)
        .bind(interval_seconds)
        .bind(stored(now))
        .bind(stored(now))
        .bind(id)
        .execute();
  }
  bool remove(std::int64_t id) override {
    return c_.prepare("DELETE FROM stations WHERE id = ?").bind(id).execute() > 0;
  }

  std::vector<StationChannel> channels(std::int64_t id) override {
    auto q = c_.prepare(
        "SELECT component, component_version, project, job, archive, sha256, \"user\", changed FROM station_channels "
        "WHERE "
        "station = ? ORDER BY component");
    q.bind(id);
    std::vector<StationChannel> out;
    while (q.step())
      out.push_back(
          {q.text(0), q.text(1), q.text(2), q.text(3), q.text(4), q.text(5), q.text(6), loaded(q.integer(7))});
    return out;
  }
  void set_channel(std::int64_t id, const StationChannel& channel) override {
    c_.prepare(
          "INSERT INTO station_channels (station, component, component_version, project, job, archive, sha256, "
          "\"user\", "
          "changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (station, component) DO UPDATE SET "
          "component_version "
          "= excluded.component_version, project = excluded.project, job = excluded.job, archive = excluded.archive, "
          "sha256 = excluded.sha256, \"user\" = excluded.\"user\", changed = excluded.changed")
        .bind(id)
        .bind(channel.component)
        .bind(channel.component_version)
        .bind(channel.project)
        .bind(channel.job)
        .bind(channel.archive)
        .bind(channel.sha256)
        .bind(channel.user)
        .bind(stored(channel.changed))
        .execute();
  }
  bool remove_channel(std::int64_t id, const std::string& component) override {
    return c_.prepare("DELETE FROM station_channels WHERE station = ? AND component = ?")
               .bind(id)
               .bind(component)
               .execute() > 0;
  }

  std::optional<StationJournal> journal(std::int64_t id, const std::string& journal) override {
    auto q = c_.prepare(
        "SELECT journal, first, last, missing, duplicates, updated FROM station_journals WHERE station = ? AND journal "
        "= ?");
    q.bind(id).bind(journal);
    if (!q.step()) return std::nullopt;
    return read_journal(q);
  }
  void set_journal(std::int64_t id, const StationJournal& journal, std::int64_t most) override {
    c_.prepare(
          "INSERT INTO station_journals (station, journal, first, last, missing, duplicates, updated) VALUES (?, ?, ?, "
          "?, "
          "?, ?, ?) ON CONFLICT (station, journal) DO UPDATE SET first = excluded.first, last = excluded.last, missing "
          "= excluded.missing, duplicates = excluded.duplicates, updated = excluded.updated")
        .bind(id)
        .bind(journal.id)
        .bind(journal.first)
        .bind(journal.last)
        .bind(journal.missing)
        .bind(journal.duplicates)
        .bind(stored(journal.updated))
        .execute();
    c_.prepare(
          "DELETE FROM station_journals WHERE station = ? AND journal IN (SELECT journal FROM station_journals WHERE "
          "station = ? ORDER BY updated DESC, journal LIMIT 9223372036854775807 OFFSET ?)")
        .bind(id)
        .bind(id)
        .bind(most)
        .execute();
  }
  std::vector<StationJournal> journals(std::int64_t id) override {
    auto q = c_.prepare(
        "SELECT journal, first, last, missing, duplicates, updated FROM station_journals WHERE station = ? ORDER BY "
        "updated DESC, journal");
    q.bind(id);
    std::vector<StationJournal> out;
    while (q.step()) out.push_back(read_journal(q));
    return out;
  }
  void add_gap(std::int64_t id, const StationGap& gap, std::int64_t most) override {
    c_.prepare("INSERT INTO station_gaps (station, journal, first, last, noticed) VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(gap.journal)
        .bind(gap.first)
        .bind(gap.last)
        .bind(stored(gap.noticed))
        .execute();
    c_.prepare(
          "DELETE FROM station_gaps WHERE id IN (SELECT id FROM station_gaps WHERE station = ? ORDER BY id DESC LIMIT "
          "9223372036854775807 OFFSET ?)")
        .bind(id)
        .bind(most)
        .execute();
  }
  std::vector<StationGap> gaps(std::int64_t id) override {
    auto q = c_.prepare("SELECT journal, first, last, noticed FROM station_gaps WHERE station = ? ORDER BY id DESC");
    q.bind(id);
    std::vector<StationGap> out;
    while (q.step()) out.push_back({q.text(0), q.integer(1), q.integer(2), loaded(q.integer(3))});
    return out;
  }

  void add_verdicts(std::int64_t id, const std::vector<StationVerdict>& verdicts) override {
    std::int64_t number = 0;
    {
      auto q = c_.prepare("SELECT next_number FROM stations WHERE id = ?");
      q.bind(id);
      if (!q.step()) return;
      number = q.integer(0);
    }
    for (const auto& v : verdicts)
      c_.prepare(
            "INSERT INTO station_verdicts (station, number, received, judged, is_anomalous, state, component, "
            "component_version, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(id)
          .bind(number++)
          .bind(stored(v.received))
          .bind(stored(v.judged))
          .bind(static_cast<std::int64_t>(v.is_anomalous ? 1 : 0))
          .bind(v.state)
          .bind(v.component)
          .bind(v.component_version)
          .bind(v.record)
          .send();
    c_.prepare("UPDATE stations SET next_number = ? WHERE id = ?").bind(number).bind(id).execute();
  }
  std::int64_t prune_verdicts(std::int64_t id, std::int64_t most, Timestamp received_before,
                              std::int64_t limit) override {
    std::int64_t first = 0, received = 0, next = 0;
    {
      auto q = c_.prepare(
          "SELECT v.number, v.received, s.next_number FROM station_verdicts v JOIN stations s ON s.id = v.station "
          "WHERE "
          "v.station = ? ORDER BY v.number LIMIT 1");
      q.bind(id);
      if (!q.step()) return 0;
      first = q.integer(0);
      received = q.integer(1);
      next = q.integer(2);
    }
    std::int64_t removed = 0;
    if (first < next - most)
      removed += c_.prepare("DELETE FROM station_verdicts WHERE station = ? AND number < ?")
                     .bind(id)
                     .bind(std::min(next - most, first + limit))
                     .execute();
    if (received < stored(received_before))
      removed += c_.prepare("DELETE FROM station_verdicts WHERE station = ? AND number < ? AND received < ?")
                     .bind(id)
                     .bind(first + limit)
                     .bind(stored(received_before))
                     .execute();
    return removed;
  }
  std::vector<StationVerdict> verdicts(std::int64_t id, const StationVerdictFilter& f, std::int64_t before_number,
                                       std::int64_t limit) override {
    // The numbers are found in the index alone, before the rows are read.
    auto q = c_.prepare(
        {.sqlite = VEDETTE_VERDICTS("INDEXED BY station_verdicts_by_facts"), .postgresql = VEDETTE_VERDICTS("")});
    const auto time = [](const std::optional<Timestamp>& t) {
      return t ? std::optional<std::int64_t>(stored(*t)) : std::nullopt;
    };
    q.bind(id)
        .bind(before_number)
        .bind(f.is_anomalous ? std::optional<std::int64_t>(*f.is_anomalous ? 1 : 0) : std::nullopt)
        .bind(f.state)
        .bind(f.component)
        .bind(f.component_version)
        .bind(time(f.judged_from))
        .bind(time(f.judged_before))
        .bind(time(f.received_from))
        .bind(limit);
    std::vector<StationVerdict> out;
    while (q.step())
      out.push_back({q.integer(0), loaded(q.integer(1)), loaded(q.integer(2)), q.integer(3) != 0, q.text(4), q.text(5),
                     q.text(6), q.text(7)});
    return out;
  }
  void add_counts(std::int64_t id, std::int64_t hour, const StationCounts& counts, std::int64_t first_hour) override {
    c_.prepare(
          "INSERT INTO station_hours (station, hour, verdicts, anomalous, without_verdict) VALUES (?, ?, ?, ?, ?) ON "
          "CONFLICT (station, hour) DO UPDATE SET verdicts = station_hours.verdicts + excluded.verdicts, "
          "anomalous = station_hours.anomalous + excluded.anomalous, without_verdict = station_hours.without_verdict + "
          "excluded.without_verdict")
        .bind(id)
        .bind(hour)
        .bind(counts.verdicts)
        .bind(counts.anomalous)
        .bind(counts.without_verdict)
        .execute();
    c_.prepare("DELETE FROM station_hours WHERE station = ? AND hour < ?").bind(id).bind(first_hour).execute();
  }
  StationCounts counts_since(std::int64_t id, std::int64_t hour) override {
    auto q = c_.prepare(
        "SELECT CAST(COALESCE(SUM(verdicts), 0) AS BIGINT), CAST(COALESCE(SUM(anomalous), 0) AS BIGINT), "
        "CAST(COALESCE(SUM(without_verdict), 0) AS BIGINT) FROM station_hours WHERE station = ? AND hour >= ?");
    q.bind(id).bind(hour).step();
    return {q.integer(0), q.integer(1), q.integer(2)};
  }

 private:
  static Station read(const Statement& q) {
    Station s;
    s.id = q.integer(0);
    s.account = q.text(1);
    s.region = q.text(2);
    s.name = q.text(3);
    s.created = loaded(q.integer(4));
    s.seen = loaded(q.integer(5));
    if (const auto reported = q.optional_integer(6)) s.reported = loaded(*reported);
    s.interval_seconds = q.integer(7);
    s.report = q.text(8);
    return s;
  }
  static std::vector<Station> read_all(Statement& q) {
    std::vector<Station> out;
    while (q.step()) out.push_back(read(q));
    return out;
  }
  static StationJournal read_journal(const Statement& q) {
    return {q.text(0), q.integer(1), q.integer(2), q.integer(3), q.integer(4), loaded(q.integer(5))};
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<StationRepository> make_stations(Connection& c) {
  return std::make_unique<Stations>(c);
}

}  // namespace vedette::metadata
