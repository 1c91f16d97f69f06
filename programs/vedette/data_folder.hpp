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
};

/// First start: makes the administrator and writes the credentials file; `node-id` is written last and says that all
/// this is done. Returns the node's id. Throws std::runtime_error if it cannot.
std::string set_up(const DataFolder& folder, const std::string& account, MetadataStore& metadata, KeyRing& keys);

}  // namespace vedette
