#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/metadata/metadata.hpp"
#include "store/metadata/schema.hpp"

namespace vedette {

struct PostgresqlMetadataOptions {
  /// Whether steps that the schema lacks are taken. A new schema, without tables, is always made by `if_alone`.
  enum class Migration {
    if_alone,  ///< if no node lives, since a program of an older release may not work with the new schema
    never,     ///< Opening the metadata changes nothing at all.
  };
  Migration migration = Migration::if_alone;
  std::size_t connections = 16;                ///< at most, at the same time
  std::chrono::milliseconds deadline{10'000};  ///< how long one call of the database may take
};

/// Opens the metadata in the PostgreSQL database that the address names (see postgresql::Address). The schema is made
/// and brought up to date as the options say; several nodes may do so at the same time. Throws sql::DatabaseError, also
/// if the schema lacks steps that may not be taken.
std::unique_ptr<MetadataStore> open_postgresql_metadata(const std::string& url,
                                                        const PostgresqlMetadataOptions& options = {});

/// How many rows each table has, as PostgreSQL last estimated.
using TableRows = std::map<std::string, std::int64_t>;
struct MigrationPlan {
  int version = 0;  ///< of the schema as it is; 0 if there is none
  std::vector<metadata::SchemaStep> steps;
  TableRows rows;
};
/// Returns the steps of the schema that are to be taken, and takes none.
MigrationPlan plan_postgresql_migration(const std::string& url);

/// Brings the schema up to date. Throws sql::DatabaseError if that fails, or is not possible within some minutes because
/// others hold locks.
void migrate_postgresql(const std::string& url, const std::vector<metadata::SchemaStep>& steps);

/// Makes a connection to a database whose schema is up to date, for whoever needs the tables themselves.
std::unique_ptr<sql::Connection> connect_postgresql(const std::string& url, std::chrono::milliseconds deadline);

/// Returns the address for messages: servers and database only.
std::string shown_address(const std::string& url);

}  // namespace vedette
