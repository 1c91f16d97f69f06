#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/objects/objects.hpp"

namespace vedette {

struct BucketCopy {
  std::uint64_t copied = 0, copied_bytes = 0;  ///< objects that were written, read back, and found to be the same
  std::uint64_t present = 0;                   ///< objects that were there already, and are the same
  std::vector<std::string> failed;             ///< "key: why" of each object that could not be copied
};

struct BucketCopyOptions {
  int workers = 8;           ///< objects that are copied at the same time
  std::int64_t page = 1000;  ///< objects that are listed at once
  /// Is told after every page how many objects have been looked at.
  std::function<void(std::uint64_t objects)> on_progress = {};
};

/// Copies the newest versions of all objects of a bucket into the bucket of the same name in another store: contents, content types,
/// metadata, and tags as far as the other store tells of them. Each object that is written is read back and compared. An
/// object that the other store has already is compared, and written only if it differs; so a copy that was cut off can be
/// started again, and one that is complete changes nothing. Nothing is removed.
/// Objects may come and go in the source meanwhile, but nobody else may write to the target. Fails if a bucket cannot be
/// listed.
Result<BucketCopy> copy_bucket(ObjectStore& from, ObjectStore& to, const std::string& bucket,
                               const BucketCopyOptions& options = {});

}  // namespace vedette
