#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/sql/sql.hpp"

/// The versions of the metadata's schema. Both databases count the same steps; each step says how old a program may be
/// that still works with what it leaves, so that two releases can run side by side.
namespace vedette::metadata {

struct SchemaStep {
  int version;  ///< of the schema after this step
  const char* name;
  std::string_view sql;
  /// The oldest programs that may read, and write, the database after this step: the newest versions that they know.
  int min_reader, min_writer;
  /// A step that cannot run in a transaction (CREATE INDEX CONCURRENTLY) may be cut off half-way, so each of its
  /// statements must be safe to repeat. In its text `@schema@` stands for the name of the schema.
  bool is_in_transaction = true;
};

/// All steps for the database, in order.
const std::vector<SchemaStep>& schema_steps(sql::Dialect dialect);

/// Where a database is. Version 0: it is empty.
struct SchemaState {
  int version = 0, min_reader = 0, min_writer = 0;
};
/// Reads the state in a transaction that is open.
SchemaState schema_state(sql::Connection& connection);

/// Returns the steps that the database has yet to take. Throws sql::DatabaseError with the cause and the cure if this
/// program is too old for the database: to write, or only to read if `access` says so.
std::vector<SchemaStep> pending_steps(const SchemaState& state, const std::vector<SchemaStep>& steps,
                                      sql::Access access);

/// Takes one step in a transaction of its own, unless the database has taken it already.
void take_step(sql::Connection& connection, const SchemaStep& step);

/// The single statements of a step.
std::vector<std::string> statements_of(std::string_view script);

}  // namespace vedette::metadata
