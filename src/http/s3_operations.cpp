#include <algorithm>

#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-", kChecksumPrefix = "x-amz-checksum-";
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

std::string in_quotes(std::string_view etag) {
  return "\"" + std::string(etag) + "\"";
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

/// What must be so of content that arrived: its MD5 and the checksum that the client sent.
Result<void> check_content(const S3Call& call) {
  const auto& content = *call.content;
  if (const auto md5 = header_value(call.headers, "content-md5"); !md5.empty()) {
    const auto bytes = from_base64(trim(md5));
    if (!bytes || bytes->size() != 16)
      return s3_error(ErrorKind::invalid_input, "InvalidDigest", "The Content-MD5 you specified is not valid.");
    if (to_hex(*bytes) != content.md5_hex())
      return s3_error(ErrorKind::invalid_input, "BadDigest",
                      "The Content-MD5 you specified did not match what we received.");
  }
  if (!content.checksum()) return {};
  const auto name = std::string(kChecksumPrefix) + std::string(to_text(content.checksum()->algorithm));
  auto sent = header_value(call.headers, name);
  if (sent.empty()) sent = header_value(call.trailers, name);
  if (trim(sent) != content.checksum()->value)
    return s3_error(ErrorKind::invalid_input, "BadDigest",
                    "The checksum you specified did not match the calculated checksum.");
  return {};
}

void add_checksum_header(Response& r, const std::optional<ObjectChecksum>& checksum) {
  if (checksum)
    r.headers.emplace_back(std::string(kChecksumPrefix) + std::string(to_text(checksum->algorithm)), checksum->value);
}

/// Content type and user metadata of the headers.
Result<ObjectAttributes> read_attributes(const HeaderList& headers) {
  ObjectAttributes out;
  const auto type = header_value(headers, "content-type");
  out.content_type = type.empty() ? "binary/octet-stream" : std::string(type);
  std::size_t size = 0;
  for (const auto& [name, value] : headers)
    if (name.starts_with(kMetadataPrefix)) {
      out.user_metadata.emplace_back(name.substr(kMetadataPrefix.size()), value);
      size += out.user_metadata.back().first.size() + value.size();
    }
  if (size > kMetadataLimit)
    return s3_error(ErrorKind::invalid_input, "InvalidArgument",
                    "Your metadata headers exceed the maximum allowed metadata size");
  return out;
}

PutCondition read_condition(const HeaderList& headers) {
  PutCondition condition;
  condition.must_not_exist = trim(header_value(headers, "if-none-match")) == "*";
  if (const auto etag = header_value(headers, "if-match"); !etag.empty())
    condition.etag_is = std::string(unquoted(etag));
  return condition;
}

Result<Response> put_object(S3Call& call) {
  if (auto ok = check_content(call); !ok) return ok.error();
  const auto attributes = read_attributes(call.headers);
  if (!attributes) return attributes.error();
  auto info = call.objects.put(call.request.bucket, call.request.key, std::move(call.content), attributes->content_type,
                               attributes->user_metadata, read_condition(call.headers));
  if (!info) return info.error();
  Response r;
  r.headers.emplace_back("etag", in_quotes(info->etag));
  add_checksum_header(r, info->checksum);
  // Accepted and echoed, as clients that ask for it check; at rest the folder is as safe as its disk.
  if (const auto sse = header_value(call.headers, "x-amz-server-side-encryption"); sse == "AES256")
    r.headers.emplace_back("x-amz-server-side-encryption", "AES256");
  return r;
}

/// The source of a copy, which the caller must be allowed to read, opened.
Result<std::unique_ptr<ObjectReader>> open_source(const S3Call& call) {
  const auto source = s3::parse_copy_source(header_value(call.headers, "x-amz-copy-source"));
  if (!source) return source.error();
  if (auto ok = authorize(call.caller, "s3:GetObject", object_arn(source->first, source->second)); !ok)
    return ok.error();
  if (!s3::is_bucket_name(source->first))
    return s3_error(ErrorKind::not_found, "NoSuchBucket", "The specified bucket does not exist");
  auto reader = call.objects.get(source->first, source->second, std::nullopt);
  if (!reader) return reader;
  const auto& etag = (*reader)->info().etag;
  const auto if_match = header_value(call.headers, "x-amz-copy-source-if-match");
  const auto if_none_match = header_value(call.headers, "x-amz-copy-source-if-none-match");
  if ((!if_match.empty() && unquoted(if_match) != etag) || (!if_none_match.empty() && unquoted(if_none_match) == etag))
    return s3_error(ErrorKind::conflict, "PreconditionFailed",
                    "At least one of the pre-conditions you specified did not hold");
  return reader;
}

Result<Response> copy_object(const S3Call& call) {
  const auto reader = open_source(call);
  if (!reader) return reader.error();
  const auto source = s3::parse_copy_source(header_value(call.headers, "x-amz-copy-source"));
  const bool replaces = equals_ignore_case(header_value(call.headers, "x-amz-metadata-directive"), "REPLACE");
  if (!replaces && source->first == call.request.bucket && source->second == call.request.key)
    return s3_error(
        ErrorKind::invalid_input, "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the "
        "object's metadata.");
  std::optional<ObjectAttributes> attributes;
  if (replaces) {
    auto read = read_attributes(call.headers);
    if (!read) return read.error();
    attributes = std::move(*read);
  }
  const auto info = call.objects.copy(source->first, source->second, call.request.bucket, call.request.key, attributes);
  if (!info) return info.error();
  return xml(s3::encode_copied("CopyObjectResult", info->etag, info->modified));
}

Result<Response> delete_objects(const S3Call& call) {
  const auto request = s3::parse_delete(call.body);
  if (!request) return request.error();
  std::vector<s3::DeletedKey> out;
  for (const auto& key : request->keys) {
    auto ok = authorize(call.caller, "s3:DeleteObject", object_arn(call.request.bucket, key));
    if (ok) ok = call.objects.remove(call.request.bucket, key);
    out.push_back({key, ok ? std::nullopt : std::optional(ok.error())});
  }
  return xml(s3::encode_deleted(out, request->is_quiet));
}

std::string upload_id(const S3Call& call) {
  return call.request.parameter("uploadId").value_or("");
}

Result<int> part_number(const S3Call& call) {
  const auto number = parse_integer(call.request.parameter("partNumber").value_or(""));
  if (number && *number >= 1 && *number <= kMostParts) return static_cast<int>(*number);
  return s3_error(ErrorKind::invalid_input, "InvalidArgument",
                  "Part number must be an integer between 1 and 10000, inclusive");
}

Result<Response> create_upload(const S3Call& call) {
  const auto attributes = read_attributes(call.headers);
  if (!attributes) return attributes.error();
  const auto id = call.objects.create_upload(call.request.bucket, call.request.key, *attributes);
  if (!id) return id.error();
  return xml(s3::encode_upload_started(call.request.bucket, call.request.key, *id));
}

Result<Response> upload_part(S3Call& call) {
  const auto number = part_number(call);
  if (!number) return number.error();
  if (auto ok = check_content(call); !ok) return ok.error();
  const auto checksum = call.content->checksum();
  const auto part =
      call.objects.put_part(call.request.bucket, call.request.key, upload_id(call), *number, std::move(call.content));
  if (!part) return part.error();
  Response r;
  r.headers.emplace_back("etag", in_quotes(part->etag));
  add_checksum_header(r, checksum);
  return r;
}

Result<Response> upload_part_copy(const S3Call& call) {
  const auto number = part_number(call);
  if (!number) return number.error();
  auto reader = open_source(call);
  if (!reader) return reader.error();
  std::uint64_t offset = 0, end = (*reader)->info().size_bytes;
  if (const auto header = header_value(call.headers, "x-amz-copy-source-range"); !header.empty()) {
    const auto range = s3::parse_range(header, end);
    if (!range) return range.error();
    if (*range) offset = (*range)->first, end = (*range)->last + 1;
  }
  auto staged = call.objects.stage();
  if (!staged) return staged.error();
  std::vector<std::uint8_t> chunk(1 << 20);
  while (offset < end) {
    const auto n = (*reader)->read(
        offset, std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), end - offset))));
    if (!n) return n.error();
    if (*n == 0) return internal_error("An object is shorter than its index says.");
    if (auto ok = (*staged)->write(std::span(chunk).first(*n)); !ok) return ok.error();
    offset += *n;
  }
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  const auto part =
      call.objects.put_part(call.request.bucket, call.request.key, upload_id(call), *number, std::move(*staged));
  if (!part) return part.error();
  return xml(s3::encode_copied("CopyPartResult", part->etag, part->modified));
}

