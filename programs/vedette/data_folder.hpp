#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "auth/identities.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// Name of the user that the first start makes.
inline constexpr const char* kAdministrator = "admin";

/// Where things lie below the data folder.
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

/// What the data folder may lack without the server refusing to start (`--accept-loss`).
struct AcceptedLosses {
  bool metadata = false, index = false, master_key = false;
};
/// Throws std::runtime_error with the cause and the cure if the folder is a backup that was cut off, or if metadata.sqlite is missing or empty although the folder is not new. Where a loss
/// is accepted, sets aside what is left of the database: a file that is empty or damaged, and what SQLite kept beside it. Nothing is deleted.
void check_data_folder(const DataFolder& folder, const AcceptedLosses& accepted);
/// The same for a metadata.sqlite that opens but knows nobody. Returns whether that is so, in a folder that is not new.
bool check_metadata(const DataFolder& folder, const std::string& account, MetadataStore& metadata,
                    const AcceptedLosses& accepted);
/// Ends all access keys and moves the master key file aside, so that KeyRing makes a new one.
void give_up_master_key(const DataFolder& folder, MetadataStore& metadata);

/// First start, or `is_new_key`: makes the administrator and writes the credentials file; `node-id` is written last and says that all
/// this is done. Returns the node's id. Throws std::runtime_error if it cannot.
/// A credentials file that is there and no longer holds is moved aside.
std::string set_up(const DataFolder& folder, const std::string& account, MetadataStore& metadata, KeyRing& keys,
                   bool is_new_key);

}  // namespace vedette
