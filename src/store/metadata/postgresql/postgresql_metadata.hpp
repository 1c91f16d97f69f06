#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/metadata/metadata.hpp"
#include "store/metadata/schema.hpp"

namespace vedette {

struct PostgresqlMetadataOptions {
  std::size_t connections = 16;                ///< at most, at the same time
  std::chrono::milliseconds deadline{10'000};  ///< how long one call of the database may take
};

/// Opens the metadata in the PostgreSQL database that the address names (see postgresql::Address). The schema is made
/// and brought up to date as needed; several nodes may do so at the same time. Throws sql::DatabaseError.
std::unique_ptr<MetadataStore> open_postgresql_metadata(const std::string& url,
                                                        const PostgresqlMetadataOptions& options = {});

/// Returns the steps of the schema that open_postgresql_metadata() would take, and takes none.
std::vector<metadata::SchemaStep> pending_postgresql_steps(const std::string& url);

/// Brings the schema up to date. Throws sql::DatabaseError if that fails, or is not possible within some minutes because
/// others hold locks.
void migrate_postgresql(const std::string& url, const std::vector<metadata::SchemaStep>& steps);

/// Makes a connection to a database whose schema is up to date, for whoever needs the tables themselves.
std::unique_ptr<sql::Connection> connect_postgresql(const std::string& url, std::chrono::milliseconds deadline);

/// Returns the address for messages: servers and database only.
std::string shown_address(const std::string& url);

}  // namespace vedette
