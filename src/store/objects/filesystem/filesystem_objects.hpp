#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "store/objects/buckets.hpp"

namespace vedette {

/// Buckets in a folder. Contents are files under generated names, and the index is a SQLite file beside them, so no key
/// can escape the folder or collide by case or Unicode form. A put writes and syncs the content file and then commits
/// the index entry. Only one process may use the folder at a time.
///
/// Opening settles what a crash left: contents that were never acknowledged are deleted, and so are those whose
/// deletion was acknowledged. Files that the index does not know are moved to `set-aside/<yyyy-mm-dd>/` in the folder
/// and stay there for `set_aside_days`. A file that the index names and `contents/` lacks is moved back from there. If
/// there are more unknown files than a crash can leave, or the index is new, nothing is touched and std::runtime_error
/// says what to do.
/// Throws sql::DatabaseError or std::filesystem::filesystem_error if the folder cannot be used.
struct FilesystemOptions {
  bool accept_lost_index = false;  ///< Sets any number of unknown files aside.
  int set_aside_days = 30;         ///< How many days they stay; 0: for ever.
};
std::unique_ptr<BucketStore> open_filesystem_objects(const std::filesystem::path& folder, const Clock& clock,
                                                     const FilesystemOptions& options = {});

struct ObjectCopy {
  std::uint64_t files = 0, bytes = 0;  ///< What was copied; contents that an earlier copy has stay as they are.
  std::vector<std::string> missing;    ///< "bucket/key" of each object whose content the store itself has lost
};
/// Keeps a server from deleting contents of the store in `folder`. What the server wants to delete waits until this
/// object is destroyed.
class ContentHold {
 public:
  /// Throws std::runtime_error if the store cannot be held.
  explicit ContentHold(const std::filesystem::path& folder);
  ~ContentHold();
  ContentHold(const ContentHold&) = delete;
  ContentHold& operator=(const ContentHold&) = delete;

 private:
  int fd_;
};
/// Makes `target` a copy of the store in `folder` as it is at some moment of this call. A server may use the store
/// meanwhile: contents never change under their names, and none is deleted during the call. Nobody else may use
/// `target`. Throws as opening does.
ObjectCopy copy_filesystem_objects(const std::filesystem::path& folder, const std::filesystem::path& target);

}  // namespace vedette
