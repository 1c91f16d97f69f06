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

/// What the server keeps, opened and belonging to this server alone until it goes: metadata, objects and keys. The one
/// place that decides which kind of store is behind each interface.
class Stores {
 public:
  /// Makes the data folder if it is missing, locks it, checks that its parts belong together, and gives back the jobs
  /// that this node held when it ended last. Throws std::runtime_error with the cause and the cure if something is wrong.
  Stores(const ServerSettings& settings, const Clock& clock);

  [[nodiscard]] const DataFolder& folder() const { return folder_; }
  [[nodiscard]] MetadataStore& metadata() const { return *metadata_; }
  [[nodiscard]] ObjectStore& objects() const { return storage_->objects(); }
  [[nodiscard]] BucketStore* buckets() const { return storage_->buckets(); }  ///< null: the objects are kept elsewhere
  [[nodiscard]] KeyRing& keys() const { return *keys_; }
  [[nodiscard]] const std::string& node() const { return node_; }  ///< this server's name among others
  /// Whether the databases answer, are sound and still have their files. Any thread; blocks on the database.
  [[nodiscard]] bool answer() const;
  /// Calls to another S3 service end soon, with unavailable. Any thread.
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
