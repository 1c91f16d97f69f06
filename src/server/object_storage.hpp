#pragma once

#include <atomic>
#include <memory>

#include "server/data_folder.hpp"
#include "server/settings.hpp"
#include "store/objects/buckets.hpp"
#include "store/objects/s3/s3_objects.hpp"

namespace vedette {

/// Returns how the other S3 service is reached, without a spool. Throws std::runtime_error if the settings cannot be used.
S3StoreOptions s3_store_options(const RemoteObjectSettings& settings);

/// Opens the store that keeps the objects: the data folder, or another S3 service.
class ObjectStorage {
 public:
  /// Throws std::runtime_error if the settings cannot be used, or if the other service has no bucket of the configured
  /// name. If the other service does not answer, the constructor only logs that: an outage there must not keep this
  /// server from starting.
  ObjectStorage(const ServerSettings& settings, const DataFolder& folder, const Clock& clock);
  [[nodiscard]] ObjectStore& objects() const { return *objects_; }
  /// Returns the buckets in the data folder, or null if another service keeps the objects.
  [[nodiscard]] BucketStore* buckets() const { return buckets_.get(); }
  /// Makes calls to the other service end soon, with the error unavailable. Any thread may call it.
  void cancel() { cancelled_ = true; }

 private:
  std::atomic<bool> cancelled_{false};  // must be declared before the stores, which read it
  std::unique_ptr<BucketStore> buckets_;
  std::unique_ptr<ObjectStore> elsewhere_;
  ObjectStore* objects_ = nullptr;
};

}  // namespace vedette
