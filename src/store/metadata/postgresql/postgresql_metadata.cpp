#include "store/metadata/postgresql/postgresql_metadata.hpp"

#include <thread>

#include "store/metadata/repositories/sql_metadata.hpp"
#include "store/postgresql/postgresql.hpp"

namespace vedette {
namespace {

using metadata::SchemaStep;

constexpr int kMostTries = 120;
constexpr std::chrono::seconds kPause{1};
constexpr std::chrono::seconds kDeadNodesAreFreshFor{7};
// A step may have to fill a new column of a large table.
constexpr std::chrono::hours kLongestStep{6};
constexpr const char* kForgetCommits =
    "DELETE FROM commits WHERE changed < CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) - 86400";

std::shared_ptr<const postgresql::Address> address_of(const std::string& url) {
  return std::make_shared<const postgresql::Address>(postgresql::parse_address(url));
}

std::unique_ptr<sql::Connection> migration_connection(const std::shared_ptr<const postgresql::Address>& address,
                                                      std::chrono::milliseconds deadline) {
  postgresql::Options options;
  options.purpose = postgresql::Purpose::migration;
  options.deadline = deadline;
  return postgresql::connect(address, options, std::make_shared<postgresql::CommitSlots>());
}

metadata::SchemaState state_of(sql::Connection& connection) {
  connection.begin(sql::Access::read);
  const auto state = metadata::schema_state(connection);
  connection.roll_back();
  return state;
}

/// Keeps other nodes from migrating at the same time. The lock belongs to a transaction, because a session's lock would
/// stay with a pooler's connection.
void lock_schema(sql::Connection& connection, const std::string& schema) {
  connection.begin(sql::Access::write);
  connection.prepare("SELECT pg_advisory_xact_lock(hashtextextended('vedette schema ' || ?, 0))").bind(schema).step();
}

void make_schema(sql::Connection& connection, const std::string& schema) {
  connection.begin(sql::Access::write);
  bool is_there = false;
  {
    auto q = connection.prepare("SELECT to_regnamespace(?) IS NOT NULL");
    q.bind(schema);
    is_there = q.step() && q.integer(0) != 0;
  }
  if (!is_there) connection.execute("CREATE SCHEMA " + schema);
  connection.commit();
}

void take(sql::Connection& connection, SchemaStep step, const std::string& schema) {
  if (!step.is_in_transaction)
    for (auto& statement : metadata::statements_of(step.sql)) {
      for (std::size_t at = 0; (at = statement.find("@schema@", at)) != std::string::npos;)
        statement.replace(at, 8, schema);
      connection.execute(statement);
    }
  metadata::take_step(connection, step);
}

void migrate(const std::shared_ptr<const postgresql::Address>& address, const std::vector<SchemaStep>& steps) {
  for (int tries = 1;; ++tries) {
    const auto connection = migration_connection(address, kLongestStep);
    const auto guard = migration_connection(address, postgresql::Options{}.deadline);
    try {
      if (metadata::pending_steps(state_of(*guard), steps, sql::Access::write).empty()) return;
      lock_schema(*guard, address->schema);
      make_schema(*connection, address->schema);
      for (const auto& step : metadata::pending_steps(state_of(*connection), steps, sql::Access::write)) {
        // Whoever has lost the lock must not go on. This is a script, because a statement that was prepared would hold a
        // view of the database until the next one, and CREATE INDEX CONCURRENTLY waits until all older views are gone.
        guard->execute("SELECT 1");
        take(*connection, step, address->schema);
      }
      guard->roll_back();
      return;
    } catch (const sql::DatabaseUnavailable&) {
      // A lock was not free in time, so that nobody queues behind us; or the server was away.
      if (tries == kMostTries) throw;
    } catch (const sql::SerializationConflict&) {
      if (tries == kMostTries) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

/// Returns whether a node has renewed its row in the last seconds. The number is that of nodes/membership.hpp.
bool is_in_use(sql::Connection& connection) {
  connection.begin(sql::Access::read);
  bool is_used = false;
  {
    auto q = connection.prepare("SELECT to_regclass('nodes') IS NOT NULL");
    is_used = q.step() && q.integer(0) != 0;
  }
  if (is_used) {
    auto q = connection.prepare(
        "SELECT COUNT(*) > 0 FROM nodes WHERE has_left = 0 AND seen > EXTRACT(EPOCH FROM now()) * 1000 - 6000");
    is_used = q.step() && q.integer(0) != 0;
  }
  connection.roll_back();
  return is_used;
}

/// Throws unless the program works with the schema as it is, or may take the steps that it lacks.
void check_pending(sql::Connection& connection, const PostgresqlMetadataOptions& options, const std::string& shown) {
  using Migration = PostgresqlMetadataOptions::Migration;
  const auto state = state_of(connection);
  if (state.version == 0 && options.migration == Migration::never)
    throw sql::DatabaseError("there is no Vedette data in " + shown);
  const auto& steps = metadata::schema_steps(sql::Dialect::postgresql);
  if (state.version == 0 || metadata::pending_steps(state, steps, sql::Access::write).empty()) return;
  const auto deadline = std::chrono::steady_clock::now() + kDeadNodesAreFreshFor;
  while (options.migration == Migration::if_alone) {
    if (!is_in_use(connection)) return;
    // The row of a server that was killed a moment ago is still fresh.
    if (std::chrono::steady_clock::now() > deadline) break;
    std::this_thread::sleep_for(kPause);
  }
  throw sql::DatabaseError("the schema of " + shown + " is " + std::to_string(state.version) +
                           ", and this program needs " + std::to_string(steps.back().version) +
                           ". Nodes that live use it, so bring it up to date by hand, with this program: vedette "
                           "migrate --plan shows what it would do, and vedette migrate does it");
}

}  // namespace

std::string shown_address(const std::string& url) {
  return postgresql::parse_address(url).shown;
}

MigrationPlan plan_postgresql_migration(const std::string& url) {
  const auto connection = migration_connection(address_of(url), postgresql::Options{}.deadline);
  const auto state = state_of(*connection);
  MigrationPlan plan;
  plan.version = state.version;
  plan.steps = metadata::pending_steps(state, metadata::schema_steps(sql::Dialect::postgresql), sql::Access::write);
  connection->begin(sql::Access::read);
  {
    // Before the first ANALYZE the estimate is -1.
    auto q = connection->prepare(
        "SELECT CAST(relname AS TEXT), CAST(GREATEST(reltuples, 0) AS BIGINT) FROM pg_class WHERE relkind = 'r' AND "
        "relnamespace = to_regnamespace(current_schema())");
    while (q.step()) plan.rows[q.text(0)] = q.integer(1);
  }
  connection->roll_back();
  return plan;
}

void migrate_postgresql(const std::string& url, const std::vector<SchemaStep>& steps) {
  migrate(address_of(url), steps);
}

std::unique_ptr<sql::Connection> connect_postgresql(const std::string& url, std::chrono::milliseconds deadline) {
  postgresql::Options options;
  options.deadline = deadline;
  return postgresql::connect(address_of(url), options, std::make_shared<postgresql::CommitSlots>());
}

std::unique_ptr<MetadataStore> open_postgresql_metadata(const std::string& url,
                                                        const PostgresqlMetadataOptions& given) {
  const auto address = address_of(url);
  {
    // A database that cannot be reached is told at once, and not after the tries of a migration.
    const auto connection = migration_connection(address, given.deadline);
    check_pending(*connection, given, address->shown);
  }
  if (given.migration == PostgresqlMetadataOptions::Migration::if_alone) {
    migrate(address, metadata::schema_steps(sql::Dialect::postgresql));
    const auto connection = migration_connection(address, given.deadline);
    connection->begin(sql::Access::write);
    connection->prepare(kForgetCommits).execute();
    connection->commit();
  }
  postgresql::Options options;
  options.deadline = given.deadline;
  auto slots = std::make_shared<postgresql::CommitSlots>();
  return metadata::make_sql_metadata(
      std::make_unique<sql::Pool>([address, options, slots] { return postgresql::connect(address, options, slots); },
                                  sql::Pool::Limits{given.connections, given.deadline}));
}

}  // namespace vedette