Result<Response> complete_upload(const S3Call& call) {
  const auto parts = s3::parse_complete(call.body);
  if (!parts) return parts.error();
  const auto info = call.objects.complete_upload(call.request.bucket, call.request.key, upload_id(call), *parts,
                                                 read_condition(call.headers));
  if (!info) return info.error();
  return xml(s3::encode_upload_completed(call.request.bucket, call.request.key, info->etag));
}

Result<Response> list_parts(const S3Call& call) {
  const auto parts = call.objects.list_parts(call.request.bucket, call.request.key, upload_id(call));
  if (!parts) return parts.error();
  const auto after = parse_integer(call.request.parameter("part-number-marker").value_or("0")).value_or(0);
  const auto most = std::clamp<std::int64_t>(
      parse_integer(call.request.parameter("max-parts").value_or("")).value_or(kMostKeys), 1, kMostKeys);
  std::vector<s3::ListedPart> page;
  bool is_truncated = false;
  for (const auto& part : *parts) {
    if (part.number <= after) continue;
    is_truncated = static_cast<std::int64_t>(page.size()) == most;
    if (is_truncated) break;
    page.push_back({part.number, part.etag, part.size_bytes, part.modified});
  }
  return xml(s3::encode_parts(call.request.bucket, call.request.key, upload_id(call), page, static_cast<int>(most),
                              is_truncated));
}

