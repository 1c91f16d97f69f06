#include "doctor/database.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/clock.hpp"
#include "doctor/clocks.hpp"
#include "server/data_folder.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/repositories/sql_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette::doctor {
namespace {

constexpr const char* kCheck = "database";
constexpr std::chrono::milliseconds kDeadline{5'000};
constexpr std::chrono::milliseconds kLongRoundTrip{20};
constexpr std::int64_t kConnectionsOfNode = 18;  // sixteen for calls, and two while the schema is looked at
constexpr int kOldest = 150'000;

metadata::SchemaState state_of(sql::Connection& connection) {
  connection.begin(sql::Access::read);
  const auto state = metadata::schema_state(connection);
  connection.roll_back();
  return state;
}

bool is_refused_outside_of_transactions(sql::Connection& connection) {
  try {
    connection.prepare("SELECT 1").step();
    return false;
  } catch (const sql::DatabaseUnavailable&) {
    throw;
  } catch (const sql::DatabaseError&) {
    return true;  // The driver has noticed a pooler.
  }
}

std::int64_t server_process(sql::Connection& connection) {
  auto q = connection.prepare("SELECT pg_backend_pid()");
  q.step();
  return q.integer(0);
}

void check_clock(sql::Connection& connection, const Report& report) {
  const SystemClock clock;
  // The first call made the connection, so that this one takes only as long as the way there and back.
  const auto asked = clock.now();
  const auto start = std::chrono::steady_clock::now();
  connection.begin(sql::Access::read);
  const auto answer = connection.now();
  const auto took = std::chrono::steady_clock::now() - start;
  connection.roll_back();
  judge_database_clock(membership::clock_difference(asked, took, answer), report);
}

bool check_postgresql(const std::string& url, const Report& report) {
  const auto shown = shown_address(url);
  const Connect connect = [&] { return connect_postgresql(url, kDeadline); };
  const auto connection = connect();
  try {
    judge_database(ask_database(*connection), report);
    check_clock(*connection, report);
    judge_pooling(find_pooling(connect), report);
    const auto state = state_of(*connection);
    judge_schema(state, sql::Dialect::postgresql, report);
    return state.version > 0;
  } catch (const sql::DatabaseError& e) {
    report({kCheck, Level::failed,
            fmt::format("{} cannot be used: {}. Look at the address in --metadata, the password (~/.pgpass), the "
                        "server, and the network "
                        "between",
                        shown, e.what())});
    return false;
  }
}

bool check_sqlite(const DataFolder& folder, const Report& report) {
  if (!std::filesystem::exists(folder.metadata())) {
    report({kCheck, Level::ok,
            fmt::format("{} does not exist yet; the first start makes it.", folder.metadata().string())});
    return false;
  }
  try {
    sqlite::Connection connection(folder.metadata(), sqlite::Connection::Open::existing);
    sqlite::check(connection);
    report({kCheck, Level::ok, fmt::format("{} is whole.", folder.metadata().string())});
    const auto state = state_of(connection);
    judge_schema(state, sql::Dialect::sqlite, report);
    return state.version > 0;
  } catch (const sql::DatabaseError& e) {
    report({kCheck, Level::failed, e.what()});
    return false;
  }
}

}  // namespace

DatabaseFacts ask_database(sql::Connection& connection) {
  DatabaseFacts facts;
  connection.begin(sql::Access::read);
  {
    auto q = connection.prepare(
        "SELECT CAST(current_setting('server_version_num') AS BIGINT), CAST(pg_encoding_to_char(encoding) AS TEXT), "
        "CAST(datcollate AS TEXT), pg_is_in_recovery(), CASE WHEN current_schema() IS NULL THEN "
        "has_database_privilege(current_database(), 'CREATE') ELSE NOT EXISTS (SELECT 1 FROM pg_class WHERE relkind = "
        "'r' "
        "AND relnamespace = to_regnamespace(current_schema()) AND NOT (has_table_privilege(oid, 'SELECT') AND "
        "has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, "
        "'DELETE'))) "
        "END, current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AND "
        "current_setting('synchronous_commit') <> 'off', CAST(current_setting('max_connections') AS BIGINT) - "
        "CAST(current_setting('superuser_reserved_connections') AS BIGINT) "
        "FROM pg_database WHERE datname = current_database()");
    q.step();
    facts.version = q.integer(0);
    facts.encoding = q.text(1);
    facts.collation = q.text(2);
    facts.is_standby = q.integer(3) != 0;
    facts.may_write = q.integer(4) != 0;
    facts.has_durable_commits = q.integer(5) != 0;
    facts.most_connections = q.integer(6);
  }
  facts.round_trip = std::chrono::hours(1);
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    connection.prepare("SELECT 1").step();
    facts.round_trip =
        std::min(facts.round_trip,
                 std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start));
  }
  connection.roll_back();
  return facts;
}

