#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/mutex.hpp"
#include "base/text.hpp"

/// Keeps thumbnails in files.
namespace vedette {

struct Thumbnail {
  Bytes jpeg;
  int height = 0, width = 0;  ///< of the original picture
};

/// Keeps each thumbnail in a file of its own, and deletes the oldest ones when they take too much space. A file that is
/// missing or damaged is as if it had never been written, and no failure to write does harm. Thread-safe; only one
/// object at a time may use a folder.
class ThumbnailCache {
 public:
  /// Each file counts as whole blocks of 4 KiB, so `limit_bytes` also limits how many there are.
  ThumbnailCache(std::filesystem::path folder, std::uint64_t limit_bytes)
      : folder_(std::move(folder)), limit_bytes_(limit_bytes) {}

  /// `name` consists of at least three hexadecimal digits.
  [[nodiscard]] std::optional<Thumbnail> find(const std::string& name) const;
  void put(const std::string& name, const Thumbnail& thumbnail);

 private:
  [[nodiscard]] std::filesystem::path path_of(const std::string& name) const;
  /// Counts the files and deletes the oldest ones, until the rest takes at most `most_bytes`. Returns how much that is.
  [[nodiscard]] std::uint64_t reduce_to(std::uint64_t most_bytes) const;

  const std::filesystem::path folder_;
  const std::uint64_t limit_bytes_;
  Mutex mutex_;
  std::optional<std::uint64_t> used_bytes_ GUARDED_BY(mutex_);  ///< empty until the files have been counted
};

}  // namespace vedette
