#pragma once

#include <filesystem>
#include <memory>

#include "base/clock.hpp"
#include "store/objects/buckets.hpp"

namespace vedette {

/// Buckets in a folder: contents are files under generated names, the index is a SQLite file beside them, so no key can
/// escape the folder or collide by case or Unicode form. A put writes and syncs the content file, then commits the
/// index entry; files that a crash left without an entry are removed when the store is opened. One process at a time.
/// Throws sqlite::DatabaseError or std::filesystem::filesystem_error if the folder cannot be used.
std::unique_ptr<BucketStore> open_filesystem_objects(const std::filesystem::path& folder, const Clock& clock);

}  // namespace vedette
