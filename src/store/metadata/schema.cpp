#include "store/metadata/schema.hpp"

#include <algorithm>

namespace vedette::embedded {
extern const std::string_view migration_0001, migration_0002, migration_0003, migration_0004, migration_0005,
    migration_0006, migration_0007, migration_0008, migration_0009, migration_0010, migration_0011, migration_0012,
    postgresql_migration_0008, postgresql_migration_0009, postgresql_migration_0010, postgresql_migration_0011,
    postgresql_migration_0012;
}

namespace vedette::metadata {
namespace {

bool has_schema_table(sql::Connection& connection) {
  auto q = connection.prepare({.sqlite = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema'",
                               .postgresql = "SELECT CASE WHEN to_regclass('schema') IS NULL THEN 0 ELSE 1 END"});
  return q.step() && q.integer(0) != 0;
}

}  // namespace

const std::vector<SchemaStep>& schema_steps(sql::Dialect dialect) {
  static const std::vector<SchemaStep> sqlite = {
      {1, "first", embedded::migration_0001, 1, 1},
      {2, "operations", embedded::migration_0002, 2, 2},
      {3, "job_requests", embedded::migration_0003, 3, 3},
      {4, "thresholds", embedded::migration_0004, 4, 4},
      {5, "trial_detections", embedded::migration_0005, 5, 5},
      {6, "verified_pictures", embedded::migration_0006, 6, 6},
      {7, "dataset_checks", embedded::migration_0007, 7, 7},
      {8, "stations", embedded::migration_0008, 8, 8},
      {9, "nodes", embedded::migration_0009, 9, 9},
      {10, "model_hosts", embedded::migration_0010, 9, 9},
      {11, "installation", embedded::migration_0011, 9, 9},
      {12, "audit_lines", embedded::migration_0012, 9, 9},
  };
  static const std::vector<SchemaStep> postgresql = {
      {8, "first", embedded::postgresql_migration_0008, 8, 8},
      {9, "nodes", embedded::postgresql_migration_0009, 9, 9},
      {10, "model_hosts", embedded::postgresql_migration_0010, 9, 9},
      {11, "installation", embedded::postgresql_migration_0011, 9, 9},
      {12, "audit_lines", embedded::postgresql_migration_0012, 9, 9},
  };
  return dialect == sql::Dialect::sqlite ? sqlite : postgresql;
}

SchemaState schema_state(sql::Connection& connection) {
  if (has_schema_table(connection)) {
    auto q = connection.prepare("SELECT version, min_reader, min_writer FROM schema");
    if (q.step())
      return {static_cast<int>(q.integer(0)), static_cast<int>(q.integer(1)), static_cast<int>(q.integer(2))};
  }
  if (connection.dialect() == sql::Dialect::postgresql) return {};
  // Older versions of Vedette kept the version here, and knew only programs that are as new as the database.
  auto q = connection.prepare("PRAGMA user_version");
  const int version = q.step() ? static_cast<int>(q.integer(0)) : 0;
  return {version, version, version};
}

std::vector<SchemaStep> pending_steps(const SchemaState& state, const std::vector<SchemaStep>& steps,
                                      sql::Access access) {
  const int known = steps.back().version, needed = access == sql::Access::read ? state.min_reader : state.min_writer;
  if (needed > known)
    throw sql::DatabaseError("the metadata was written by a newer version of Vedette: its schema is " +
                             std::to_string(state.version) + " and needs a program that knows " +
                             std::to_string(needed) + ", while this one knows " + std::to_string(known) +
                             ". Start that one, or use a backup made before");
  std::vector<SchemaStep> pending;
  std::copy_if(steps.begin(), steps.end(), std::back_inserter(pending),
               [&](const SchemaStep& step) { return step.version > state.version; });
  return pending;
}

void take_step(sql::Connection& connection, const SchemaStep& step) {
  connection.begin(sql::Access::write);
  try {
    if (const auto state = schema_state(connection); state.version < step.version) {
      // Who is too old for an earlier step stays too old.
      const int min_reader = std::max(state.min_reader, step.min_reader);
      const int min_writer = std::max(state.min_writer, step.min_writer);
      if (step.is_in_transaction) connection.execute(std::string(step.sql));
      connection.execute(
          "CREATE TABLE IF NOT EXISTS schema (version BIGINT NOT NULL, min_reader BIGINT NOT NULL, min_writer BIGINT "
          "NOT "
          "NULL)");
      connection.execute("DELETE FROM schema");
      connection.execute("INSERT INTO schema VALUES (" + std::to_string(step.version) + ", " +
                         std::to_string(min_reader) + ", " + std::to_string(min_writer) + ")");
      // Programs that do not know the table compare their own version with this.
      if (connection.dialect() == sql::Dialect::sqlite)
        connection.execute("PRAGMA user_version=" + std::to_string(min_writer));
    }
    connection.commit();
  } catch (...) {
    connection.roll_back();
    throw;
  }
}

std::vector<std::string> statements_of(std::string_view script) {
  std::vector<std::string> statements;
  std::string statement;
  char quote = '\0';
  bool is_comment = false;
  for (std::size_t i = 0; i < script.size(); ++i) {
    const char c = script[i];
    if (is_comment) {
      is_comment = c != '\n';
      continue;
    }
    if (quote == '\0' && script.substr(i, 2) == "--") {
      is_comment = true;
      continue;
    }
    if (quote != '\0')
      quote = c == quote ? '\0' : quote;
    else if (c == '\'' || c == '"')
      quote = c;
    if (quote == '\0' && c == ';') {
      statements.push_back(statement);
      statement.clear();
    } else if (!statement.empty() || (c != ' ' && c != '\n')) {
      statement += c;
    }
  }
  while (!statement.empty() && (statement.back() == ' ' || statement.back() == '\n')) statement.pop_back();
  if (!statement.empty()) statements.push_back(statement);
  return statements;
}

}  // namespace vedette::metadata
