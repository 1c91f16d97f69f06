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

/// Whole files, durably. Thread-safe as far as the paths differ. Failures name the file and the system's reason.
namespace vedette {

/// Fails with not_found if there is no such file, too_large above `limit_bytes`.
Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t limit_bytes);

/// The same of a large file that stays in memory for long. Fails as read_file does.
Result<std::shared_ptr<const LargeMemory>> load_file(const std::filesystem::path& path, std::uint64_t limit_bytes);
/// Writes beside the target, syncs file and folder, renames: after a crash the old or the new content is there, whole.
Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644);
/// fsync of a file or folder.
Result<void> sync_path(const std::filesystem::path& path);

/// A folder that goes away with the object.
class TemporaryFolder {
 public:
  /// Made inside `parent`, or the system's temporary folder if empty. Throws std::filesystem::filesystem_error.
  explicit TemporaryFolder(const std::filesystem::path& parent = {});
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace vedette
