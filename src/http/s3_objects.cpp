#include <algorithm>

#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette::s3_operations {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::uint64_t kSmallContent = 64 << 10;

void add_object_headers(Response& r, const ObjectInfo& info) {
  r.headers.emplace_back("content-type", info.attributes.content_type);
  r.headers.emplace_back("etag", in_quotes(info.etag));
  r.headers.emplace_back("last-modified", to_http_date(info.modified));
  r.headers.emplace_back("accept-ranges", "bytes");
  add_version_header(r, info.version_id);
  for (const auto& [name, value] : info.attributes.headers) r.headers.emplace_back(name, value);
  for (const auto& [name, value] : info.attributes.user_metadata)
    r.headers.emplace_back(std::string(kMetadataPrefix) + name, value);
  if (!info.attributes.tags.empty())
    r.headers.emplace_back("x-amz-tagging-count", std::to_string(info.attributes.tags.size()));
}

/// Sets the headers of the answer that the query parameters of a (presigned) read ask for.
void override_headers(Response& r, const s3::Request& request) {
  for (const char* name :
       {"content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"}) {
    const auto value = request.parameter(std::string("response-") + name);
    if (!value || std::any_of(value->begin(), value->end(), [](unsigned char c) { return c < ' ' || c == 127; }))
      continue;
    std::erase_if(r.headers, [&](const auto& header) { return header.first == name; });
    r.headers.emplace_back(name, *value);
  }
}

/// Sees to it that a browser which opens the object's URL runs nothing that is in the object, because objects come from
/// the same origin as the console. Only JPEG and PNG may be shown; everything else is saved to a file. A client that
/// signs in a header is no browser that opens a URL: it gets the stored disposition as it is.
void guard_browsers(Response& r, bool is_opened_by_url) {
  r.headers.emplace_back("x-content-type-options", "nosniff");
  r.headers.emplace_back("content-security-policy", "sandbox; default-src 'none'");
  const auto type = to_lower(trim(split(header_value(r.headers, "content-type"), ';').front()));
  if (type == "image/jpeg" || type == "image/png") return;
  const std::string stored(trim(header_value(r.headers, "content-disposition")));
  if (!stored.empty() && !is_opened_by_url) return;
  const auto end = std::min(stored.find(';'), stored.size());
  const bool is_safe = equals_ignore_case(trim(std::string_view(stored).substr(0, end)), "attachment");
  std::erase_if(r.headers, [](const auto& header) { return header.first == "content-disposition"; });
  r.headers.emplace_back("content-disposition", is_safe ? stored : "attachment" + stored.substr(end));
}

/// Fails with AccessDenied if a browser asks for an object in order to run, style or embed it (Fetch Metadata Request
/// Headers, section 2.1): the console has the same origin as the objects, and its page must not load them as code.
Result<void> refuse_as_code(const HeaderList& headers) {
  static constexpr std::string_view kUses[] = {"script",       "worker",       "sharedworker", "serviceworker",
                                               "audioworklet", "paintworklet", "style",        "xslt",
                                               "iframe",       "frame",        "embed",        "object"};
  const auto use = trim(header_value(headers, "sec-fetch-dest"));
  if (std::none_of(std::begin(kUses), std::end(kUses), [&](auto name) { return equals_ignore_case(use, name); }))
    return {};
  return s3_error(ErrorKind::access_denied, "AccessDenied",
                  "A web page may not load an object as a script, a style or a page within it.");
}

