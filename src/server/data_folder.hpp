#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "auth/key_ring.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// The name of the user whom the first start makes.
inline constexpr const char* kAdministrator = "admin";

/// Where each thing lies below the data folder. docs/configuration.md lists them.
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
  [[nodiscard]] std::filesystem::path audit() const { return root / "audit"; }
  [[nodiscard]] std::filesystem::path lock() const { return root / "lock"; }
  /// Holds the node's id while the first backup into this folder is under way.
  [[nodiscard]] std::filesystem::path unfinished_backup() const { return root / "unfinished-backup"; }
};

/// Keeps a second server off the folder while it lives: two servers on one data folder would take each other's jobs and
/// files. Throws std::runtime_error if another one holds it, in this process or in another.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& path);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_;
};

/// What the data folder may lack without the server refusing to start (`--accept-loss`).
struct AcceptedLosses {
  bool metadata = false, index = false, master_key = false;
};
/// Throws std::runtime_error with the cause and the cure if the folder is a backup that was cut off, or if metadata.sqlite is missing or empty although the folder is not new. Where a loss
/// is accepted, sets aside what is left of the database: a file that is empty or damaged, and what SQLite kept beside it. Nothing is deleted.
void check_data_folder(const DataFolder& folder, const AcceptedLosses& accepted);
/// Throws in the same way if metadata.sqlite opens but knows neither a user nor a key although the folder is not new.
/// Returns whether that is so and accepted.
bool check_metadata(const DataFolder& folder, const std::string& account, MetadataStore& metadata,
                    const AcceptedLosses& accepted);
/// Returns whether there is an access key that is not revoked.
bool has_active_key(MetadataStore& metadata);
/// Ends all access keys and moves the master key file aside, so that KeyRing makes a new one.
void give_up_master_key(const DataFolder& folder, MetadataStore& metadata);

/// At the first start, and whenever `is_new_key` says that the old keys are gone, this makes the administrator and writes
/// the credentials file. A credentials file that is there and whose key no longer works is moved aside. `node-id` is
/// written last: where it stands, all of this is done. Returns the node's id. Throws std::runtime_error if it fails.
std::string set_up(const DataFolder& folder, const std::string& account, MetadataStore& metadata, KeyRing& keys,
                   bool is_new_key);

}  // namespace vedette
