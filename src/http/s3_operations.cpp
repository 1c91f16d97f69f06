#include <algorithm>

#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::size_t kMetadataLimit = 2048;
constexpr std::int64_t kMostKeys = 1000;

Response xml(std::string body) {
  Response r;
  r.headers.emplace_back("content-type", "application/xml");
  r.body = std::move(body);
  return r;
}

Response no_content() {
  Response r;
  r.status = 204;
  return r;
}

Error s3_error(ErrorKind kind, const char* code, std::string message) {
  return fail(kind, std::move(message), code);
}

void add_object_headers(Response& r, const ObjectInfo& info) {
  r.headers.emplace_back("content-type", info.content_type);
  r.headers.emplace_back("etag", "\"" + info.etag + "\"");
  r.headers.emplace_back("last-modified", to_http_date(info.modified));
  r.headers.emplace_back("accept-ranges", "bytes");
  for (const auto& [name, value] : info.user_metadata)
    r.headers.emplace_back(std::string(kMetadataPrefix) + name, value);
}

std::string_view unquoted(std::string_view etag) {
  etag = trim(etag);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') return etag.substr(1, etag.size() - 2);
  return etag;
}

/// RFC 9110 section 13: what the conditional headers of a read ask for. An answer instead of the object, or nothing.
Result<std::optional<Response>> check_read_conditions(const HeaderList& headers, const ObjectInfo& info) {
  const auto failed = s3_error(ErrorKind::conflict, "PreconditionFailed",
                               "At least one of the pre-conditions you specified did not hold");
  const auto matches = [&](std::string_view list) {
    for (auto tag : split(list, ','))
      if (unquoted(tag) == info.etag || trim(tag) == "*") return true;
    return false;
  };
  const auto if_match = header_value(headers, "if-match"), if_none_match = header_value(headers, "if-none-match");
  const auto modified = std::chrono::floor<std::chrono::seconds>(info.modified);
  if (!if_match.empty()) {
    if (!matches(if_match)) return failed;
  } else if (const auto since = parse_http_date(header_value(headers, "if-unmodified-since"));
             since && modified > *since) {
    return failed;
  }
  bool unchanged = false;
  if (!if_none_match.empty()) {
    unchanged = matches(if_none_match);
  } else if (const auto since = parse_http_date(header_value(headers, "if-modified-since"))) {
    unchanged = modified <= *since;
  }
  if (!unchanged) return std::optional<Response>();
  Response r;
  r.status = 304;
  r.headers.emplace_back("etag", "\"" + info.etag + "\"");
  return std::optional<Response>(std::move(r));
}

Result<Response> put_object(S3Call& call) {
  auto& content = *call.content;
  if (const auto md5 = header_value(call.headers, "content-md5"); !md5.empty()) {
    const auto bytes = from_base64(trim(md5));
    if (!bytes || bytes->size() != 16)
      return s3_error(ErrorKind::invalid_input, "InvalidDigest", "The Content-MD5 you specified is not valid.");
    if (to_hex(*bytes) != content.md5_hex())
      return s3_error(ErrorKind::invalid_input, "BadDigest",
                      "The Content-MD5 you specified did not match what we received.");
  }
  std::vector<std::pair<std::string, std::string>> metadata;
  std::size_t metadata_size = 0;
  for (const auto& [name, value] : call.headers)
    if (name.starts_with(kMetadataPrefix)) {
      metadata.emplace_back(name.substr(kMetadataPrefix.size()), value);
      metadata_size += metadata.back().first.size() + value.size();
    }
  if (metadata_size > kMetadataLimit)
    return s3_error(ErrorKind::invalid_input, "InvalidArgument",
                    "Your metadata headers exceed the maximum allowed metadata size");
  PutCondition condition;
  condition.must_not_exist = trim(header_value(call.headers, "if-none-match")) == "*";
  if (const auto etag = header_value(call.headers, "if-match"); !etag.empty())
    condition.etag_is = std::string(unquoted(etag));
  const auto type = header_value(call.headers, "content-type");
  auto info = call.objects.put(call.request.bucket, call.request.key, std::move(call.content),
                               type.empty() ? "binary/octet-stream" : std::string(type), metadata, condition);
  if (!info) return info.error();
  Response r;
  r.headers.emplace_back("etag", "\"" + info->etag + "\"");
  // Accepted and echoed, as clients that ask for it check; at rest the folder is as safe as its disk.
  if (const auto sse = header_value(call.headers, "x-amz-server-side-encryption"); sse == "AES256")
    r.headers.emplace_back("x-amz-server-side-encryption", "AES256");
  return r;
}

