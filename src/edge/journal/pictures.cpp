#include "edge/journal/pictures.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/digest.hpp"
#include "edge/journal/segment.hpp"

namespace vedette::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPictures = 50'000;
constexpr std::size_t kTimeDigits = 14;
constexpr std::size_t kRandomCharacters = 8;
constexpr std::string_view kUnfinished = ".part";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// "01764000000123-abcdefgh.png": milliseconds since the epoch, a random part, and the extension.
bool is_picture_name(std::string_view name) {
  constexpr auto dot = kTimeDigits + 1 + kRandomCharacters;
  if (name.size() < dot + 2 || name.size() > dot + 9 || name[kTimeDigits] != '-' || name[dot] != '.') return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::ranges::all_of(name.substr(0, kTimeDigits), is_digit) &&
         std::ranges::all_of(name.substr(kTimeDigits + 1, kRandomCharacters), is_lower_or_digit) &&
         std::ranges::all_of(name.substr(dot + 1), is_lower_or_digit);
}

/// Writes a file that is there whole or not at all. Returns the number of the system's error, or 0.
int write_picture(const fs::path& path, std::string_view content) {
  const auto unfinished = path.string() + std::string(kUnfinished);
  auto number = 0;
  {
    const auto file = open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file) return errno;
    number = write_at(file, content, 0);
    if (number == 0 && ::fdatasync(file.descriptor()) != 0) number = errno;
  }
  if (number == 0 && std::rename(unfinished.c_str(), path.c_str()) != 0) number = errno;
  if (number != 0) ::unlink(unfinished.c_str());
  return number;
}

}  // namespace

Result<void> Pictures::open(const fs::path& folder) {
  folder_ = folder;
  std::error_code error;
  fs::create_directories(folder, error);
  const MutexLock lock(mutex_);
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    std::error_code ignored;
    if (name.ends_with(kUnfinished)) {
      fs::remove(entry->path(), ignored);
    } else if (is_picture_name(name) && entry->is_regular_file(ignored)) {
      const auto size = entry->file_size(ignored);
      if (ignored) continue;
      sizes_[name] = size;
      bytes_ += size;
    }
  }
  if (error) return disk_error("open the folder of its pictures", error.value());
  while (sizes_.size() > kMostPictures) drop_oldest();
  return {};
}

std::string Pictures::name(Timestamp now, std::string_view extension) {
  return fmt::format("{:014}-{}.{}", now.time_since_epoch().count(), random_id(kRandomCharacters), extension);
}

Result<void> Pictures::keep(std::string_view name, std::span<const std::uint8_t> content, std::uint64_t limit) {
  if (!is_picture_name(name)) return invalid_input("This is not the name of a kept picture.");
  shrink(limit - std::min<std::uint64_t>(limit, content.size()));
  const auto path = folder_ / name;
  auto number = write_picture(path, as_text(content));
  // A full disk takes the oldest pictures, twice as many bytes as this one needs, so that the next one has room, too.
  if (says_full(number)) {
    const auto kept = bytes();
    if (shrink(kept - std::min<std::uint64_t>(kept, 2 * content.size())))
      number = write_picture(path, as_text(content));
  }
  if (number != 0) return disk_error("keep a picture", number);
  const MutexLock lock(mutex_);
  bytes_ -= std::exchange(sizes_[std::string(name)], content.size());
  bytes_ += content.size();
  while (sizes_.size() > kMostPictures) drop_oldest();
  return {};
}

void Pictures::announce(std::string_view name) {
  const MutexLock lock(mutex_);
  pending_.emplace(name);
}

void Pictures::give_up(std::string_view name) {
  const MutexLock lock(mutex_);
  if (const auto found = pending_.find(name); found != pending_.end()) pending_.erase(found);
}

Result<fs::path> Pictures::find(std::string_view name) const {
  const MutexLock lock(mutex_);
  if (pending_.contains(name)) return fail(ErrorKind::unavailable, "The picture is still being written.");
  if (!sizes_.contains(name)) return not_found("", std::string(name), "There is no kept picture of this name.");
  return folder_ / name;
}

bool Pictures::shrink(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  const auto before = sizes_.size();
  while (bytes_ > bytes && !sizes_.empty()) drop_oldest();
  return sizes_.size() != before;
}

void Pictures::drop_before(Timestamp time) {
  const auto first_kept = fmt::format("{:014}", std::max<std::int64_t>(0, time.time_since_epoch().count()));
  const MutexLock lock(mutex_);
  while (!sizes_.empty() && sizes_.begin()->first < first_kept) drop_oldest();
}

void Pictures::drop_oldest() {
  const auto oldest = sizes_.begin();
  ::unlink((folder_ / oldest->first).c_str());
  bytes_ -= oldest->second;
  ++dropped_;
  sizes_.erase(oldest);
}

std::uint64_t Pictures::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

std::uint64_t Pictures::count() const {
  const MutexLock lock(mutex_);
  return sizes_.size();
}

std::uint64_t Pictures::dropped() const {
  const MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace vedette::journal
