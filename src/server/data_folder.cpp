#include "server/data_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "auth/identities.hpp"
#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

bool is_missing_or_empty(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error || size == 0;
}

/// Renames a file, or a database together with the files that SQLite keeps beside it. The new name holds the time and
/// is one that no other file has.
void move_aside(const fs::path& file) {
  const auto aside = sqlite::set_aside(file, SystemClock().now());
  log::warning("a file of the data folder was renamed and kept", {{"file", file.string()}, {"to", aside.string()}});
}

/// Renames a damaged database. Also renames the files that SQLite left beside a database whose own file is missing or
/// empty, because SQLite would delete them.
void move_lost_aside(const fs::path& database) {
  const bool is_there = fs::exists(database) || fs::exists(database.string() + "-wal");
  if (is_there && (is_missing_or_empty(database) || sqlite::find_damage(database))) move_aside(database);
}

void write_credentials(const DataFolder& folder, const KeyRing::NewKey& key) {
  const auto text =
      "[default]\naws_access_key_id = " + key.access_key_id + "\naws_secret_access_key = " + key.secret + "\n";
  if (auto ok = write_file_atomically(folder.credentials(), text, 0600); !ok)
    throw std::runtime_error(ok.error().message);
}

constexpr const char* kMetadataCure =
    ". Nothing was touched. Put metadata.sqlite back from a backup, with no metadata.sqlite-wal and -shm beside it, or "
    "the whole folder. To go on without projects, models, users and keys, with the objects alone, start once with "
    "--accept-loss metadata";

}  // namespace

FolderLock::FolderLock(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (fd_ < 0) throw std::runtime_error("cannot open " + path.string() + ": " + std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd_);
    throw std::runtime_error("another vedette serve uses " + path.parent_path().string());
  }
}

FolderLock::~FolderLock() {
  ::close(fd_);
}

void check_data_folder(const DataFolder& folder, const AcceptedLosses& accepted) {
  if (fs::exists(folder.unfinished_backup()))
    throw std::runtime_error(folder.root.string() +
                             " is a backup that was cut off: run vedette backup again, with the same --out");
  if (accepted.index) move_lost_aside(folder.objects() / "index.sqlite");
  if (accepted.metadata) move_lost_aside(folder.metadata());
  if (accepted.metadata || !is_missing_or_empty(folder.metadata())) return;
  // The first start makes metadata.sqlite before any other file.
  const auto index = folder.objects() / "index.sqlite";
  for (const auto& other :
       {folder.node_id(), folder.master_key(), index, fs::path(folder.metadata().string() + "-wal")})
    if (fs::exists(other))
      throw std::runtime_error(folder.metadata().string() + " is missing or empty, but " + other.filename().string() +
                               " shows that this folder is not new" + kMetadataCure);
}

bool check_metadata(const DataFolder& folder, const std::string& account, MetadataStore& metadata,
                    const AcceptedLosses& accepted) {
  if (!fs::exists(folder.node_id())) return false;
  auto work = metadata.read();
  if (!work->users().list_keys(std::nullopt, std::nullopt).empty() || !work->users().list(account, "", 1).empty())
    return false;
  if (!accepted.metadata)
    throw std::runtime_error(folder.metadata().string() + " knows no user and no key, but " +
                             folder.node_id().filename().string() + " shows that this folder is not new" +
                             kMetadataCure);
  return true;
}

bool has_active_key(MetadataStore& metadata) {
  return std::ranges::any_of(metadata.read()->users().list_keys(std::nullopt, std::nullopt), &AccessKey::is_active);
}

void give_up_master_key(const DataFolder& folder, MetadataStore& metadata) {
  metadata.write([](UnitOfWork& work) {
    for (const auto& key : work.users().list_keys(std::nullopt, std::nullopt))
      work.users().deactivate_key(key.access_key_id);
    KeyRing::forget_master_key(work);
  });
  if (fs::exists(folder.master_key())) move_aside(folder.master_key());
}

std::string node_id(const DataFolder& folder) {
  if (const auto known = read_file(folder.node_id(), 100)) return std::string(trim(as_text(*known)));
  auto id = random_id(12);
  if (auto ok = write_file_atomically(folder.node_id(), id + "\n"); !ok) throw std::runtime_error(ok.error().message);
  return id;
}

void make_first_administrator(const DataFolder& folder, const std::string& account, MetadataStore& metadata,
                              KeyRing& keys) {
  const auto has_user = [&](UnitOfWork& work) {
    return !work.users().list(account, "", 1).empty() || !work.users().list_keys(std::nullopt, std::nullopt).empty();
  };
  if (metadata.read(has_user)) return;
  // The file comes before the key, so that no key is made whose secret is lost with this server.
  const auto key = KeyRing::draw_key();
  if (fs::exists(folder.credentials())) move_aside(folder.credentials());
  write_credentials(folder, key);
  const auto is_first = metadata.write([&](UnitOfWork& work) -> Result<bool> {
    if (has_user(work)) return false;
    work.users().insert({account, kAdministrator, {kAdministratorAccess}, work.now()});
    if (auto ok = keys.insert_key(work, account, kAdministrator, key); !ok) return ok.error();
    return true;
  });
  if (!is_first) throw std::runtime_error(is_first.error().message);
  if (!*is_first) fs::remove(folder.credentials());
}

std::string set_up(const DataFolder& folder, const std::string& account, MetadataStore& metadata, KeyRing& keys,
                   bool is_new_key) {
  if (fs::exists(folder.node_id()) && !is_new_key) return node_id(folder);
  metadata.write([&](UnitOfWork& work) {
    work.users().insert({account, kAdministrator, {kAdministratorAccess}, work.now()});
  });
  // If only node-id is lost, the credentials still work. If the credentials belong to another metadata.sqlite, they are
  // moved aside for the user, who may need them.
  bool holds = false;
  if (const auto old = read_file(folder.credentials(), 1 << 16))
    for (auto line : split(as_text(*old), '\n'))
      if (line.starts_with("aws_access_key_id"))
        holds = keys.authenticate({std::string(trim(line.substr(line.find('=') + 1)))}).has_value();
  if (!holds) {
    if (fs::exists(folder.credentials())) move_aside(folder.credentials());
    const auto key = keys.create_key(account, kAdministrator);
    if (!key) throw std::runtime_error(key.error().message);
    write_credentials(folder, *key);
  }
  return node_id(folder);
}

}  // namespace vedette