void judge_database(const DatabaseFacts& facts, const Report& report) {
  const auto say = [&](bool is_right, Level otherwise, std::string right, std::string wrong) {
    report(is_right ? Finding{kCheck, Level::ok, std::move(right)} : Finding{kCheck, otherwise, std::move(wrong)});
  };
  const auto version = fmt::format("PostgreSQL {}.{}", facts.version / 10'000, facts.version % 10'000);
  say(facts.version >= kOldest, Level::failed, fmt::format("The server is {}.", version),
      fmt::format("The server is {}, and 15 or newer is needed. Update it", version));
  say(facts.encoding == "UTF8", Level::failed,
      fmt::format("The encoding is UTF8, and the collation {}; all orders of ours are by bytes (C).", facts.collation),
      fmt::format(
          "The encoding of the database is {}. Make one with UTF8 (createdb --encoding UTF8 --template template0)",
          facts.encoding));
  say(!facts.is_standby, Level::failed, "The server takes writes.",
      "The server is a standby, which takes no writes. Name the primary, too: postgresql://USER@HOST1,HOST2/DATABASE");
  say(facts.may_write, Level::failed, "The role has the rights that it needs.",
      "The role may not read and write all tables, or may not make them. Have the database belong to it: ALTER "
      "DATABASE … OWNER TO …");
  say(facts.has_durable_commits, Level::failed, "What is acknowledged is on the server's disk.",
      "The server acknowledges what is not on its disk yet, so that a crash of its machine loses it. Switch fsync, "
      "full_page_writes and "
      "synchronous_commit on");
  say(facts.round_trip < kLongRoundTrip, Level::warning,
      fmt::format("A round trip takes {:.1f} ms.", static_cast<double>(facts.round_trip.count()) / 1000),
      fmt::format("A round trip takes {:.1f} ms, and every call of the API needs several. Bring server and database "
                  "nearer together",
                  static_cast<double>(facts.round_trip.count()) / 1000));
  say(facts.most_connections >= kConnectionsOfNode, Level::warning,
      fmt::format("The server takes {} connections, enough for {} nodes.", facts.most_connections,
                  facts.most_connections / kConnectionsOfNode),
      fmt::format(
          "The server takes {} connections, and a node may use {}. Raise max_connections, or put PgBouncer between",
          facts.most_connections, kConnectionsOfNode));
}

Pooling find_pooling(const Connect& connect) {
  const auto first = connect();
  try {
    if (!is_refused_outside_of_transactions(*first)) return Pooling::none;
    // If the second connection meets the same process of the server while the first one is open, both share it. Others
    // may come between, so this is tried more than once.
    for (int tries = 0; tries < 5; ++tries) {
      first->begin(sql::Access::read);
      const auto process = server_process(*first);
      first->roll_back();
      const auto second = connect();
      second->begin(sql::Access::read);
      const bool is_shared = server_process(*second) == process;
      second->roll_back();
      if (is_shared) return Pooling::transaction;
    }
    return Pooling::session;
  } catch (const sql::DatabaseError& e) {
    if (std::string_view(e.what()).find("statement pooling") != std::string_view::npos) return Pooling::statement;
    throw;
  }
}

void judge_pooling(Pooling pooling, const Report& report) {
  switch (pooling) {
    case Pooling::none:
      return report({kCheck, Level::ok, "The server is reached directly."});
    case Pooling::session:
      return report({kCheck, Level::ok, "A pooler stands between, in session mode."});
    case Pooling::transaction:
      return report({kCheck, Level::ok, "A pooler stands between, in transaction mode."});
    case Pooling::statement:
      return report({kCheck, Level::failed,
                     "A pooler stands between that allows no transactions. Set its pool_mode to transaction"});
  }
}

void judge_schema(const metadata::SchemaState& state, sql::Dialect dialect, const Report& report) {
  const auto& steps = metadata::schema_steps(dialect);
  const int known = steps.back().version;
  if (state.version == 0) return report({kCheck, Level::ok, "There are no tables yet; the first node makes them."});
  const auto who =
      fmt::format("The schema is version {}: programs that know {} or newer may write it, and {} or newer read it.",
                  state.version, state.min_writer, state.min_reader);
  if (state.min_writer > known)
    report({kCheck, Level::failed, fmt::format("{} This one knows {}. Start a newer one", who, known)});
  else if (state.version < known)
    report({kCheck, Level::warning,
            fmt::format(
                "{} This one knows {}, and brings it up to date: {}", who, known,
                dialect == sql::Dialect::sqlite
                    ? "its start does so"
                    : "a start does so if no other node lives, and otherwise vedette migrate (look at --plan first)")});
  else
    report({kCheck, Level::ok, who});
}

std::unique_ptr<MetadataStore> open_metadata(const ServerSettings& settings) {
  if (settings.metadata.empty())
    return metadata::make_sql_metadata(
        std::make_unique<sqlite::Pool>(DataFolder{std::filesystem::absolute(settings.data)}.metadata()));
  PostgresqlMetadataOptions options;
  options.migration = PostgresqlMetadataOptions::Migration::never;
  options.connections = 1;
  options.deadline = kDeadline;
  return open_postgresql_metadata(settings.metadata, options);
}

std::unique_ptr<sql::Connection> connect(const ServerSettings& settings) {
  if (!settings.metadata.empty()) return connect_postgresql(settings.metadata, kDeadline);
  return std::make_unique<sqlite::Connection>(DataFolder{std::filesystem::absolute(settings.data)}.metadata(),
                                              sqlite::Connection::Open::existing);
}

bool check_metadata(const ServerSettings& settings, const Report& report) {
  const DataFolder folder{std::filesystem::absolute(settings.data)};
  return settings.metadata.empty() ? check_sqlite(folder, report) : check_postgresql(settings.metadata, report);
}

}  // namespace vedette::doctor
