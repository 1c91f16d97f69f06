#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "auth/key_ring.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// The name of the user whom the first start makes.
inline constexpr const char* kAdministrator = "admin";

/// Says where each file and folder lies below the data folder. docs/configuration.md lists them.
struct DataFolder {
  std::filesystem::path root;
  [[nodiscard]] std::filesystem::path metadata() const { return root / "metadata.sqlite"; }
  [[nodiscard]] std::filesystem::path master_key() const { return root / "master-key"; }
  [[nodiscard]] std::filesystem::path credentials() const { return root / "admin-credentials"; }
  [[nodiscard]] std::filesystem::path node_id() const { return root / "node-id"; }
  [[nodiscard]] std::filesystem::path objects() const { return root / "objects"; }
  [[nodiscard]] std::filesystem::path spool() const { return root / "spool"; }
  [[nodiscard]] std::filesystem::path jobs() const { return root / "jobs"; }
  [[nodiscard]] std::filesystem::path model_cache() const { return root / "model-cache"; }
  [[nodiscard]] std::filesystem::path thumbnails() const { return root / "thumbnails"; }
  [[nodiscard]] std::filesystem::path audit() const { return root / "audit"; }
  [[nodiscard]] std::filesystem::path lock() const { return root / "lock"; }
  /// This file holds the node's id while the first backup into this folder is under way.
  [[nodiscard]] std::filesystem::path unfinished_backup() const { return root / "unfinished-backup"; }
};

/// Keeps a second server off the folder as long as this object lives, since two servers on one data folder would take
/// each other's jobs and files. The constructor throws std::runtime_error if a server in this process or in another one
/// holds the folder.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

/// Names the losses in the data folder that do not keep the server from starting (`--accept-loss`).
struct AcceptedLosses {
  bool metadata = false, index = false, master_key = false;
};
/// Throws std::runtime_error with the cause and the cure if the folder is a backup that was cut off, or if
/// metadata.sqlite is missing or empty although the folder is not new. If the administrator accepts a loss, this
/// function renames what is left of the database: a file that is empty or damaged, and the files that SQLite kept
/// beside it. Nothing is deleted.
void check_data_folder(const DataFolder& folder, const AcceptedLosses& accepted);
/// Throws std::runtime_error with the cause and the cure if metadata.sqlite opens but knows neither a user nor a key,
/// although the folder is not new. If that loss is accepted, the function returns true instead; it returns false if
/// nothing is lost.
bool check_metadata(const DataFolder& folder, const std::string& account, MetadataStore& metadata,
                    const AcceptedLosses& accepted);
/// Returns whether there is an access key that is not revoked.
bool has_active_key(MetadataStore& metadata);
/// Ends all access keys, and has the metadata forget which master key sealed them. Renames the file in the data folder,
/// so that KeyRing makes a new one.
void give_up_master_key(const DataFolder& folder, MetadataStore& metadata);

/// Reads the node's id, or draws one and writes it.
std::string node_id(const DataFolder& folder);
/// Makes the administrator and writes the credentials file, unless a database that other nodes share has users already:
/// of several nodes that start at the same time, one does it. Throws std::runtime_error if a step fails.
void make_first_administrator(const DataFolder& folder, const std::string& account, MetadataStore& metadata,
                              KeyRing& keys);

/// Makes the administrator and writes the credentials file, at the first start and whenever `is_new_key` says that the
/// old keys are gone. If a credentials file exists and its key no longer works, it is renamed. The file `node-id` is
/// written last: if it exists, all of this is done. Returns the node's id. Throws std::runtime_error if a step fails.
std::string set_up(const DataFolder& folder, const std::string& account, MetadataStore& metadata, KeyRing& keys,
                   bool is_new_key);

}  // namespace vedette
