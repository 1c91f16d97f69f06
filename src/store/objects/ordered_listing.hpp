#pragma once

#include <string>
#include <vector>

#include "store/objects/objects.hpp"

namespace vedette {

/// Goes through the listing of a bucket in the order of its keys, a page at a time. Only one thread may use it.
class OrderedListing {
 public:
  /// Both must outlive it.
  OrderedListing(ObjectStore& store, const std::string& bucket, std::int64_t page = 1000)
      : store_(store), bucket_(bucket), page_size_(page) {}
  /// Returns what the listing says of this key, until the next call, or null. Keys must be asked for in their byte order.
  Result<const ObjectInfo*> find(const std::string& key);

 private:
  ObjectStore& store_;
  const std::string& bucket_;
  const std::int64_t page_size_;
  std::vector<ObjectInfo> page_;
  bool is_at_end_ = false;
};

}  // namespace vedette
