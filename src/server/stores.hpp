#pragma once

#include <memory>
#include <string>

#include "auth/key_ring.hpp"
#include "base/clock.hpp"
#include "server/data_folder.hpp"
#include "server/object_storage.hpp"
#include "server/settings.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// Opens metadata, objects and keys, and keeps them for this server alone until it is destroyed. This is the one place
/// that decides which kind of store is behind each interface.
class Stores {
 public:
  /// Makes the data folder if it is missing, locks it, checks that its parts belong together, and releases the jobs
  /// that this node held when it last ended, so that they run again. Throws std::runtime_error with the cause and the
  /// cure if one of these steps fails.
  Stores(const ServerSettings& settings, const Clock& clock);

  [[nodiscard]] const DataFolder& folder() const { return folder_; }
  [[nodiscard]] MetadataStore& metadata() const { return *metadata_; }
  [[nodiscard]] ObjectStore& objects() const { return storage_->objects(); }
  [[nodiscard]] BucketStore* buckets() const {
    return storage_->buckets();
  }  ///< null if another service keeps the objects
  [[nodiscard]] KeyRing& keys() const { return *keys_; }
  [[nodiscard]] const std::string& node() const { return node_; }  ///< the name that tells this server from others
  /// Returns whether the databases answer, are sound and still have their files. Any thread may call it; it blocks on
  /// the databases.
  [[nodiscard]] bool answer() const;
  /// Makes calls to another S3 service end soon, with the error unavailable. Any thread may call it.
  void cancel() { storage_->cancel(); }

 private:
  const DataFolder folder_;
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<MetadataStore> metadata_;
  std::unique_ptr<ObjectStorage> storage_;
  std::unique_ptr<KeyRing> keys_;
  std::string node_;
};

}  // namespace vedette