/// Checks the conditional headers of a read (RFC 9110 section 13). Returns the answer that is sent instead of the
/// object, or nothing.
Result<std::optional<Response>> check_read_conditions(const HeaderList& headers, const ObjectInfo& info) {
  const auto matches = [&](std::string_view list) {
    for (auto tag : split(list, ','))
      if (unquoted(tag) == info.etag || trim(tag) == "*") return true;
    return false;
  };
  const auto if_match = header_value(headers, "if-match"), if_none_match = header_value(headers, "if-none-match");
  const auto modified = std::chrono::floor<std::chrono::seconds>(info.modified);
  if (!if_match.empty()) {
    if (!matches(if_match)) return precondition_failed();
  } else if (const auto since = parse_http_date(header_value(headers, "if-unmodified-since"));
             since && modified > *since) {
    return precondition_failed();
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

/// Returns the answer to a read of a key whose newest version is a delete marker, or of a version that is a delete
/// marker, with the header that says so.
Result<Response> without_object(const S3Call& call, const Error& error) {
  const auto& key = call.request.key;
  std::optional<std::string> marker;
  if (error.code == "MethodNotAllowed") {
    marker = call.version_id();
  } else if (error.code == "NoSuchKey" && call.objects.versioning(call.request.bucket)) {
    const auto versions = call.objects.list_versions(call.request.bucket, {key, {}, {}, 1});
    if (versions && !versions->empty() && versions->front().info.key == key && versions->front().is_delete_marker)
      marker = versions->front().info.version_id;
  }
  if (!marker) return error;
  auto wire = s3::encode_error(error, "/" + call.request.bucket + "/" + key, {});
  auto r = xml(call.request.kind == s3::OperationKind::head_object ? std::string() : std::move(wire.body));
  r.status = wire.status;
  r.headers.emplace_back("x-amz-delete-marker", "true");
  add_version_header(r, marker);
  return r;
}

Result<Response> read_object(S3Call& call, bool is_head) {
  if (const auto part = call.request.parameter("partNumber"); part && *part != "1")
    return s3_error(ErrorKind::invalid_input, "InvalidPartNumber",
                    "Objects are kept whole, not by the parts they were uploaded in: only part 1 can be asked for.");
  auto reader = call.objects.get(call.request.bucket, call.request.key, call.version_id());
  if (!reader) return without_object(call, reader.error());
  const auto& info = (*reader)->info();
  auto early = check_read_conditions(call.headers, info);
  if (!early) return early.error();
  if (*early) return std::move(**early);
  Response r;
  add_object_headers(r, info);
  override_headers(r, call.request);
  guard_browsers(r, header_value(call.headers, "authorization").empty());
  r.length = info.size_bytes;
  auto header = header_value(call.headers, "range");
  // If If-Range does not match the object, the client has a part of something else, and a range of this object is of no
  // use to it (RFC 9110, 13.1.5).
  if (const auto if_range = header_value(call.headers, "if-range");
      !if_range.empty() && unquoted(if_range) != info.etag)
    if (const auto since = parse_http_date(if_range);
        !since || std::chrono::floor<std::chrono::seconds>(info.modified) > *since)
      header = {};
  // The checksum covers the whole object, so it is sent only with the whole object.
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
  } else if (r.length <= kSmallContent) {
    // The object is read here, so that it goes out in one write together with the head.
    r.body.resize(static_cast<std::size_t>(r.length));
    const auto n = (*reader)->read(r.offset, {reinterpret_cast<std::uint8_t*>(r.body.data()), r.body.size()});
    if (!n) return n.error();
    if (*n != r.length) return internal_error("An object is shorter than its index says.");
  } else {
    r.content = std::move(*reader);
  }
  return r;
}

}  // namespace

Result<Response> put_object(S3Call& call) {
  if (auto ok = check_content(call); !ok) return ok.error();
  const auto attributes = read_attributes(call.headers);
  if (!attributes) return attributes.error();
  auto info = call.objects.put(call.request.bucket, call.request.key, std::move(call.content), *attributes,
                               read_condition(call.headers));
  if (!info) return info.error();
  Response r;
  r.headers.emplace_back("etag", in_quotes(info->etag));
  add_new_version_header(r, info->version_id);
  add_checksum_header(r, info->checksum);
  add_encryption_header(r, info->attributes);
  return r;
}

Result<Response> get_object(S3Call& call) {
  if (auto ok = refuse_as_code(call.headers); !ok) return ok.error();
  return read_object(call, false);
}

Result<Response> head_object(S3Call& call) {
  return read_object(call, true);
}

Result<std::unique_ptr<ObjectReader>> open_source(const S3Call& call) {
  const auto source = s3::parse_copy_source(header_value(call.headers, "x-amz-copy-source"));
  if (!source) return source.error();
  const char* action = source->version_id ? "s3:GetObjectVersion" : "s3:GetObject";
  if (auto ok = authorize(call.caller, action, object_arn(source->bucket, source->key)); !ok) return ok.error();
  if (!s3::is_bucket_name(source->bucket)) return no_such_bucket();
  auto reader = call.objects.get(source->bucket, source->key, source->version_id);
  if (!reader) {
    if (reader.error().code == "MethodNotAllowed")
      return s3_error(ErrorKind::invalid_input, "InvalidRequest",
                      "The source of a copy request may not specifically refer to a delete marker by version id.");
    return reader;
  }
  const auto& info = (*reader)->info();
  const auto modified = std::chrono::floor<std::chrono::seconds>(info.modified);
  const auto header = [&](const char* name) { return header_value(call.headers, name); };
  const auto if_match = header("x-amz-copy-source-if-match"), if_none_match = header("x-amz-copy-source-if-none-match");
  const auto unmodified = parse_http_date(header("x-amz-copy-source-if-unmodified-since"));
  const auto since = parse_http_date(header("x-amz-copy-source-if-modified-since"));
  if ((!if_match.empty() && unquoted(if_match) != info.etag) ||
      (!if_none_match.empty() && unquoted(if_none_match) == info.etag) ||
      (if_match.empty() && unmodified && modified > *unmodified) ||
      (if_none_match.empty() && since && modified <= *since))
    return precondition_failed();
  return reader;
}

