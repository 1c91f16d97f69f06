#include "store/metadata/copy.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/digest.hpp"
#include "base/mutex.hpp"
#include "base/text.hpp"
#include "store/metadata/schema.hpp"

namespace vedette::metadata {
namespace {

using sql::Dialect;
using sql::Kind;

// Rows that PostgreSQL gives at a time; SQLite gives one after the other.
constexpr const char* kBatch = "1000";

struct Column {
  std::string name;
  std::string type;  ///< text, integer, real or blob
  bool operator==(const Column&) const = default;
};

struct Table {
  std::vector<Column> columns;   ///< in the order of their names
  std::vector<std::string> key;  ///< the primary key
  std::set<std::string> parents;
  std::optional<std::string> counted;  ///< the column that the database numbers
};

std::string quoted(const std::string& name) {
  return '"' + name + '"';
}
template <typename Strings, typename Text>
std::string joined(const Strings& strings, Text text) {
  std::string out;
  for (const auto& s : strings) out += (out.empty() ? "" : ", ") + text(s);
  return out;
}

/// Keeps the text of a statement for good: drivers know statements by their address, which must never get another text.
const char* kept(const std::string& text) {
  static Mutex mutex;
  static std::set<std::string> texts;
  const MutexLock lock(mutex);
  return texts.insert(text).first->c_str();
}

/// A database during the copy.
class Side {
 public:
  explicit Side(sql::Connection& connection) : connection_(connection) { read_catalogue(); }
  sql::Connection& connection() { return connection_; }
  sql::Statement prepare(const std::string& text) { return connection_.prepare(kept(text)); }
  [[nodiscard]] const std::map<std::string, Table>& tables() const { return tables_; }
  [[nodiscard]] bool is_postgresql() const { return connection_.dialect() == Dialect::postgresql; }

 private:
  void read_catalogue();
  sql::Connection& connection_;
  std::map<std::string, Table> tables_;
};

std::string plain_type(std::string type) {
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
  static const std::map<std::string, std::string> names = {
      {"bigint", "integer"}, {"double precision", "real"}, {"bytea", "blob"}};
  const auto found = names.find(type);
  return found == names.end() ? type : found->second;
}

void Side::read_catalogue() {
  auto q = connection_.prepare(
      {.sqlite =
           "SELECT t.name, c.name, c.type, c.pk, CASE WHEN c.pk > 0 AND t.sql LIKE '%AUTOINCREMENT%' THEN 1 ELSE "
           "0 END FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE "
           "'sqlite\\_%' ESCAPE '\\' AND t.name <> 'schema' ORDER BY t.name, c.pk, c.name",
       .postgresql =
           "SELECT CAST(t.relname AS TEXT), CAST(c.attname AS TEXT), format_type(c.atttypid, NULL), "
           "COALESCE(array_position(CAST(k.conkey AS INT2[]), c.attnum), 0), CASE WHEN c.attidentity <> '' THEN 1 ELSE "
           "0 "
           "END FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped LEFT "
           "JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p' WHERE t.relkind = 'r' AND t.relnamespace = "
           "to_regnamespace(current_schema()) AND t.relname NOT IN ('schema', 'commits') ORDER BY t.relname COLLATE "
           "\"C\", 4, c.attname COLLATE \"C\""});
  while (q.step()) {
    auto& table = tables_[q.text(0)];
    table.columns.push_back({q.text(1), plain_type(q.text(2))});
    if (q.integer(3) > 0) table.key.push_back(q.text(1));
    if (q.integer(4) != 0) table.counted = q.text(1);
  }
  for (auto& [name, table] : tables_)
    std::sort(table.columns.begin(), table.columns.end(),
              [](const Column& a, const Column& b) { return a.name < b.name; });
  auto parents = connection_.prepare(
      {.sqlite =
           "SELECT t.name, f.\"table\" FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = "
           "'table'",
       .postgresql = "SELECT CAST(t.relname AS TEXT), CAST(p.relname AS TEXT) FROM pg_constraint f JOIN pg_class t ON "
                     "t.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid WHERE f.contype = 'f' AND "
                     "t.relnamespace = to_regnamespace(current_schema())"});
  while (parents.step()) tables_.at(parents.text(0)).parents.insert(parents.text(1));
}

/// All rows of a table in the order of its key, with all columns in the order of their names.
class Rows {
 public:
  Rows(Side& side, const std::string& name, const Table& table)
      : side_(side), width_(static_cast<int>(table.columns.size())) {
    const auto select = "SELECT " + joined(table.columns, [](const Column& c) { return quoted(c.name); }) + " FROM " +
                        quoted(name) + " ORDER BY " + joined(table.key, quoted);
    for (const auto& column : table.columns) types_.push_back(column.type);
    if (side.is_postgresql()) {
      cursor_ = "of_" + name;
      side.connection().execute("DECLARE " + quoted(cursor_) + " NO SCROLL CURSOR FOR " + select);
      fetch_ = kept(std::string("FETCH ") + kBatch + " FROM " + quoted(cursor_));
    } else {
      fetch_ = kept(select);
    }
    run();
  }
  ~Rows() = default;
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool step() {
    if (statement_->step()) return has_rows_ = true;
    if (!side_.is_postgresql() || !has_rows_) return close();
    has_rows_ = false;
    run();
    return (has_rows_ = statement_->step()) || close();
  }
  [[nodiscard]] bool is_null(int i) const { return statement_->is_null(i); }
  /// The value as bytes, the same in every database.
  [[nodiscard]] std::string bytes(int i) const {
    const auto& type = types_[static_cast<std::size_t>(i)];
    if (type == "integer") return std::to_string(statement_->integer(i));
    if (type == "real") return std::to_string(std::bit_cast<std::uint64_t>(statement_->real(i)));
    return statement_->text(i);
  }
  void bind_to(sql::Statement& target, int i) const {
    const auto& type = types_[static_cast<std::size_t>(i)];
    if (statement_->is_null(i))
      target.bind_null(Kind::any);
    else if (type == "integer")
      target.bind(statement_->integer(i));
    else if (type == "real")
      target.bind(statement_->real(i));
    else if (type == "blob")
      target.bind_blob(statement_->text(i));
    else
      target.bind(statement_->text(i));
  }
  /// The whole row as bytes, which no other row shares.
  [[nodiscard]] std::string row() const {
    std::string out;
    for (int i = 0; i < width_; ++i) {
      const auto value = is_null(i) ? std::string() : bytes(i);
      out += (is_null(i) ? "-" : std::to_string(value.size())) + ":" + value;
    }
    return out;
  }

