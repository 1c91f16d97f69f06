#include "store/metadata/sqlite/sqlite_metadata.hpp"

#include <string_view>

#include "store/metadata/repositories/sql_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette::embedded {
extern const std::string_view migration_0001, migration_0002, migration_0003, migration_0004, migration_0005,
    migration_0006, migration_0007, migration_0008, migration_0009, migration_0010;
}

namespace vedette {

std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path) {
  return open_sqlite_metadata(path, sqlite::system_clock());
}

std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path, const Clock& clock) {
  {
    sqlite::Connection connection(path);
    sqlite::check(connection);
    sqlite::migrate(connection, {{1, embedded::migration_0001},
                                 {2, embedded::migration_0002},
                                 {3, embedded::migration_0003},
                                 {4, embedded::migration_0004},
                                 {5, embedded::migration_0005},
                                 {6, embedded::migration_0006},
                                 {7, embedded::migration_0007},
                                 {8, embedded::migration_0008},
                                 {9, embedded::migration_0009},
                                 {10, embedded::migration_0010}});
  }
  return metadata::make_sql_metadata(std::make_unique<sqlite::Pool>(path, clock));
}

}  // namespace vedette
