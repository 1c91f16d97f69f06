#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/result.hpp"

/// Internal to edge/sources.
namespace vedette {

/// Which file it is, and in which state: a file that is written anew is another one.
struct FileIdentity {
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t written_at = 0;  ///< nanoseconds since the Unix epoch
  bool operator==(const FileIdentity&) const = default;
};

/// The files of a folder that have been given already, kept in a file so that a restart gives none twice. A line is
/// appended for each; a line that a crash cut off is ignored. After a loss of power the last ones may be given again.
/// Not thread-safe.
class FolderMemory {
 public:
  /// Reads the file if there is one. Fails with internal if it cannot be written.
  static Result<FolderMemory> open(std::filesystem::path file);
  ~FolderMemory();
  FolderMemory(FolderMemory&& other) noexcept;
  FolderMemory& operator=(FolderMemory&&) = delete;

  [[nodiscard]] bool has(const std::string& name, const FileIdentity& identity) const;
  Result<void> add(const std::string& name, const FileIdentity& identity);
  /// Forgets all names but those for which `still_exists` holds, if there are twice as many lines as the last time.
  template <typename StillExists>
  Result<void> forget(const StillExists& still_exists) {
    if (lines_ < std::max(kLeastLines, next_forget_)) return {};
    std::erase_if(known_, [&](const auto& entry) { return !still_exists(entry.first); });
    next_forget_ = 2 * known_.size();
    return rewrite();
  }

 private:
  static constexpr std::size_t kLeastLines = 10'000;
  FolderMemory(std::filesystem::path file, int descriptor) : file_(std::move(file)), descriptor_(descriptor) {}
  void read();
  Result<void> rewrite();
  std::filesystem::path file_;
  int descriptor_;
  std::size_t lines_ = 0, next_forget_ = 0;
  std::map<std::string, FileIdentity> known_;
};

}  // namespace vedette
