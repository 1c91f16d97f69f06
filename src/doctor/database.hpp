#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "doctor/doctor.hpp"
#include "store/metadata/metadata.hpp"
#include "store/metadata/schema.hpp"
#include "store/sql/sql.hpp"

namespace vedette::doctor {

/// How PostgreSQL is reached, found out by what happens.
enum class Pooling {
  none,
  session,      ///< Each connection has one to the server for itself.
  transaction,  ///< Another transaction may have another one.
  statement,    ///< There are no transactions.
};

/// What a PostgreSQL server says of itself.
struct DatabaseFacts {
  std::int64_t version = 0;  ///< server_version_num: 150004 is 15.4
  std::string encoding, collation;
  bool is_standby = false;
  bool may_write = true;              ///< The role may make the tables, or read and write all of them.
  bool has_durable_commits = true;    ///< fsync, full_page_writes and synchronous_commit are on
  std::int64_t most_connections = 0;  ///< that may be used by others than superusers
  std::chrono::microseconds round_trip{0};
};
void judge_database(const DatabaseFacts& facts, const Report& report);
void judge_pooling(Pooling pooling, const Report& report);
/// Judges whether this program works with the schema of a database, and which others do.
void judge_schema(const metadata::SchemaState& state, sql::Dialect dialect, const Report& report);

using Connect = std::function<std::unique_ptr<sql::Connection>()>;
/// Throws sql::DatabaseError if the server cannot be asked.
DatabaseFacts ask_database(sql::Connection& connection);
Pooling find_pooling(const Connect& connect);

/// Looks at the metadata that the settings name, and at the clock of PostgreSQL. Returns whether other checks can use them.
bool check_metadata(const ServerSettings& settings, const Report& report);

/// Opens the metadata as they are: no table is made, and no step of the schema taken. Throws sql::DatabaseError.
std::unique_ptr<MetadataStore> open_metadata(const ServerSettings& settings);
/// Makes a connection to the metadata, for whoever needs the tables themselves.
std::unique_ptr<sql::Connection> connect(const ServerSettings& settings);

}  // namespace vedette::doctor