Result<Response> list_uploads(const S3Call& call) {
  const auto prefix = call.request.parameter("prefix").value_or("");
  const auto uploads = call.objects.list_uploads(call.request.bucket, prefix, kMostKeys + 1);
  if (!uploads) return uploads.error();
  std::vector<s3::ListedUpload> page;
  for (const auto& upload : *uploads) page.push_back({upload.key, upload.id, upload.initiated});
  const bool is_truncated = static_cast<std::int64_t>(page.size()) > kMostKeys;
  if (is_truncated) page.pop_back();
  return xml(s3::encode_uploads(call.request.bucket, prefix, page, is_truncated));
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
  const auto header = header_value(call.headers, "range");
  // The checksum is of the whole object.
  if (header.empty() && equals_ignore_case(header_value(call.headers, "x-amz-checksum-mode"), "ENABLED"))
    add_checksum_header(r, info.checksum);
  if (!header.empty()) {
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

std::optional<ChecksumAlgorithm> announced_checksum(const HeaderList& headers) {
  const auto algorithm_of = [](std::string_view name) -> std::optional<ChecksumAlgorithm> {
    if (!name.starts_with(kChecksumPrefix)) return std::nullopt;
    return parse_checksum_algorithm(name.substr(kChecksumPrefix.size()));
  };
  for (const auto& [name, value] : headers) {
    if (const auto algorithm = algorithm_of(name)) return algorithm;
    if (name == "x-amz-trailer")
      for (const auto part : split(value, ','))
        if (const auto algorithm = algorithm_of(to_lower(trim(part)))) return algorithm;
  }
  return std::nullopt;
}

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
    case Kind::copy_object:
      return copy_object(call);
    case Kind::delete_objects: {
      if (auto ok = need_bucket(); !ok) return ok.error();
      return delete_objects(call);
    }
    case Kind::create_multipart_upload:
      return create_upload(call);
    case Kind::upload_part:
      return upload_part(call);
    case Kind::upload_part_copy:
      return upload_part_copy(call);
    case Kind::complete_multipart_upload:
      return complete_upload(call);
    case Kind::abort_multipart_upload: {
      if (auto ok = call.objects.abort_upload(bucket, call.request.key, upload_id(call)); !ok) return ok.error();
      return no_content();
    }
    case Kind::list_parts:
      return list_parts(call);
    case Kind::list_multipart_uploads:
      return list_uploads(call);
    case Kind::delete_object: {
      if (auto ok = call.objects.remove(bucket, call.request.key); !ok) return ok.error();
      return no_content();
    }
  }
  return internal_error("unknown S3 operation");
}

}  // namespace vedette
