#pragma once

#include <filesystem>
#include <memory>

#include "base/clock.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// Opens the SQLite file at `path`. The file is created and migrated as needed. The database's time is that of the
/// clock; the first function takes the system's. Throws sql::DatabaseError if the file cannot be opened.
std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path);
std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path, const Clock& clock);

}  // namespace vedette
