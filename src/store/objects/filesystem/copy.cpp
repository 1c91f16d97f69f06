#include <stdexcept>

#include "base/files.hpp"
#include "store/objects/filesystem/folder_store.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace {

constexpr const char* kContents =
    "SELECT content, size, bucket, key FROM objects UNION ALL "
    "SELECT content, size, bucket, key FROM versions WHERE content IS NOT NULL UNION ALL "
    "SELECT p.content, p.size, u.bucket, u.key FROM upload_parts p JOIN uploads u ON u.id = p.upload";

fs::path place_of(const std::string& name) {
  return fs::path("contents") / name.substr(0, 1) / name;
}

/// Copies the contents that the index names and the target lacks.
void copy_contents(sql::Connection& index, const fs::path& folder, const fs::path& target, ObjectCopy& done) {
  auto names = index.prepare(kContents);
  while (names.step()) {
    const auto size = static_cast<std::uint64_t>(names.integer(1));
    const auto place = place_of(names.text(0));
    std::error_code error;
    if (fs::file_size(target / place, error) == size && !error) continue;
    fs::create_directories((target / place).parent_path());
    fs::copy_file(folder / place, target / place, fs::copy_options::overwrite_existing, error);
    if (error == std::errc::no_such_file_or_directory)  // Objects that were put together have just been committed.
      fs::copy_file((folder / place) += kUnfinished, target / place, fs::copy_options::overwrite_existing, error);
    if (error == std::errc::no_such_file_or_directory) {
      done.missing.push_back(names.text(2) + "/" + names.text(3));
      continue;
    }
    if (error) throw fs::filesystem_error("cannot copy", folder / place, target / place, error);
    if (auto ok = sync_path(target / place); !ok) throw std::runtime_error(ok.error().message);
    ++done.files;
    done.bytes += size;
  }
}

/// Removes the contents that an earlier copy had and this one does not have.
void remove_others(sql::Connection& index, const fs::path& target) {
  index.execute("CREATE TEMP TABLE named (content TEXT PRIMARY KEY) WITHOUT ROWID");
  index.execute(std::string("INSERT OR IGNORE INTO named SELECT content FROM (") + kContents + ")");
  std::vector<fs::path> others;
  for (const auto& entry : fs::recursive_directory_iterator(target / "contents"))
    if (entry.is_regular_file() &&
        !index.prepare("SELECT 1 FROM named WHERE content = ?").bind(entry.path().filename().string()).step())
      others.push_back(entry.path());
  for (const auto& path : others) fs::remove(path);
}

}  // namespace

ObjectCopy copy_filesystem_objects(const fs::path& folder, const fs::path& target) {
  fs::create_directories(target / "contents");
  const ContentHold hold(folder);
  ObjectCopy done;
  const TemporaryFolder work(target);
  sqlite::copy_database(folder / "index.sqlite", work.path() / "index.sqlite");
  sqlite::Connection index(work.path() / "index.sqlite");
  copy_contents(index, folder, target, done);
  sqlite::copy_database(work.path() / "index.sqlite", target / "index.sqlite");
  remove_others(index, target);
  return done;
}

}  // namespace vedette
