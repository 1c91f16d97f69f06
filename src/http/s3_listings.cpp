#include <algorithm>

#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette::s3_operations {
namespace {

/// Reads the parameters that all listings have in common.
Result<s3::Listing> read_listing(const S3Call& call) {
  s3::Listing listing;
  listing.bucket = call.request.bucket;
  listing.prefix = call.request.parameter("prefix").value_or("");
  listing.delimiter = call.request.parameter("delimiter").value_or("");
  listing.url_encoded = call.request.parameter("encoding-type") == "url";
  if (const auto text = call.request.parameter("max-keys")) {
    const auto number = parse_integer(*text);
    if (!number || *number < 0)
      return s3_error(ErrorKind::invalid_input, "InvalidArgument", "max-keys must be a number from 0 to 1000");
    listing.max_keys = std::min(*number, kMostKeys);
  }
  return listing;
}

/// Returns a text that comes after every key that begins with this group.
std::string behind(const std::string& group) {
  return group + std::string(s3::kLongestKey + 1, '\xFF');
}

/// Returns the group into which a key is folded, which is its prefix up to the delimiter; empty if the key stands by
/// itself.
std::string group_of(const s3::Listing& listing, const std::string& key) {
  if (listing.delimiter.empty()) return {};
  const auto at = key.find(listing.delimiter, listing.prefix.size());
  return at == std::string::npos ? std::string() : key.substr(0, at + listing.delimiter.size());
}

/// Returns where a listing begins after a marker. A marker that is a group of this listing stands for all keys in the
/// group.
std::string start_beyond(const s3::Listing& listing, const std::string& marker) {
  const bool is_group = marker.starts_with(listing.prefix) && marker.size() > listing.prefix.size() &&
                        group_of(listing, marker) == marker;
  return is_group ? behind(marker) : marker;
}

/// Walks through entries in order and folds those that share a group into one; stops when the page is full.
/// `fetch(room)` returns the next entries, `skip(group)` makes it continue after a group, and `take(entry)` uses one
/// entry.
template <typename Fetch, typename KeyOf, typename Skip, typename Take>
Result<void> fill(s3::Listing& listing, Fetch fetch, KeyOf key_of, Skip skip, Take take) {
  std::int64_t room = listing.max_keys;
  std::string group, last;
  while (true) {
    const auto wanted = room + 1;
    auto found = fetch(wanted);
    if (!found) return found.error();
    for (const auto& entry : *found) {
      const auto& key = key_of(entry);
      if (!group.empty() && key.starts_with(group)) continue;
      if (room == 0) {
        listing.is_truncated = listing.max_keys > 0;
        listing.next_token = last;
        return {};
      }
      --room;
      group = group_of(listing, key);
      last = group.empty() ? key : group;
      if (group.empty()) {
        take(entry);
      } else {
        listing.common_prefixes.push_back(group);
      }
    }
    if (static_cast<std::int64_t>(found->size()) < wanted) return {};
    // The remaining keys of the group need not be read.
    if (!group.empty()) skip(group);
  }
}

Result<s3::Listing> list_objects(const S3Call& call, const std::string& marker) {
  auto listing = read_listing(call);
  if (!listing) return listing;
  auto after = start_beyond(*listing, marker);
  auto ok = fill(
      *listing,
      [&](std::int64_t limit) {
        auto found = call.objects.list(call.request.bucket, {listing->prefix, after, limit});
        if (found && !found->empty()) after = found->back().key;
        return found;
      },
      [](const ObjectInfo& o) -> const std::string& { return o.key; },
      [&](const std::string& group) { after = behind(group); },
      [&](const ObjectInfo& o) {
        listing->objects.push_back({o.key, o.etag, o.size_bytes, o.modified});
      });
  if (!ok) return ok.error();
  return listing;
}

}  // namespace

Result<Response> list_objects_v1(S3Call& call) {
  const auto marker = call.request.parameter("marker").value_or("");
  auto listing = list_objects(call, marker);
  if (!listing) return listing.error();
  listing->owner = call.caller.account;
  return xml(s3::encode_listing_v1(*listing, marker));
}

Result<Response> list_objects_v2(S3Call& call) {
  const auto token = call.request.parameter("continuation-token");
  const auto start_after = call.request.parameter("start-after").value_or("");
  std::string after = start_after;
  if (token) {
    const auto bytes = from_base64(*token);
    if (!bytes)
      return s3_error(ErrorKind::invalid_input, "InvalidArgument", "The continuation token provided is incorrect");
    after = std::string(as_text(*bytes));
  }
  auto listing = list_objects(call, after);
  if (!listing) return listing.error();
  listing->start_after = start_after;
  if (call.request.parameter("fetch-owner") == "true") listing->owner = call.caller.account;
  listing->continuation_token = token.value_or("");
  listing->next_token = to_base64(as_bytes(listing->next_token));
  return xml(s3::encode_listing_v2(*listing));
}

Result<Response> list_object_versions(S3Call& call) {
  auto listing = read_listing(call);
  if (!listing) return listing.error();
  s3::VersionListing out;
  out.listing = std::move(*listing);
  out.listing.owner = call.caller.account;
  out.key_marker = call.request.parameter("key-marker").value_or("");
  out.version_marker = call.request.parameter("version-id-marker").value_or("");
  if (!out.version_marker.empty() && out.key_marker.empty())
    return s3_error(ErrorKind::invalid_input, "InvalidArgument",
                    "A version-id marker cannot be specified without a key marker.");
  auto key = start_beyond(out.listing, out.key_marker), version = key == out.key_marker ? out.version_marker : "";
  auto ok = fill(
      out.listing,
      [&](std::int64_t limit) {
        auto found = call.objects.list_versions(call.request.bucket, {out.listing.prefix, key, version, limit});
        if (found && !found->empty()) {
          key = found->back().info.key;
          version = found->back().info.version_id.value_or("null");
        }
        return found;
      },
      [](const ObjectVersion& v) -> const std::string& { return v.info.key; },
      [&](const std::string& group) { key = behind(group), version.clear(); },
      [&](const ObjectVersion& v) {
        out.versions.push_back({{v.info.key, v.info.etag, v.info.size_bytes, v.info.modified},
                                v.info.version_id.value_or("null"),
                                v.is_latest,
                                v.is_delete_marker});
      });
  if (!ok) return ok.error();
  // The page ends either after a group or after a version of a key; only the second needs a version marker.
  if (out.listing.is_truncated && !out.versions.empty() && out.versions.back().object.key == out.listing.next_token)
    out.next_version_marker = out.versions.back().version_id;
  return xml(s3::encode_versions(out));
}

}  // namespace vedette::s3_operations
