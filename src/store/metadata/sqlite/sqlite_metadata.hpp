#pragma once

#include <filesystem>
#include <memory>

#include "store/metadata/metadata.hpp"

namespace vedette {

/// SQLite file at `path`, created and migrated as needed. Throws sqlite::DatabaseError if it cannot be opened.
std::unique_ptr<MetadataStore> open_sqlite_metadata(const std::filesystem::path& path);

}  // namespace vedette
