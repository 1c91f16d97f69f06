#include "service/picture_search.hpp"

#include <set>

#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kPageSize = 1000;
constexpr std::int64_t kMostPages = 20;

}  // namespace

Result<void> authorize_search(const Caller& reader, const PictureChoice& choice) {
  if (!choice.prefix.empty() && !choice.keys.empty())
    return invalid_input("Images may have a Prefix or Keys, but not both.");
  const auto bucket = bucket_arn(choice.bucket);
  if (auto ok = authorize(reader, "s3:GetBucketLocation", bucket); !ok) return ok;
  return choice.keys.empty() ? authorize(reader, "s3:ListBucket", bucket) : Result<void>();
}

Result<std::vector<std::string>> find_pictures(ObjectStore& objects, const Caller& reader, const PictureChoice& choice,
                                               std::size_t most, const std::string& hidden) {
  const auto& bucket = choice.bucket;
  const auto has_bucket = objects.has_bucket(bucket);
  if (!has_bucket) return has_bucket.error();
  if (!*has_bucket) return invalid_input("The bucket " + bucket + " does not exist.");
  std::set<std::string> found(choice.keys.begin(), choice.keys.end());
  const bool hides = !hidden.empty() && !choice.prefix.starts_with(hidden);
  std::string last;
  std::int64_t pages = 0;
  for (bool has_more = choice.keys.empty(); has_more && found.size() <= most;) {
    const auto listed = objects.list(bucket, {.prefix = choice.prefix, .start_after = last, .limit = kPageSize});
    if (!listed) return listed.error();
    for (const auto& object : *listed) {
      if (object.key.ends_with('/')) continue;  // Many programs put such an object where they show a folder.
      if (hides && object.key.starts_with(hidden)) continue;
      if (!is_storable_text(object.key))
        return invalid_input("The name of an object below s3://" + bucket + "/" + choice.prefix + " is not UTF-8.");
      found.insert(object.key);
    }
    has_more = static_cast<std::int64_t>(listed->size()) == kPageSize;
    if (has_more && found.size() <= most && ++pages == kMostPages)
      return invalid_input("The first " + std::to_string(kMostPages * kPageSize) + " objects below s3://" + bucket +
                           "/" + choice.prefix + " are not enough to find the images: name a narrower Prefix.");
    if (has_more) last = listed->back().key;
  }
  std::vector<std::string> keys(found.begin(), found.end());
  for (const auto& key : keys)
    if (auto ok = authorize(reader, "s3:GetObject", object_arn(bucket, key)); !ok) return ok.error();
  return keys;
}

}  // namespace vedette
