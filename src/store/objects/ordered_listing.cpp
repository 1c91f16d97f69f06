#include "store/objects/ordered_listing.hpp"

#include <algorithm>

namespace vedette {

Result<const ObjectInfo*> OrderedListing::find(const std::string& key) {
  while (!is_at_end_ && (page_.empty() || page_.back().key < key)) {
    auto next =
        store_.list(bucket_, {.start_after = page_.empty() ? std::string() : page_.back().key, .limit = page_size_});
    if (!next) return next.error();
    is_at_end_ = static_cast<std::int64_t>(next->size()) < page_size_;
    if (!next->empty()) page_ = std::move(*next);
  }
  const auto found = std::ranges::lower_bound(page_, key, {}, &ObjectInfo::key);
  return found != page_.end() && found->key == key ? &*found : nullptr;
}

}  // namespace vedette
