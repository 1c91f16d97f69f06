#include "vision/artifact/archive.hpp"

#include <zip.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <vector>

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostFiles = 4096;
constexpr std::uint64_t kMostBytes = 4ULL << 30;
constexpr std::size_t kChunk = 1 << 20;
constexpr std::uint32_t kLevel = 1;  // Weights hardly shrink, and the fastest level gains what can be gained.

struct Discard {
  void operator()(zip_t* z) const { zip_discard(z); }
};
struct Close {
  void operator()(zip_file_t* f) const { zip_fclose(f); }
};

bool is_safe(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || path.is_absolute() || name.find('\\') != std::string::npos ||
      name.find('\0') != std::string::npos)
    return false;
  return std::none_of(path.begin(), path.end(), [](const auto& part) { return part == ".." || part == "."; });
}

}  // namespace

Result<void> write_archive(const fs::path& folder, const fs::path& archive) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), folder).generic_string());
  std::sort(names.begin(), names.end());
  int code = 0;
  std::unique_ptr<zip_t, Discard> zip(zip_open(archive.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!zip) return internal_error("The archive cannot be made.");
  for (const auto& name : names) {
    auto* source = zip_source_file(zip.get(), (folder / name).c_str(), 0, -1);
    const auto index = source ? zip_file_add(zip.get(), name.c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
      zip_source_free(source);
      return internal_error("The archive cannot take " + name + ": " + zip_strerror(zip.get()));
    }
    const auto i = static_cast<zip_uint64_t>(index);
    zip_set_file_compression(zip.get(), i, ZIP_CM_DEFLATE, kLevel);
    // The time is 1980-01-01 00:00, the earliest that the format can say; it has no time zone.
    zip_file_set_dostime(zip.get(), i, 0, 0x21, 0);
  }
  if (zip_close(zip.get()) != 0)
    return internal_error(std::string("The archive cannot be written: ") + zip_strerror(zip.get()));
  (void)zip.release();  // The archive is closed already.
  return {};
}

Result<void> read_archive(const fs::path& archive, const fs::path& folder) {
  const auto broken = [] { return invalid_input("The archive is damaged."); };
  int code = 0;
  const std::unique_ptr<zip_t, Discard> zip(zip_open(archive.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!zip) return invalid_input("This is no ZIP archive, or it is damaged.");
  const auto count = zip_get_num_entries(zip.get(), 0);
  if (count > kMostFiles) return invalid_input("The archive holds too many files.");
  std::vector<char> chunk(kChunk);
  std::uint64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto* text = zip_get_name(zip.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_STRICT);
    if (text == nullptr) return broken();
    const std::string name = text;
    if (name.ends_with('/')) continue;  // This entry is a folder.
    if (!is_safe(name)) return invalid_input("The archive holds a name that leaves its folder.");
    const std::unique_ptr<zip_file_t, Close> file(zip_fopen_index(zip.get(), static_cast<zip_uint64_t>(i), 0));
    if (!file) return broken();
    const auto path = folder / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    // A name that the system cannot have, for instance because of its length, is an error, too.
    if (error || fs::exists(path, error) || error) return broken();
    std::ofstream out(path, std::ios::binary);
    while (true) {
      const auto n = zip_fread(file.get(), chunk.data(), chunk.size());
      if (n < 0) return broken();
      if (n == 0) break;
      // What an entry says of its size is not believed: the bytes themselves are counted.
      total += static_cast<std::uint64_t>(n);
      if (total > kMostBytes) return invalid_input("The archive holds more than 4 GiB.");
      out.write(chunk.data(), n);
    }
    out.close();
    if (!out) return internal_error("The disk is full.");
  }
  return {};
}

bool is_archive(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  char magic[4] = {};
  in.read(magic, sizeof(magic));
  return in && std::string_view(magic, 4) == std::string_view("PK\x03\x04", 4);
}

}  // namespace vedette
