#include <stdexcept>

#include "base/files.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

constexpr int kMostRounds = 10;

/// Copies what the index names and the target lacks; false if something is gone already.
bool copy_contents(const fs::path& index, const fs::path& folder, const fs::path& target, ObjectCopy& done) {
  sqlite::Connection connection(index);
  auto names = connection.prepare(
      "SELECT content, size FROM objects UNION ALL SELECT content, size FROM versions WHERE content IS NOT NULL UNION "
      "ALL "
      "SELECT content, size FROM upload_parts");
  while (names.step()) {
    const auto name = names.text(0);
    const auto size = static_cast<std::uint64_t>(names.integer(1));
    const auto place = fs::path("contents") / name.substr(0, 1) / name;
    std::error_code error;
    if (fs::file_size(target / place, error) == size && !error) continue;
    fs::create_directories((target / place).parent_path());
    fs::copy_file(folder / place, target / place, fs::copy_options::overwrite_existing, error);
    if (error == std::errc::no_such_file_or_directory) return false;  // deleted since the index was read
    if (error) throw fs::filesystem_error("cannot copy", folder / place, target / place, error);
    if (auto ok = sync_path(target / place); !ok) throw std::runtime_error(ok.error().message);
    ++done.files;
    done.bytes += size;
  }
  return true;
}

}  // namespace

ObjectCopy copy_filesystem_objects(const fs::path& folder, const fs::path& target) {
  fs::create_directories(target);
  ObjectCopy done;
  for (int round = 0; round < kMostRounds; ++round) {
    const TemporaryFolder work(target);
    sqlite::copy_database(folder / "index.sqlite", work.path() / "index.sqlite");
    if (!copy_contents(work.path() / "index.sqlite", folder, target, done)) continue;
    sqlite::copy_database(work.path() / "index.sqlite", target / "index.sqlite");
    open_filesystem_objects(target, SystemClock());  // removes what an earlier copy had and this one has not
    return done;
  }
  throw std::runtime_error("objects are deleted faster than they can be copied");
}

}  // namespace vedette
