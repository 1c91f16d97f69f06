#include "thumbnails/thumbnail_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/digest.hpp"
#include "base/files.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

// A file is the magic, height and width as little-endian 32-bit numbers, the JPEG, and the SHA-256 of all that.
constexpr std::string_view kMagic = "VTN1";
constexpr std::size_t kHeaderBytes = 12, kDigestBytes = 32;
constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::uint64_t kLargestFile = 1 << 20;

void append_number(std::string& out, int number) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(static_cast<unsigned>(number) >> shift & 0xFFU);
}

int read_number(const Bytes& bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
  return static_cast<int>(number);
}

std::uint64_t disk_bytes(std::uint64_t size) {
  return (size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

}  // namespace

fs::path ThumbnailCache::path_of(const std::string& name) const {
  return folder_ / name.substr(0, 2) / name.substr(2);
}

std::optional<Thumbnail> ThumbnailCache::find(const std::string& name) const {
  auto bytes = read_file(path_of(name), kLargestFile);
  if (!bytes || bytes->size() <= kHeaderBytes + kDigestBytes) return std::nullopt;
  if (std::memcmp(bytes->data(), kMagic.data(), kMagic.size()) != 0) return std::nullopt;
  const auto content = std::span(*bytes).first(bytes->size() - kDigestBytes);
  const auto digest = sha256(content);
  if (!std::equal(digest.begin(), digest.end(), bytes->end() - kDigestBytes)) return std::nullopt;
  return Thumbnail{{content.begin() + kHeaderBytes, content.end()}, read_number(*bytes, 4), read_number(*bytes, 8)};
}

void ThumbnailCache::put(const std::string& name, const Thumbnail& thumbnail) {
  std::string content(kMagic);
  append_number(content, thumbnail.height);
  append_number(content, thumbnail.width);
  content += as_text(thumbnail.jpeg);
  content += as_text(sha256(as_bytes(content)));
  const auto path = path_of(name);
  // A file that is half written is renamed nowhere. It is not synced: after a power cut its digest tells whether it is
  // whole.
  const fs::path half = path.string() + "." + random_id(8);
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  {
    std::ofstream file(half, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (file) fs::rename(half, path, failed);
    if (!file || failed) {
      fs::remove(half, failed);
      return;
    }
  }
  const MutexLock lock(mutex_);
  if (!used_bytes_)
    used_bytes_ = reduce_to(limit_bytes_);
  else
    *used_bytes_ += disk_bytes(content.size());
  // A tenth is deleted at once, so that the files are seldom looked through.
  if (*used_bytes_ > limit_bytes_) used_bytes_ = reduce_to(limit_bytes_ / 10 * 9);
}

std::uint64_t ThumbnailCache::reduce_to(std::uint64_t most_bytes) const {
  struct File {
    fs::file_time_type written;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<File> files;
  std::uint64_t used = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(folder_, failed), end; !failed && entry != end; entry.increment(failed)) {
    std::error_code gone;  // Somebody may delete the file now.
    const auto bytes = entry->is_regular_file(gone) ? entry->file_size(gone) : 0;
    const auto written = gone || bytes == 0 ? fs::file_time_type() : entry->last_write_time(gone);
    if (gone || bytes == 0) continue;
    files.push_back({written, disk_bytes(bytes), entry->path()});
    used += files.back().bytes;
  }
  if (used <= most_bytes) return used;
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.written < b.written; });
  for (const auto& file : files) {
    if (used <= most_bytes) break;
    fs::remove(file.path, failed);
    used -= file.bytes;
  }
  return used;
}

}  // namespace vedette