Result<Response> copy_object(S3Call& call) {
  const auto reader = open_source(call);
  if (!reader) return reader.error();
  const auto source = s3::parse_copy_source(header_value(call.headers, "x-amz-copy-source"));
  const auto replaces = [&](const char* directive) {
    return equals_ignore_case(header_value(call.headers, directive), "REPLACE");
  };
  const bool replaces_metadata = replaces("x-amz-metadata-directive");
  if (!replaces_metadata && source->bucket == call.request.bucket && source->key == call.request.key &&
      !source->version_id)
    return s3_error(
        ErrorKind::invalid_input, "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the "
        "object's metadata.");
  const auto& info = (*reader)->info();
  auto attributes = read_attributes(call.headers);
  if (!attributes) return attributes.error();
  if (!replaces("x-amz-tagging-directive")) attributes->tags = info.attributes.tags;
  if (!replaces_metadata) {
    attributes->content_type = info.attributes.content_type;
    attributes->user_metadata = info.attributes.user_metadata;
    // The copy gets all headers of the source except the one about encryption.
    std::erase_if(attributes->headers, [](const auto& header) { return header.first != kEncryption; });
    for (const auto& header : info.attributes.headers)
      if (header.first != kEncryption) attributes->headers.push_back(header);
  }
  auto staged = call.objects.stage();
  if (!staged) return staged.error();
  const auto wanted = parse_checksum_algorithm(to_lower(header_value(call.headers, "x-amz-checksum-algorithm")));
  if (wanted) {
    (*staged)->add_checksum(*wanted);
  } else if (info.checksum) {
    (*staged)->add_checksum(info.checksum->algorithm);
  }
  if (auto ok = append(**staged, **reader, 0, info.size_bytes); !ok) return ok.error();
  if (auto ok = (*staged)->finish(); !ok) return ok.error();
  const auto copied = call.objects.put(call.request.bucket, call.request.key, std::move(*staged), *attributes,
                                       read_condition(call.headers));
  if (!copied) return copied.error();
  auto r = xml(s3::encode_copied("CopyObjectResult", copied->etag, copied->modified));
  if (info.version_id) r.headers.emplace_back("x-amz-copy-source-version-id", *info.version_id);
  add_new_version_header(r, copied->version_id);
  add_encryption_header(r, copied->attributes);
  return r;
}

Result<Response> delete_object(S3Call& call) {
  const auto if_match = header_value(call.headers, "if-match");
  if (!if_match.empty() && call.version_id())
    return s3_error(ErrorKind::unsupported, "NotImplemented",
                    "This server does not offer conditions on the deletion of a version.");
  const auto removed = if_match.empty() ? call.objects.remove(call.request.bucket, call.request.key, call.version_id())
                                        : call.objects.remove_if(call.request.bucket, call.request.key,
                                                                 {std::string(unquoted(if_match)), std::nullopt});
  if (!removed) return removed.error();
  auto r = no_content();
  add_version_header(r, removed->version_id);
  if (removed->is_delete_marker) r.headers.emplace_back("x-amz-delete-marker", "true");
  return r;
}

Result<Response> delete_objects(S3Call& call) {
  if (auto ok = need_bucket(call); !ok) return ok.error();
  const auto request = s3::parse_delete(call.body);
  if (!request) return request.error();
  std::vector<s3::DeletedObject> out;
  for (const auto& [key, version_id] : request->objects) {
    s3::DeletedObject deleted{key, version_id, {}, {}, false};
    const char* action = version_id ? "s3:DeleteObjectVersion" : "s3:DeleteObject";
    if (auto ok = authorize(call.caller, action, object_arn(call.request.bucket, key)); !ok) {
      deleted.error = ok.error();
    } else if (auto removed = call.objects.remove(call.request.bucket, key, version_id); !removed) {
      deleted.error = removed.error();
    } else {
      deleted.result_version_id = removed->version_id;
      deleted.is_delete_marker = removed->is_delete_marker;
    }
    out.push_back(std::move(deleted));
  }
  return xml(s3::encode_deleted(out, request->is_quiet));
}

Result<Response> get_object_tagging(S3Call& call) {
  const auto info = call.objects.head(call.request.bucket, call.request.key, call.version_id());
  if (!info) return info.error();
  auto r = xml(s3::encode_tagging(info->attributes.tags));
  add_version_header(r, info->version_id);
  return r;
}

Result<Response> put_object_tagging(S3Call& call) {
  const auto tags = s3::parse_tagging(call.body);
  if (!tags) return tags.error();
  if (auto ok = call.objects.set_tags(call.request.bucket, call.request.key, call.version_id(), *tags); !ok)
    return ok.error();
  return Response();
}

Result<Response> delete_object_tagging(S3Call& call) {
  if (auto ok = call.objects.set_tags(call.request.bucket, call.request.key, call.version_id(), {}); !ok)
    return ok.error();
  return no_content();
}

}  // namespace vedette::s3_operations
