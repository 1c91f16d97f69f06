#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "base/result.hpp"

namespace vedette::journal {

/// The kept pictures of a journal: files of a folder, whose names sort by time. At most 50,000 of them. Any thread may
/// call any method.
class Pictures {
 public:
  /// Makes the folder if it is not there, and removes what a kill left half-written. Fails with unavailable if the disk
  /// does.
  Result<void> open(const std::filesystem::path& folder);

  /// See Journal::name_picture.
  static std::string name(Timestamp now, std::string_view extension);
  /// Keeps a picture, and deletes the oldest before that, until all have at most `limit` bytes. Fails with unavailable if
  /// the disk does, and with invalid_input for another name.
  Result<void> keep(std::string_view name, std::span<const std::uint8_t> content, std::uint64_t limit);
  /// See Journal::announce_picture and Journal::give_up_picture.
  void announce(std::string_view name);
  void give_up(std::string_view name);
  [[nodiscard]] Result<std::filesystem::path> find(std::string_view name) const;

  /// Deletes the oldest pictures until all have at most `bytes`. Returns whether it deleted any.
  bool shrink(std::uint64_t bytes);
  /// Deletes the pictures that are older than this.
  void drop_before(Timestamp time);

  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  void drop_oldest() REQUIRES(mutex_);

  std::filesystem::path folder_;
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> sizes_ GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> pending_ GUARDED_BY(mutex_);
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vedette::journal
