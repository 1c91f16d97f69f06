#include "store/metadata/sqlite/sqlite_metadata.hpp"

#include "store/metadata/repositories/sql_metadata.hpp"
#include "store/metadata/schema.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {

std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path) {
  return open_sqlite_metadata(path, sqlite::system_clock());
}

std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path, const Clock& clock) {
  {
    sqlite::Connection connection(path);
    sqlite::check(connection);
    connection.begin(sql::Access::read);
    const auto state = metadata::schema_state(connection);
    connection.roll_back();
    for (const auto& step :
         metadata::pending_steps(state, metadata::schema_steps(sql::Dialect::sqlite), sql::Access::write))
      metadata::take_step(connection, step);
  }
  return metadata::make_sql_metadata(std::make_unique<sqlite::Pool>(path, clock));
}

}  // namespace vedette
