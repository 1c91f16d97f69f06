#include "doctor/files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "server/data_folder.hpp"
#include "server/installation.hpp"

namespace vedette::doctor {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCheck = "files";

/// libpq passes over a file of passwords that others may read, and the server then cannot sign in.
void check_password_file(const ServerSettings& settings, const Report& report) {
  if (settings.metadata.empty()) return;
  const char* named = std::getenv("PGPASSFILE");
  const char* home = std::getenv("HOME");
  if (named == nullptr && home == nullptr) return;
  const auto path = named != nullptr ? fs::path(named) : fs::path(home) / ".pgpass";
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & 077) == 0) return;
  report({kCheck, Level::warning,
          fmt::format("PostgreSQL's client passes over {}, because others can read it. Close it with: chmod 600 {}",
                      path.string(), path.string())});
}

/// Whoever works on the data folder as another user than the server's, as root perhaps, leaves files that the server cannot use.
void check_owners(const DataFolder& folder, const Report& report) {
  struct stat root {};
  if (::stat(folder.root.c_str(), &root) != 0) return;
  std::string strange;
  const auto look = [&](const fs::path& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && info.st_uid != root.st_uid)
      strange += (strange.empty() ? "" : ", ") + path.lexically_relative(folder.root).string();
  };
  for (const auto& database : {folder.metadata(), folder.objects() / "index.sqlite"})
    for (const char* suffix : {"", "-wal", "-shm"}) look(database.string() + suffix);
  for (const auto& path : {folder.credentials(), folder.master_key(), folder.node_id(), folder.lock(), folder.objects(),
                           folder.objects() / "contents", folder.audit(), folder.spool(), folder.jobs(),
                           folder.model_cache(), folder.thumbnails()})
    look(path);
  if (!strange.empty())
    report({kCheck, Level::failed,
            fmt::format(
                "These belong to other users than {} itself, so that its server cannot use them: {}. Give them to its "
                "user: chown -R --reference={} {}",
                folder.root.string(), strange, folder.root.string(), folder.root.string())});
}

/// Looks for what would keep a server from starting on the folder as it is.
void check_folder(const ServerSettings& settings, const DataFolder& folder, const Report& report) {
  try {
    if (settings.metadata.empty())
      check_data_folder(folder, {});
    else
      check_folder_without_metadata(folder);
  } catch (const std::exception& e) {
    report({kCheck, Level::failed, fmt::format("The server would not start: {}.", e.what())});
  }
}

}  // namespace

void check_mode(const std::string& check, const fs::path& path, Secrecy secrecy, uid_t user, const Report& report) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR)
      report({check, Level::failed, fmt::format("{} cannot be looked at: {}.", path.string(), std::strerror(errno))});
    return;
  }
  const auto mode = info.st_mode & 0777U;
  const auto shown = fmt::format("{} (mode {:03o})", path.string(), mode);
  const bool is_folder = S_ISDIR(info.st_mode);
  const auto own = is_folder ? "chmod 700" : "chmod 600";
  if ((mode & 007) != 0) {
    report({check, Level::failed,
            fmt::format("{} is open to every user of the machine. Close it with: {} {}", shown,
                        secrecy == Secrecy::key ? "chmod o=" : own, path.string())});
  } else if ((mode & 020) != 0 || (secrecy == Secrecy::everything && (mode & 070) != 0)) {
    report({check, Level::warning,
            fmt::format("{} is open to its group. Close it with: {} {}", shown,
                        secrecy == Secrecy::key ? "chmod g-w" : own, path.string())});
  } else if (user != 0 && info.st_uid != user && (mode & 040) == 0) {
    report({check, Level::failed,
            fmt::format("{} belongs to the user with the number {}, and this program runs as {}. Run it as the user of "
                        "the server, "
                        "or give the file to that user with chown",
                        shown, info.st_uid, user)});
  } else {
    report({check, Level::ok, fmt::format("{} is closed to other users.", shown)});
  }
}

void check_files(const ServerSettings& settings, const Report& report) {
  const DataFolder folder{fs::absolute(settings.data)};
  const auto user = ::geteuid();
  if (!fs::exists(folder.root)) {
    report({kCheck, Level::ok, fmt::format("{} does not exist yet; the first start makes it.", folder.root.string())});
  } else {
    check_mode(kCheck, folder.root, Secrecy::everything, user, report);
    check_mode(kCheck, folder.metadata(), Secrecy::everything, user, report);
    check_mode(kCheck, folder.credentials(), Secrecy::everything, user, report);
    check_owners(folder, report);
    check_folder(settings, folder, report);
  }
  check_mode(kCheck, settings.master_key.empty() ? folder.master_key() : fs::path(settings.master_key), Secrecy::key,
             user, report);
  if (!settings.tls_key.empty()) check_mode(kCheck, settings.tls_key, Secrecy::key, user, report);
  check_password_file(settings, report);
}

}  // namespace vedette::doctor
