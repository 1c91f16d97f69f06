#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auth/key_ring.hpp"
#include "base/clock.hpp"
#include "base/monotonic_clock.hpp"
#include "nodes/nodes.hpp"
#include "server/data_folder.hpp"
#include "server/object_storage.hpp"
#include "server/settings.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// Opens metadata, objects and keys, and keeps them for this server alone until it is destroyed. This is the one place
/// that decides which kind of store is behind each interface.
class Stores {
 public:
  /// Makes the data folder if it is missing, locks it, checks that its parts belong together, becomes a node of the
  /// installation, and takes back the jobs that this node held when it last ended, so that they run again. Throws std::runtime_error with the cause and the
  /// cure if one of these steps fails.
  Stores(const ServerSettings& settings, const Clock& clock, const MonotonicClock& monotonic);

  [[nodiscard]] const DataFolder& folder() const { return folder_; }
  [[nodiscard]] MetadataStore& metadata() const { return *metadata_; }
  [[nodiscard]] ObjectStore& objects() const { return storage_->objects(); }
  [[nodiscard]] BucketStore* buckets() const {
    return storage_->buckets();
  }  ///< null if another service keeps the objects
  [[nodiscard]] KeyRing& keys() const { return *keys_; }
  [[nodiscard]] NodeRegistry& nodes() const { return *nodes_; }
  /// Returns whether other nodes may use the same database.
  [[nodiscard]] bool is_shared() const { return is_shared_; }
  /// Returns in words why this server should get no requests, or nothing if it is well: its databases answer, are sound
  /// and still have their files, and it is a node in good standing. Any thread may call it; it blocks on the databases.
  [[nodiscard]] std::optional<std::string> trouble() const;
  /// Makes calls to another S3 service end soon, with the error unavailable. Any thread may call it.
  void cancel() { storage_->cancel(); }

 private:
  void join(const ServerNode& self, const Clock& clock, const MonotonicClock& monotonic);

  const DataFolder folder_;
  const bool is_shared_;  ///< The metadata are in a database that other nodes may use, too.
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<MetadataStore> metadata_;
  std::unique_ptr<ObjectStorage> storage_;
  std::unique_ptr<NodeRegistry> nodes_;
  std::unique_ptr<KeyRing> keys_;
};

}  // namespace vedette
