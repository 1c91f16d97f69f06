#pragma once

#include <filesystem>
#include <memory>

#include "store/metadata/metadata.hpp"

namespace vedette {

/// Opens the SQLite file at `path`. The file is created and migrated as needed. Throws sqlite::DatabaseError if it
/// cannot be opened.
std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path);

}  // namespace vedette
