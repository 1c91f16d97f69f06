#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/large_memory.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

/// Reads and durably writes whole files. Threads may call these functions at the same time for different paths. Error
/// messages name the file and the system's reason.
namespace vedette {

/// Reads a whole file. Fails with not_found if there is no such file, and with too_large if it has more than
/// `limit_bytes`.
Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t limit_bytes);

/// Reads a large file that stays in memory for long. Fails as read_file() does.
Result<std::shared_ptr<const LargeMemory>> load_file(const std::filesystem::path& path, std::uint64_t limit_bytes);
/// Writes a new file beside the target, syncs file and folder, and renames it to the target: after a crash the target
/// holds either the whole old or the whole new content.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644);
/// Calls fsync for a file or a folder.
Result<void> sync_path(const std::filesystem::path& path);

/// A folder that is deleted together with this object.
class TemporaryFolder {
 public:
  /// Makes the folder inside `parent`, or inside the system's temporary folder if `parent` is empty. Throws
  /// std::filesystem::filesystem_error.
  explicit TemporaryFolder(const std::filesystem::path& parent = {});
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace vedette
