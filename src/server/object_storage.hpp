#pragma once

#include <atomic>
#include <memory>

#include "server/data_folder.hpp"
#include "server/settings.hpp"
#include "store/objects/buckets.hpp"

namespace vedette {

/// Where the objects are kept: in the data folder, or in another S3 service.
class ObjectStorage {
 public:
  /// Throws std::runtime_error if the settings cannot be used, or if the other service has no such bucket. A service
  /// that does not answer is only logged: its outage must not keep this server from starting.
  ObjectStorage(const ServerSettings& settings, const DataFolder& folder, const Clock& clock);
  [[nodiscard]] ObjectStore& objects() const { return *objects_; }
  /// The buckets in the data folder; null if the objects are kept elsewhere.
  [[nodiscard]] BucketStore* buckets() const { return buckets_.get(); }
  /// Calls to the other service end soon, with unavailable. Any thread.
  void cancel() { cancelled_ = true; }

 private:
  std::atomic<bool> cancelled_{false};  // stands before the stores, which look at it
  std::unique_ptr<BucketStore> buckets_;
  std::unique_ptr<ObjectStore> elsewhere_;
  ObjectStore* objects_ = nullptr;
};

}  // namespace vedette
