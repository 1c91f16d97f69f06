#include <algorithm>
#include <limits>

#include "store/metadata/repositories/repositories.hpp"

namespace vedette::metadata {
namespace {

// Lines have some hundred bytes at least, so that it is the bytes that end a search.
constexpr std::int64_t kMostLooked = 50'000;

#define VEDETTE_PLACE "(time, node, day, \"offset\")"
#define VEDETTE_LATEST_FIRST "ORDER BY time DESC, node DESC, day DESC, \"offset\" DESC"
// Each parameter is one text, or NULL.
#define VEDETTE_EACH_TEXT(holds)                                                                                     \
  "(?9 IS NULL OR " holds "(line, ?9) > 0) AND (?10 IS NULL OR " holds "(line, ?10) > 0) AND (?11 IS NULL OR " holds \
  "(line, ?11) > 0) AND (?12 IS NULL OR " holds "(line, ?12) > 0) AND (?13 IS NULL OR " holds                        \
  "(line, ?13) > 0) AND (?14 IS NULL OR " holds "(line, ?14) > 0) AND (?15 IS NULL OR " holds                        \
  "(line, ?15) > 0) AND (?16 IS NULL OR " holds "(line, ?16) > 0) AND (?17 IS NULL OR " holds "(line, ?17) > 0)"
#define VEDETTE_SEARCH(holds)                                                      \
  "SELECT time, node, day, \"offset\", line FROM audit_lines WHERE " VEDETTE_PLACE \
  " < (?1, ?2, ?3, ?4) AND " VEDETTE_PLACE                                         \
  " >= (?5, ?6, ?7, ?8) AND " VEDETTE_EACH_TEXT(holds) " " VEDETTE_LATEST_FIRST " LIMIT ?18"

class AuditLines : public AuditLineRepository {
 public:
  explicit AuditLines(Connection& c) : c_(c) {}
  std::int64_t end_of(const std::string& node, const std::string& day) override {
    auto q = c_.prepare(
        "SELECT \"offset\" + size + 1 FROM audit_lines WHERE node = ? AND day = ? ORDER BY \"offset\" DESC LIMIT 1");
    q.bind(node).bind(day);
    return q.step() ? q.integer(0) : 0;
  }
  void add(const std::vector<SharedAuditLine>& lines) override {
    for (const auto& [place, line] : lines)
      c_.prepare(
            "INSERT INTO audit_lines (node, day, \"offset\", time, size, line) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT "
            "(node, day, \"offset\") DO NOTHING")
          .bind(place.node)
          .bind(place.day)
          .bind(place.offset)
          .bind(stored(place.time))
          .bind(static_cast<std::int64_t>(line.size()))
          .bind(line)
          .send();
  }
  Found search(const Search& s) override {
    // The bounds are places: `upper` is excluded and `lower` is included.
    AuditLinePlace lower{s.start.value_or(Timestamp::min()), {}, {}, 0}, upper{Timestamp::max(), {}, {}, 0};
    if (s.end) upper.time = *s.end;
    if (s.from) upper = std::min(upper, *s.from);
    Found found;
    found.next = last_looked_at(lower, upper, s.most_bytes);
    if (found.next) lower = *found.next;
    auto q = c_.prepare({.sqlite = VEDETTE_SEARCH("instr"), .postgresql = VEDETTE_SEARCH("strpos")});
    bind(bind(q, upper), lower);
    for (std::size_t i = 0; i < kMostTexts; ++i) q.bind(i < s.texts.size() ? std::optional(s.texts[i]) : std::nullopt);
    q.bind(s.most_lines);
    while (q.step()) found.lines.push_back({read(q), q.text(4)});
    if (static_cast<std::int64_t>(found.lines.size()) == s.most_lines && s.most_lines > 0)
      found.next = found.lines.back().place;
    return found;
  }
  std::optional<Timestamp> latest_before(Timestamp time) override {
    auto q = c_.prepare("SELECT time FROM audit_lines WHERE time < ? ORDER BY time DESC LIMIT 1");
    q.bind(stored(time));
    if (!q.step()) return std::nullopt;
    return loaded(q.integer(0));
  }
  std::int64_t remove_before(Timestamp time, std::int64_t most) override {
    return c_
        .prepare(
            "DELETE FROM audit_lines WHERE (node, day, \"offset\") IN (SELECT node, day, \"offset\" FROM audit_lines "
            "WHERE time < ? ORDER BY time LIMIT ?)")
        .bind(stored(time))
        .bind(most)
        .execute();
  }

 private:
  static Statement& bind(Statement& q, const AuditLinePlace& place) {
    return q.bind(stored(place.time)).bind(place.node).bind(place.day).bind(place.offset);
  }
  static AuditLinePlace read(const Statement& q) { return {loaded(q.integer(0)), q.text(1), q.text(2), q.integer(3)}; }

  /// Returns the last line that may be looked at: with it the lines from `upper` down to it have `most_bytes`, or are
  /// kMostLooked. Returns nothing if all lines down to `lower` are fewer. It reads no line, only their sizes.
  std::optional<AuditLinePlace> last_looked_at(const AuditLinePlace& lower, const AuditLinePlace& upper,
                                               std::int64_t most_bytes) {
    // Without the innermost limit PostgreSQL would sort the whole table.
    auto q = c_.prepare(
        "SELECT time, node, day, \"offset\" FROM (SELECT time, node, day, \"offset\", SUM(size) OVER latest_first AS "
        "bytes, ROW_NUMBER() OVER latest_first AS number FROM (SELECT time, node, day, \"offset\", size FROM "
        "audit_lines WHERE " VEDETTE_PLACE " < (?1, ?2, ?3, ?4) AND " VEDETTE_PLACE
        " >= (?5, ?6, ?7, ?8) " VEDETTE_LATEST_FIRST
        " LIMIT ?9) AS looked_at WINDOW latest_first AS "
        "(" VEDETTE_LATEST_FIRST
        " ROWS UNBOUNDED PRECEDING)) AS l WHERE number = ?9 OR bytes >= ?10 " VEDETTE_LATEST_FIRST " LIMIT 1");
    bind(bind(q, upper), lower).bind(kMostLooked).bind(most_bytes);
    if (!q.step()) return std::nullopt;
    return read(q);
  }
  Connection& c_;
};

}  // namespace

std::unique_ptr<AuditLineRepository> make_audit_lines(Connection& c) {
  return std::make_unique<AuditLines>(c);
}

}  // namespace vedette::metadata
