#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <semaphore>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/text.hpp"
#include "store/objects/objects.hpp"
#include "thumbnails/thumbnail_cache.hpp"

/// Makes small pictures of the pictures in buckets, for galleries, and keeps them on disk. A thumbnail is a JPEG of at
/// most 160 pixels on the longer side, without any metadata. As everywhere, the EXIF orientation is ignored.
namespace vedette {

struct ThumbnailOptions {
  std::filesystem::path cache_folder;  ///< may be deleted at any time, by anybody
  std::uint64_t cache_bytes = 512ULL << 20;
  int cores = 1;                          ///< how many pictures may be decoded at the same time
  std::uint64_t largest_image = 8 << 20;  ///< the most bytes of a picture's file
};

/// Makes thumbnails on threads of low priority, so that they take only the time that detections leave. Thread-safe.
class Thumbnails {
 public:
  Thumbnails(ObjectStore& objects, ThumbnailOptions options);

  struct ObjectName {
    std::string bucket, key;
  };
  /// Returns for each object, in the same order, its thumbnail or why there is none: not_found, or invalid_input if it
  /// is no JPEG or PNG picture, too large or broken, or unavailable if the object store does not answer. A thumbnail
  /// that was made before is taken from the cache unless the object has changed. Blocks until all are there. The whole
  /// call fails with throttled if eight other calls are under way, and with unavailable once `abandoned` is requested.
  Result<std::vector<Result<Thumbnail>>> make(std::span<const ObjectName> objects, const std::stop_token& abandoned);

 private:
  Result<Thumbnail> make_one(const ObjectName& object, const std::stop_token& abandoned);

  ObjectStore& objects_;
  const ThumbnailOptions options_;
  ThumbnailCache cache_;
  std::atomic<int> calls_{0};
  std::counting_semaphore<> cores_;  ///< is held while a picture is decoded
};

}  // namespace vedette
