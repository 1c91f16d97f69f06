#include "store/objects/filesystem/filesystem_objects.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string_view>

#include "store/objects/filesystem/folder_store.hpp"

namespace vedette::embedded {
extern const std::string_view objects_migration_0001, objects_migration_0002, objects_migration_0003,
    objects_migration_0004;
}

namespace vedette {

FolderStore::FolderStore(const fs::path& folder, const Clock& clock, const FilesystemOptions& options)
    : folder_(folder),
      contents_(folder / "contents"),
      options_(options),
      pool_(folder / "index.sqlite"),
      clock_(clock),
      hold_(::open((folder / "hold").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (hold_ < 0) throw std::runtime_error("cannot open " + (folder / "hold").string());
  if (!options.accept_lost_index) refuse_new_index();
  fs::create_directories(contents_);
  for (char a : std::string_view("abcdefghijkmnpqrstuvwxyz23456789"))
    fs::create_directory(contents_ / std::string(1, a));
  sqlite::Connection connection(folder / "index.sqlite");
  sqlite::check(connection);
  sqlite::migrate(connection, {{1, embedded::objects_migration_0001},
                               {2, embedded::objects_migration_0002},
                               {3, embedded::objects_migration_0003},
                               {4, embedded::objects_migration_0004}});
  connection.prepare("INSERT OR IGNORE INTO buckets (name, created) VALUES (?, ?)")
      .bind(kSystemBucket)
      .bind(now())
      .execute();
  settle_leftovers(connection, options.accept_lost_index);
}

std::unique_ptr<BucketStore> open_filesystem_objects(const fs::path& folder, const Clock& clock,
                                                     const FilesystemOptions& options) {
  fs::create_directories(folder);
  return std::make_unique<FolderStore>(folder, clock, options);
}

}  // namespace vedette