Result<Response> get_object(const S3Call& call, bool is_head) {
  auto reader = call.objects.get(call.request.bucket, call.request.key, call.request.parameter("versionId"));
  if (!reader) return reader.error();
  const auto& info = (*reader)->info();
  auto early = check_read_conditions(call.headers, info);
  if (!early) return early.error();
  if (*early) return std::move(**early);
  Response r;
  add_object_headers(r, info);
  r.length = info.size_bytes;
  if (const auto header = header_value(call.headers, "range"); !header.empty()) {
    auto range = s3::parse_range(header, info.size_bytes);
    if (!range) return range.error();
    if (*range) {
      r.status = 206;
      r.offset = (*range)->first;
      r.length = (*range)->last - (*range)->first + 1;
      r.headers.emplace_back("content-range", "bytes " + std::to_string((*range)->first) + "-" +
                                                  std::to_string((*range)->last) + "/" +
                                                  std::to_string(info.size_bytes));
    }
  }
  if (is_head) {
    r.head_length = r.length;
    r.length = 0;
  } else {
    r.content = std::move(*reader);
  }
  return r;
}

/// Lists keys, folding those that share a prefix up to the delimiter; skips over a folded group in one step.
Result<s3::Listing> list_objects(const S3Call& call, std::string after) {
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
  // A page that ended in a folded group goes on behind all of the group's keys.
  const auto behind_group = [&](const std::string& key) -> std::string {
    if (listing.delimiter.empty() || !key.starts_with(listing.prefix) || !key.ends_with(listing.delimiter) ||
        key.size() <= listing.prefix.size())
      return key;
    return key + std::string(1025, '\xFF');
  };
  after = behind_group(after);
  std::string last;
  while (true) {
    const auto room =
        listing.max_keys - static_cast<std::int64_t>(listing.objects.size() + listing.common_prefixes.size());
    auto found = call.objects.list(call.request.bucket, {listing.prefix, after, std::max<std::int64_t>(room, 0) + 1});
    if (!found) return found.error();
    bool jumped = false;
    for (const auto& o : *found) {
      if (static_cast<std::int64_t>(listing.objects.size() + listing.common_prefixes.size()) >= listing.max_keys) {
        listing.is_truncated = listing.max_keys > 0;
        listing.next_token = last;
        return listing;
      }
      const auto at =
          listing.delimiter.empty() ? std::string::npos : o.key.find(listing.delimiter, listing.prefix.size());
      if (at != std::string::npos) {
        last = o.key.substr(0, at + listing.delimiter.size());
        listing.common_prefixes.push_back(last);
        after = behind_group(last);
        jumped = true;
        break;
      }
      last = after = o.key;
      listing.objects.push_back({o.key, o.etag, o.size_bytes, o.modified});
    }
    if (!jumped) return listing;
  }
}

}  // namespace

Result<Response> run_s3(S3Call call) {
  using Kind = s3::OperationKind;
  const auto& bucket = call.request.bucket;
  const auto need_bucket = [&]() -> Result<void> {
    if (call.objects.has_bucket(bucket)) return {};
    return s3_error(ErrorKind::not_found, "NoSuchBucket", "The specified bucket does not exist");
  };
  switch (call.request.kind) {
    case Kind::list_buckets:
      return xml(s3::encode_buckets(call.objects.list_buckets(), call.caller.account));
    case Kind::create_bucket: {
      if (auto ok = call.objects.create_bucket(bucket); !ok) return ok.error();
      Response r;
      r.headers.emplace_back("location", "/" + bucket);
      return r;
    }
    case Kind::head_bucket: {
      if (auto ok = need_bucket(); !ok) return ok.error();
      Response r;
      r.headers.emplace_back("x-amz-bucket-region", call.scope.region);
      return r;
    }
    case Kind::delete_bucket: {
      if (auto ok = call.objects.delete_bucket(bucket); !ok) return ok.error();
      return no_content();
    }
    case Kind::get_bucket_location: {
      if (auto ok = need_bucket(); !ok) return ok.error();
      return xml(s3::encode_location(call.scope.region));
    }
    case Kind::list_objects_v1: {
      const auto marker = call.request.parameter("marker").value_or("");
      auto listing = list_objects(call, marker);
      if (!listing) return listing.error();
      return xml(s3::encode_listing_v1(*listing, marker));
    }
    case Kind::list_objects_v2: {
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
      listing->continuation_token = token.value_or("");
      listing->next_token = to_base64(as_bytes(listing->next_token));
      return xml(s3::encode_listing_v2(*listing));
    }
    case Kind::put_object:
      return put_object(call);
    case Kind::get_object:
      return get_object(call, false);
    case Kind::head_object:
      return get_object(call, true);
    case Kind::delete_object: {
      if (auto ok = call.objects.remove(bucket, call.request.key); !ok) return ok.error();
      return no_content();
    }
  }
  return internal_error("unknown S3 operation");
}

}  // namespace vedette