 private:
  void run() {
    statement_.reset();  // The same statement must not be in use twice.
    statement_.reset(new sql::Statement(side_.connection().prepare(fetch_)));  // It cannot be moved.
  }
  bool close() {
    statement_.reset();
    if (side_.is_postgresql()) side_.connection().execute("CLOSE " + quoted(cursor_));
    return false;
  }
  Side& side_;
  const int width_;
  std::vector<std::string> types_;
  std::string cursor_;
  const char* fetch_ = nullptr;
  bool has_rows_ = false;
  std::unique_ptr<sql::Statement> statement_;
};

/// The tables in such an order that those which others refer to come before them.
std::vector<std::string> in_order(const std::map<std::string, Table>& tables) {
  std::vector<std::string> order;
  std::set<std::string> done;
  while (order.size() < tables.size()) {
    const auto before = order.size();
    for (const auto& [name, table] : tables)
      if (!done.contains(name) &&
          std::all_of(table.parents.begin(), table.parents.end(), [&](const auto& p) { return done.contains(p); })) {
        order.push_back(name);
        done.insert(name);
      }
    if (order.size() == before) throw sql::DatabaseError("the tables of the metadata refer to each other in a circle");
  }
  return order;
}

void check_same_schema(Side& from, Side& to) {
  const auto here = schema_state(from.connection()).version, there = schema_state(to.connection()).version;
  if (here != there)
    throw sql::DatabaseError("the schemas differ: the source has version " + std::to_string(here) + ", the target " +
                             std::to_string(there) + ". Start a server of this version on the older one once");
  const auto names = [](const Side& side) {
    return joined(side.tables(), [](const auto& t) {
      return t.first + " (" + joined(t.second.columns, [](const Column& c) { return c.name + " " + c.type; }) + "; " +
             joined(t.second.key, [](const auto& k) { return k; }) + ")";
    });
  };
  if (names(from) != names(to))
    throw sql::DatabaseError("the tables of source and target differ, although the versions of their schemas do not");
}

void copy_rows(Side& from, Side& to, const std::string& name, const Table& table) {
  std::string places;
  for (std::size_t i = 0; i < table.columns.size(); ++i) places += i == 0 ? "?" : ", ?";
  const auto* insert =
      kept("INSERT INTO " + quoted(name) + " (" +
           joined(table.columns, [](const Column& c) { return quoted(c.name); }) + ") VALUES (" + places + ")");
  try {
    for (Rows rows(from, name, table); rows.step();) {
      auto q = to.connection().prepare(insert);
      for (int i = 0; i < static_cast<int>(table.columns.size()); ++i) rows.bind_to(q, i);
      q.send();
    }
    (void)to.connection().prepare("SELECT 1").step();  // Now the outcomes of all that was sent are known.
  } catch (const sql::DatabaseUnavailable&) {
    throw;
  } catch (const sql::DatabaseError& e) {
    throw sql::DatabaseError("a row of the table " + name + " cannot be copied: " + e.what());
  }
}

CopiedTable compare_rows(Side& from, Side& to, const std::string& name, const Table& table) {
  CopiedTable copied{name, 0, {}};
  Rows source(from, name, table), target(to, name, table);
  Hasher digest(Hasher::Algorithm::sha256);
  for (;; ++copied.rows) {
    const bool is_there = source.step(), has_come = target.step();
    if (!is_there && !has_come) break;
    if (is_there != has_come || source.row() != target.row())
      throw sql::DatabaseError("row " + std::to_string(copied.rows + 1) + " of the table " + name +
                               " does not come back as it went");
    digest.update(as_bytes(source.row()));
  }
  copied.sha256 = to_hex(digest.finish());
  return copied;
}

/// The last number that the database gave; more than the largest that is there if rows were deleted.
std::int64_t last_number(Side& side, const std::string& name, const std::string& column) {
  std::int64_t last = 0;
  {
    auto q = side.prepare("SELECT COALESCE(MAX(" + quoted(column) + "), 0) FROM " + quoted(name));
    if (q.step()) last = q.integer(0);
  }
  auto q = side.is_postgresql()
               ? side.prepare("SELECT COALESCE(pg_sequence_last_value(CAST(pg_get_serial_sequence('" + quoted(name) +
                              "', '" + column + "') AS REGCLASS)), 0)")
               : side.prepare("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = '" + name + "'");
  return q.step() ? std::max(last, q.integer(0)) : last;
}

void set_last_number(Side& side, const std::string& name, const std::string& column, std::int64_t last) {
  if (last == 0) return;
  const auto number = std::to_string(last);
  if (side.is_postgresql()) {
    side.connection().execute("SELECT setval(pg_get_serial_sequence('" + quoted(name) + "', '" + column + "'), " +
                              number + ")");
  } else {
    side.connection().execute("DELETE FROM sqlite_sequence WHERE name = '" + name + "'");
    side.connection().execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('" + name + "', " + number + ")");
  }
}

std::vector<CopiedTable> copy_tables(Side& from, Side& to) {
  check_same_schema(from, to);
  for (const auto& [name, table] : to.tables()) {
    auto q = to.prepare("SELECT 1 FROM " + quoted(name) + " LIMIT 1");
    if (q.step())
      throw sql::DatabaseError("the target is not empty: its table " + name +
                               " has rows. Nothing was changed; name an empty database or folder");
  }
  const auto order = in_order(from.tables());
  for (const auto& name : order) copy_rows(from, to, name, from.tables().at(name));
  std::vector<CopiedTable> copied;
  for (const auto& name : order) {
    copied.push_back(compare_rows(from, to, name, from.tables().at(name)));
    // SQLite numbers some tables without being told, so both sides are asked.
    const auto &here = from.tables().at(name).counted, &there = to.tables().at(name).counted;
    if (there) set_last_number(to, name, *there, last_number(from, name, here.value_or(*there)));
  }
  return copied;
}

}  // namespace

std::vector<CopiedTable> copy_metadata(sql::Connection& from, sql::Connection& to) {
  from.begin(sql::Access::read);
  to.begin(sql::Access::write);
  try {
    std::vector<CopiedTable> copied;
    {
      Side source(from), target(to);
      copied = copy_tables(source, target);
    }
    to.commit();
    from.roll_back();
    return copied;
  } catch (...) {
    to.roll_back();
    from.roll_back();
    throw;
  }
}

}  // namespace vedette::metadata
