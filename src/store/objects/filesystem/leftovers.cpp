#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/log.hpp"
#include "store/objects/filesystem/folder_store.hpp"

/// Handles contents without an index entry, entries without a content, and contents whose deletion is under way.
namespace vedette {
namespace {

// A kill leaves one file at most, because a file gets its name and its index entry under the lock of the index. More
// files mean that these contents belong to another index.
constexpr std::size_t kMostUnknown = 16;
constexpr std::size_t kAlwaysFew = 2, kFewPercent = 10;

constexpr const char* kCure =
    " Nothing was touched. Put back the index.sqlite that belongs to these contents, or the whole folder from a "
    "backup; "
    "objects that a backup's index does not know are then lost to clients. To go on all the same, start once with "
    "--accept-loss index: files that the index does not name are moved to objects/set-aside/, kept for "
    "--set-aside-days, and come back by themselves when an index that names them is put back.";

bool has_files(const fs::path& contents) {
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(contents, none))
    if (entry.is_regular_file() && entry.path().extension() != kUnfinished) return true;
  return false;
}

/// Returns the names and paths of all files below a folder of folders, sorted.
std::vector<std::pair<std::string, fs::path>> files_below(const fs::path& folder) {
  std::vector<std::pair<std::string, fs::path>> out;
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(folder, none))
    if (entry.is_regular_file()) out.emplace_back(entry.path().filename().string(), entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

const fs::path* find_file(const std::vector<std::pair<std::string, fs::path>>& files, const std::string& name) {
  const auto it = std::lower_bound(files.begin(), files.end(), name,
                                   [](const auto& file, const std::string& n) { return file.first < n; });
  return it != files.end() && it->first == name ? &it->second : nullptr;
}

void sync_folder(const fs::path& folder) {
  if (auto ok = sync_path(folder); !ok) throw std::runtime_error(ok.error().message);
}

}  // namespace

void FolderStore::refuse_new_index() const {
  const auto index = folder_ / "index.sqlite";
  std::error_code error;
  const auto size = fs::file_size(index, error);
  if ((error || size == 0) && has_files(contents_))
    throw std::runtime_error("the index of the objects, " + index.string() + ", is " + (error ? "missing" : "empty") +
                             ", but there are contents beside it." + kCure);
}

void FolderStore::settle_leftovers(sql::Connection& c, bool accept_lost_index) {
  Contents let_go;  // Deletions before the server ended let these contents go; they are sorted, as the table is.
  {
    auto q = c.prepare("SELECT content FROM removals");
    while (q.step()) let_go.push_back(q.text(0));
  }
  unlink(let_go);
  const auto files = files_below(contents_);
  std::vector<std::string> named;
  {
    auto q = c.prepare(
        "SELECT content FROM objects UNION ALL SELECT content FROM versions WHERE content IS NOT NULL UNION ALL "
        "SELECT content FROM upload_parts");
    while (q.step()) named.push_back(q.text(0));
  }
  std::sort(named.begin(), named.end());
  const auto is_named = [&](const std::string& name) { return std::binary_search(named.begin(), named.end(), name); };

  Contents unknown;
  std::vector<fs::path> unfinished, to_finish;
  for (const auto& [name, path] : files) {
    if (path.extension() == kUnfinished)
      (is_named(path.stem().string()) ? to_finish : unfinished).push_back(path);
    else if (!is_named(name) && !std::binary_search(let_go.begin(), let_go.end(), name))
      unknown.push_back(path.string());
  }
  const auto whole = files.size() - unfinished.size() - to_finish.size();
  const bool is_many =
      unknown.size() > kMostUnknown || (unknown.size() > kAlwaysFew && unknown.size() * 100 > kFewPercent * whole);
  if (is_many && !accept_lost_index)
    throw std::runtime_error("of the " + std::to_string(whole) + " files in " + contents_.string() + ", " +
                             std::to_string(unknown.size()) +
                             " are not named by index.sqlite: it is older than they are, or another one's." + kCure);

  // A power cut undid the renaming.
  for (const auto& path : to_finish) fs::rename(path, content_path(path.stem().string()));
  // These files were never acknowledged. Beside an index that is not theirs even this is not sure.
  for (const auto& path : unfinished)
    if (is_many)
      unknown.push_back(path.string());
    else
      fs::remove(path);
  if (!unknown.empty())
    log::warning("contents set aside", {{"files", std::to_string(unknown.size())},
                                        {"folder", set_aside(unknown)},
                                        {"reason", "the index does not name them"}});

  // Now the other way round: contents that the index names and the disk lacks.
  std::int64_t missing = 0, returned = 0;
  const auto aside = files_below(folder_ / "set-aside");
  for (const auto& name : named) {
    std::error_code none;
    if (find_file(files, name) != nullptr || fs::exists(content_path(name), none)) continue;
    if (const auto* kept = find_file(aside, name)) {
      fs::rename(*kept, content_path(name));
      sync_folder(content_path(name).parent_path());
      ++returned;
    } else {
      ++missing;
    }
  }
  if (returned > 0)
    log::warning("contents that had been set aside were moved back", {{"files", std::to_string(returned)}});
  if (missing > 0)
    log::error("contents missing",
               {{"objects", std::to_string(missing)},
                {"reason", "the index names contents that have no file: restore them from a backup"}});
  missing_ = missing;
}

std::string FolderStore::set_aside(const Contents& unknown) const {
  const auto day = folder_ / "set-aside" / to_extended_iso8601(clock_.now()).substr(0, 10);
  fs::create_directories(day);
  for (const auto& path : unknown) fs::rename(path, day / fs::path(path).filename());
  sync_folder(day);
  sync_folder(day.parent_path());
  return day.string();
}

std::int64_t FolderStore::count_set_aside() const {
  return static_cast<std::int64_t>(files_below(folder_ / "set-aside").size());
}

void FolderStore::expire_set_aside() {
  if (options_.set_aside_days == 0) return;
  const auto oldest = to_extended_iso8601(clock_.now() - std::chrono::days(options_.set_aside_days)).substr(0, 10);
  std::error_code none;
  std::vector<fs::path> over;
  for (const auto& entry : fs::directory_iterator(folder_ / "set-aside", none)) {
    const auto name = entry.path().filename().string();
    // Only names that set_aside() gives are taken: other folders in there are somebody else's.
    if (entry.is_directory() && name.size() == 10 && name[4] == '-' && name[7] == '-' && name < oldest)
      over.push_back(entry.path());
  }
  for (const auto& folder : over) {
    const auto files = fs::remove_all(folder);
    log::info("contents that were set aside long ago are deleted",
              {{"folder", folder.string()}, {"files", std::to_string(files - 1)}});
  }
}

StoreUpkeep FolderStore::tidy(bool may_expire) {
  Contents gone;
  {
    sql::Transaction t(pool_, sql::Access::read);
    auto q = t.connection().prepare("SELECT content FROM removals");
    while (q.step()) gone.push_back(q.text(0));
  }
  // A name whose file is gone by now needs no row any more. Each name has its own statement, so that transactions are
  // short.
  unlink(gone);
  std::erase_if(gone, [&](const auto& name) { return fs::exists(content_path(name)); });
  if (!gone.empty()) {
    sql::Transaction t(pool_, sql::Access::write);
    for (const auto& name : gone) t.connection().prepare("DELETE FROM removals WHERE content = ?").bind(name).execute();
    t.commit();
  }
  if (may_expire) expire_set_aside();
  return {missing_, count_set_aside()};
}

bool FolderStore::answers() {
  if (pool_.is_damaged()) return false;
  try {
    // This is a connection of its own: connections that are open already may answer from memory what the disk has lost.
    sqlite::Connection c(folder_ / "index.sqlite", sqlite::Connection::Open::existing);
    return c.prepare("SELECT 1 FROM buckets WHERE name = ?").bind(kSystemBucket).step();
  } catch (const sql::DatabaseError&) {
    return false;
  }
}

void FolderStore::commit(sql::Transaction& t, const Contents& gone) {
  for (const auto& name : gone)
    t.connection().prepare("INSERT OR IGNORE INTO removals (content) VALUES (?)").bind(name).execute();
  t.commit();
}

Result<void> FolderStore::keep_and_commit(sql::Transaction& t, StagedFile& file, const Contents& gone) {
  // From here on the index may name the file. Should the commit fail, an orphaned file is better than an object without
  // content. The renaming is not synced: a start after a power cut finishes it.
  const auto path = content_path(file.name());
  if (auto ok = file.keep(path); !ok) return ok;
  try {
    commit(t, gone);
  } catch (const sql::DatabaseFull&) {
    file.take_name_back(path);
    throw;
  }
  return {};
}

void FolderStore::unlink(const Contents& gone) {
  if (gone.empty()) return;
  const MutexLock lock(unlinking_);
  if (::flock(hold_, LOCK_EX | LOCK_NB) != 0) return;  // A backup reads the files; tidy() comes back to them.
  for (const auto& name : gone) ::unlink(content_path(name).c_str());
  ::flock(hold_, LOCK_UN);
}

ContentHold::ContentHold(const fs::path& folder)
    : fd_(::open((folder / "hold").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (fd_ >= 0 && ::flock(fd_, LOCK_SH) == 0) return;
  const std::string reason = std::strerror(errno);
  if (fd_ >= 0) ::close(fd_);
  throw std::runtime_error("cannot lock " + (folder / "hold").string() + ": " + reason);
}

ContentHold::~ContentHold() {
  ::close(fd_);
}

}  // namespace vedette
