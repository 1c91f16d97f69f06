#include "store/objects/filesystem/filesystem_objects.hpp"

#include <unistd.h>

#include <string_view>

#include "store/objects/filesystem/folder_store.hpp"

namespace vedette::embedded {
extern const std::string_view objects_migration_0001, objects_migration_0002, objects_migration_0003;
}

namespace vedette {

FolderStore::FolderStore(const fs::path& folder, const Clock& clock)
    : contents_(folder / "contents"), pool_(folder / "index.sqlite"), clock_(clock) {
  fs::create_directories(contents_);
  for (char a : std::string_view("abcdefghijkmnpqrstuvwxyz23456789"))
    fs::create_directory(contents_ / std::string(1, a));
  sqlite::Connection connection(folder / "index.sqlite");
  sqlite::migrate(connection, {{1, embedded::objects_migration_0001},
                               {2, embedded::objects_migration_0002},
                               {3, embedded::objects_migration_0003}});
  connection.prepare("INSERT OR IGNORE INTO buckets (name, created) VALUES (?, ?)")
      .bind(kSystemBucket)
      .bind(now())
      .execute();
  remove_orphans(connection);
}

void FolderStore::remove_orphans(sqlite::Connection& c) {
  for (const auto& shelf : fs::directory_iterator(contents_))
    for (const auto& file : fs::directory_iterator(shelf)) {
      auto q = c.prepare(
          "SELECT 1 FROM objects WHERE content = ?1 UNION ALL SELECT 1 FROM versions WHERE content = ?1 UNION ALL "
          "SELECT 1 FROM upload_parts WHERE content = ?1");
      if (!q.bind(file.path().filename().string()).step()) fs::remove(file.path());
    }
}

void FolderStore::unlink(const Contents& contents) const {
  for (const auto& name : contents) ::unlink(content_path(name).c_str());
}

std::unique_ptr<BucketStore> open_filesystem_objects(const fs::path& folder, const Clock& clock) {
  fs::create_directories(folder);
  return std::make_unique<FolderStore>(folder, clock);
}

}  // namespace vedette
