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

struct ObjectCopy {
  std::uint64_t files = 0, bytes = 0;  ///< that were copied; contents that an earlier copy has stay as they are
};
/// Makes `target` a copy of the store in `folder` as it is at some moment of this call, while a server may use it: contents never change
/// under their names. Nobody may use `target`. Throws as opening does, and std::runtime_error if contents go faster than they can be copied.
ObjectCopy copy_filesystem_objects(const std::filesystem::path& folder, const std::filesystem::path& target);

}  // namespace vedette
