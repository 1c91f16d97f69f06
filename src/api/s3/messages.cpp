#include "api/s3/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "api/xml.hpp"
#include "base/text.hpp"

namespace vedette::s3 {
namespace {

constexpr std::string_view kHeader = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr std::string_view kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

std::string element(std::string_view name, std::string_view value) {
  return fmt::format("<{0}>{1}</{0}>", name, xml_escape(value));
}

std::string listed(const Listing& l, std::string_view text) {
  return l.url_encoded ? uri_encode(text, true) : std::string(text);
}

std::string encode_entries(const Listing& l) {
  std::string out;
  for (const auto& o : l.objects)
    out += "<Contents>" + element("Key", listed(l, o.key)) + element("LastModified", to_extended_iso8601(o.modified)) +
           element("ETag", "\"" + o.etag + "\"") + element("Size", std::to_string(o.size_bytes)) +
           "<StorageClass>STANDARD</StorageClass></Contents>";
  for (const auto& p : l.common_prefixes)
    out += "<CommonPrefixes>" + element("Prefix", listed(l, p)) + "</CommonPrefixes>";
  return out;
}

/// Query parameters that choose a subresource: an operation of its own.
constexpr std::array<std::string_view, 24> kSubresources = {"accelerate",        "acl",
                                                            "analytics",         "cors",
                                                            "encryption",        "intelligent-tiering",
                                                            "inventory",         "lifecycle",
                                                            "logging",           "metrics",
                                                            "notification",      "object-lock",
                                                            "ownershipControls", "policy",
                                                            "policyStatus",      "publicAccessBlock",
                                                            "replication",       "requestPayment",
                                                            "retention",         "tagging",
                                                            "torrent",           "versioning",
                                                            "versions",          "website"};

constexpr std::size_t kMostDeleted = 1000;
constexpr std::int64_t kMostPartNumber = 10'000;

std::string quoted(std::string_view etag) {
  return "\"" + std::string(etag) + "\"";
}

Error malformed() {
  return fail(ErrorKind::invalid_input,
              "The XML you provided was not well-formed or did not validate against our published schema",
              "MalformedXML");
}

/// The root element of a body, if it has this name. pugixml resolves no external entities and no document types.
pugi::xml_node parsed(pugi::xml_document& document, std::string_view xml, const char* root) {
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8)) return {};
  return document.child(root);
}

Error not_implemented(std::string_view what) {
  return fail(ErrorKind::unsupported, "This server does not offer " + std::string(what) + ".", "NotImplemented");
}

}  // namespace

std::optional<std::string> Request::parameter(std::string_view name) const {
  for (const auto& [n, v] : query)
    if (n == name) return v;
  return std::nullopt;
}

bool is_bucket_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kReserved = {"console",    "healthz",      "readyz",
                                                                "metrics",    "openapi.json", "2020-11-20",
                                                                "2026-11-01", "favicon.ico",  "client-models"};
  if (name.size() < 3 || name.size() > 63 || std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end())
    return false;
  const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back()) || name.find("..") != std::string_view::npos)
    return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

Result<Request> parse_request(std::string_view method, std::string_view raw_path, std::string_view raw_query,
                              bool is_copy) {
  Request r{};
  for (auto part : split(raw_query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = uri_decode(part.substr(0, equals));
    auto value = uri_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!name || !value)
      return fail(ErrorKind::invalid_input, "The query is not percent-encoded correctly.", "InvalidURI");
    r.query.emplace_back(std::move(*name), std::move(*value));
  }
  if (raw_path.starts_with('/')) raw_path.remove_prefix(1);
  const auto slash = raw_path.find('/');
  auto bucket = uri_decode(raw_path.substr(0, slash));
  auto key = uri_decode(slash == std::string_view::npos ? std::string_view() : raw_path.substr(slash + 1));
  if (!bucket || !key)
    return fail(ErrorKind::invalid_input, "The path is not percent-encoded correctly.", "InvalidURI");
  r.bucket = std::move(*bucket);
  r.key = std::move(*key);
  for (const auto& [name, value] : r.query)
    if (std::find(kSubresources.begin(), kSubresources.end(), name) != kSubresources.end())
      return not_implemented("the subresource \"" + name + "\"");
  // Reading a version is the store's affair; deleting one by an answer about another would lose data.
  if (r.parameter("versionId") && method == "DELETE") return not_implemented("object versions");
  const auto is = [&](OperationKind kind, const char* action) {
    r.kind = kind;
    r.action = action;
    return true;
  };
  bool known = false;
  if (r.bucket.empty()) {
    known = method == "GET" && is(OperationKind::list_buckets, "s3:ListAllMyBuckets");
  } else if (r.key.empty()) {
    if (method == "GET" && r.parameter("location"))
      known = is(OperationKind::get_bucket_location, "s3:GetBucketLocation");
    else if (method == "GET" && r.parameter("uploads"))
      known = is(OperationKind::list_multipart_uploads, "s3:ListBucketMultipartUploads");
    else if (method == "POST" && r.parameter("delete"))
      known = is(OperationKind::delete_objects, "s3:DeleteObject");
    else if (method == "GET" && r.parameter("list-type") == "2")
      known = is(OperationKind::list_objects_v2, "s3:ListBucket");
    else if (method == "GET")
      known = is(OperationKind::list_objects_v1, "s3:ListBucket");
    else if (method == "PUT")
      known = is(OperationKind::create_bucket, "s3:CreateBucket");
    else if (method == "HEAD")
      known = is(OperationKind::head_bucket, "s3:ListBucket");
    else if (method == "DELETE")
      known = is(OperationKind::delete_bucket, "s3:DeleteBucket");
  } else if (r.parameter("uploadId")) {
    if (method == "PUT")
      known = is(is_copy ? OperationKind::upload_part_copy : OperationKind::upload_part, "s3:PutObject");
    else if (method == "POST")
      known = is(OperationKind::complete_multipart_upload, "s3:PutObject");
    else if (method == "DELETE")
      known = is(OperationKind::abort_multipart_upload, "s3:AbortMultipartUpload");
    else if (method == "GET")
      known = is(OperationKind::list_parts, "s3:ListMultipartUploadParts");
  } else {
    if (method == "POST" && r.parameter("uploads"))
      known = is(OperationKind::create_multipart_upload, "s3:PutObject");
    else if (method == "PUT" && is_copy)
      known = is(OperationKind::copy_object, "s3:PutObject");
    else if (method == "PUT")
      known = is(OperationKind::put_object, "s3:PutObject");
    else if (method == "GET")
      known = is(OperationKind::get_object, "s3:GetObject");
    else if (method == "HEAD")
      known = is(OperationKind::head_object, "s3:GetObject");
    else if (method == "DELETE")
      known = is(OperationKind::delete_object, "s3:DeleteObject");
  }
  if (!known) return not_implemented(std::string(method) + " here");
  if (!r.bucket.empty() && !is_bucket_name(r.bucket))
    return fail(ErrorKind::invalid_input, "The specified bucket is not valid.", "InvalidBucketName");
  if (r.key.size() > 1024) return fail(ErrorKind::invalid_input, "Your key is too long", "KeyTooLongError");
  if (!is_utf8(r.key)) return fail(ErrorKind::invalid_input, "The key is not UTF-8 text.", "InvalidURI");
  return r;
}

std::string encode_listing_v2(const Listing& l) {
  std::string out = fmt::format("{}<ListBucketResult xmlns=\"{}\">", kHeader, kNamespace);
  out += element("Name", l.bucket) + element("Prefix", listed(l, l.prefix)) +
         element("KeyCount", std::to_string(l.objects.size() + l.common_prefixes.size())) +
         element("MaxKeys", std::to_string(l.max_keys));
  if (!l.delimiter.empty()) out += element("Delimiter", listed(l, l.delimiter));
  if (l.url_encoded) out += element("EncodingType", "url");
  if (!l.start_after.empty()) out += element("StartAfter", listed(l, l.start_after));
  if (!l.continuation_token.empty()) out += element("ContinuationToken", l.continuation_token);
  out += element("IsTruncated", l.is_truncated ? "true" : "false");
  if (l.is_truncated) out += element("NextContinuationToken", l.next_token);
  return out + encode_entries(l) + "</ListBucketResult>";
}

std::string encode_listing_v1(const Listing& l, std::string_view marker) {
  std::string out = fmt::format("{}<ListBucketResult xmlns=\"{}\">", kHeader, kNamespace);
  out += element("Name", l.bucket) + element("Prefix", listed(l, l.prefix)) + element("Marker", listed(l, marker)) +
         element("MaxKeys", std::to_string(l.max_keys));
  if (!l.delimiter.empty()) out += element("Delimiter", listed(l, l.delimiter));
  if (l.url_encoded) out += element("EncodingType", "url");
  out += element("IsTruncated", l.is_truncated ? "true" : "false");
  if (l.is_truncated) out += element("NextMarker", listed(l, l.next_token));
  return out + encode_entries(l) + "</ListBucketResult>";
}

std::string encode_buckets(const std::vector<std::pair<std::string, Timestamp>>& buckets, std::string_view owner) {
  std::string out = fmt::format("{}<ListAllMyBucketsResult xmlns=\"{}\"><Owner>{}</Owner><Buckets>", kHeader,
                                kNamespace, element("ID", owner) + element("DisplayName", owner));
  for (const auto& [name, created] : buckets)
    out += "<Bucket>" + element("Name", name) + element("CreationDate", to_extended_iso8601(created)) + "</Bucket>";
  return out + "</Buckets></ListAllMyBucketsResult>";
}

std::string encode_location(std::string_view region) {
  // us-east-1 is written as an empty constraint; clients map it back.
  return fmt::format("{}<LocationConstraint xmlns=\"{}\">{}</LocationConstraint>", kHeader, kNamespace,
                     region == "us-east-1" ? "" : xml_escape(region));
}

Result<DeleteRequest> parse_delete(std::string_view xml) {
  pugi::xml_document document;
  const auto root = parsed(document, xml, "Delete");
  if (!root) return malformed();
  DeleteRequest request;
  request.is_quiet = std::string_view(root.child_value("Quiet")) == "true";
  for (const auto object : root.children("Object")) {
    if (object.child("VersionId")) return not_implemented("object versions");
    request.keys.emplace_back(object.child_value("Key"));
    if (request.keys.back().empty() || request.keys.size() > kMostDeleted) return malformed();
  }
  if (request.keys.empty()) return malformed();
  return request;
}

Result<std::vector<std::pair<int, std::string>>> parse_complete(std::string_view xml) {
  pugi::xml_document document;
  const auto root = parsed(document, xml, "CompleteMultipartUpload");
  if (!root) return malformed();
  std::vector<std::pair<int, std::string>> parts;
  for (const auto part : root.children("Part")) {
    const auto number = parse_integer(part.child_value("PartNumber"));
    std::string_view etag = part.child_value("ETag");
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    if (!number || *number < 1 || *number > kMostPartNumber || etag.empty()) return malformed();
    parts.emplace_back(static_cast<int>(*number), std::string(etag));
  }
  if (parts.empty()) return malformed();
  return parts;
}

Result<std::pair<std::string, std::string>> parse_copy_source(std::string_view header) {
  const auto question = header.find('?');
  if (question != std::string_view::npos) return not_implemented("copies of object versions");
  const auto decoded = uri_decode(header);
  std::string_view path = decoded ? std::string_view(*decoded) : std::string_view();
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto slash = path.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size() || !is_utf8(path))
    return fail(ErrorKind::invalid_input, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                "InvalidArgument");
  return std::pair(std::string(path.substr(0, slash)), std::string(path.substr(slash + 1)));
}

std::string encode_deleted(const std::vector<DeletedKey>& keys, bool is_quiet) {
  std::string out = fmt::format("{}<DeleteResult xmlns=\"{}\">", kHeader, kNamespace);
  for (const auto& [key, error] : keys) {
    if (error)
      out += "<Error>" + element("Key", key) + element("Code", encode_error(*error, "", "").name) +
             element("Message", error->message) + "</Error>";
    else if (!is_quiet)
      out += "<Deleted>" + element("Key", key) + "</Deleted>";
  }
  return out + "</DeleteResult>";
}

std::string encode_copied(std::string_view root, std::string_view etag, Timestamp modified) {
  return fmt::format("{}<{} xmlns=\"{}\">{}{}</{}>", kHeader, root, kNamespace,
                     element("LastModified", to_extended_iso8601(modified)), element("ETag", quoted(etag)), root);
}

std::string encode_upload_started(std::string_view bucket, std::string_view key, std::string_view upload) {
  return fmt::format("{}<InitiateMultipartUploadResult xmlns=\"{}\">{}{}{}</InitiateMultipartUploadResult>", kHeader,
                     kNamespace, element("Bucket", bucket), element("Key", key), element("UploadId", upload));
}

std::string encode_upload_completed(std::string_view bucket, std::string_view key, std::string_view etag) {
  return fmt::format("{}<CompleteMultipartUploadResult xmlns=\"{}\">{}{}{}</CompleteMultipartUploadResult>", kHeader,
                     kNamespace, element("Bucket", bucket), element("Key", key), element("ETag", quoted(etag)));
}

std::string encode_parts(std::string_view bucket, std::string_view key, std::string_view upload,
                         const std::vector<ListedPart>& parts, int max_parts, bool is_truncated) {
  std::string out =
      fmt::format("{}<ListPartsResult xmlns=\"{}\">{}{}{}{}{}", kHeader, kNamespace, element("Bucket", bucket),
                  element("Key", key), element("UploadId", upload), element("MaxParts", std::to_string(max_parts)),
                  element("IsTruncated", is_truncated ? "true" : "false"));
  if (is_truncated) out += element("NextPartNumberMarker", std::to_string(parts.back().number));
  for (const auto& part : parts)
    out += "<Part>" + element("PartNumber", std::to_string(part.number)) +
           element("LastModified", to_extended_iso8601(part.modified)) + element("ETag", quoted(part.etag)) +
           element("Size", std::to_string(part.size_bytes)) + "</Part>";
  return out + "</ListPartsResult>";
}

std::string encode_uploads(std::string_view bucket, std::string_view prefix, const std::vector<ListedUpload>& uploads,
                           bool is_truncated) {
  std::string out = fmt::format("{}<ListMultipartUploadsResult xmlns=\"{}\">{}{}{}{}", kHeader, kNamespace,
                                element("Bucket", bucket), element("Prefix", prefix), element("MaxUploads", "1000"),
                                element("IsTruncated", is_truncated ? "true" : "false"));
  for (const auto& upload : uploads)
    out += "<Upload>" + element("Key", upload.key) + element("UploadId", upload.id) +
           element("Initiated", to_extended_iso8601(upload.initiated)) + "</Upload>";
  return out + "</ListMultipartUploadsResult>";
}

Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (!header.starts_with(unit) || header.find(',') != std::string_view::npos) return std::optional<ByteRange>();
  const auto dash = header.find('-', unit.size());
  if (dash == std::string_view::npos) return std::optional<ByteRange>();
  const auto first_text = header.substr(unit.size(), dash - unit.size()), last_text = header.substr(dash + 1);
  const auto first = parse_integer(first_text), last = parse_integer(last_text);
  if ((!first && !first_text.empty()) || (!last && !last_text.empty()) || (!first && !last) || (first && *first < 0) ||
      (last && *last < 0))
    return std::optional<ByteRange>();
  const auto invalid = fail(ErrorKind::invalid_input, "The requested range is not satisfiable", "InvalidRange");
  if (!first) {  // the last n bytes
    const auto n = std::min<std::uint64_t>(static_cast<std::uint64_t>(*last), size);
    if (n == 0) return invalid;
    return std::optional<ByteRange>({size - n, size - 1});
  }
  const auto begin = static_cast<std::uint64_t>(*first);
  if (begin >= size) return invalid;
  const std::uint64_t end = last ? std::min<std::uint64_t>(static_cast<std::uint64_t>(*last), size - 1) : size - 1;
  if (end < begin) return std::optional<ByteRange>();
  return std::optional<ByteRange>({begin, end});
}

WireError encode_error(const Error& error, std::string_view resource, std::string_view request_id) {
  struct Row {
    std::string_view code;
    int status;
  };
  static constexpr Row kRows[] = {{"NoSuchBucket", 404},
                                  {"NoSuchKey", 404},
                                  {"NoSuchUpload", 404},
                                  {"InvalidPart", 400},
                                  {"InvalidPartOrder", 400},
                                  {"EntityTooSmall", 400},
                                  {"MalformedXML", 400},
                                  {"InvalidRequest", 400},
                                  {"BucketAlreadyOwnedByYou", 409},
                                  {"BucketNotEmpty", 409},
                                  {"InvalidBucketName", 400},
                                  {"KeyTooLongError", 400},
                                  {"InvalidURI", 400},
                                  {"InvalidArgument", 400},
                                  {"InvalidRange", 416},
                                  {"BadDigest", 400},
                                  {"InvalidDigest", 400},
                                  {"XAmzContentSHA256Mismatch", 400},
                                  {"SignatureDoesNotMatch", 403},
                                  {"InvalidAccessKeyId", 403},
                                  {"RequestTimeTooSkewed", 403},
                                  {"AccessDenied", 403},
                                  {"IncompleteBody", 400},
                                  {"EntityTooLarge", 400},
                                  {"MissingContentLength", 411},
                                  {"PreconditionFailed", 412},
                                  {"NotImplemented", 501},
                                  {"RequestTimeout", 408},
                                  {"AuthorizationQueryParametersError", 400}};
  WireError out{500, "InternalError", {}};
  switch (error.kind) {
    case ErrorKind::invalid_input:
      out = {400, "InvalidRequest", {}};
      break;
    case ErrorKind::unauthenticated:
      out = {403, "AccessDenied", {}};
      break;
    case ErrorKind::access_denied:
      out = {403, "AccessDenied", {}};
      break;
    case ErrorKind::not_found:
      out = {404, "NoSuchKey", {}};
      break;
    case ErrorKind::conflict:
      out = {409, "OperationAborted", {}};
      break;
    case ErrorKind::quota_exceeded:
    case ErrorKind::throttled:
      out = {503, "SlowDown", {}};
      break;
    case ErrorKind::too_large:
      out = {400, "EntityTooLarge", {}};
      break;
    case ErrorKind::unsupported:
      out = {501, "NotImplemented", {}};
      break;
    case ErrorKind::unavailable:
      out = {503, "ServiceUnavailable", {}};
      break;
    case ErrorKind::internal:
      break;
  }
  for (const auto& row : kRows)
    if (row.code == error.code) out.status = row.status, out.name = row.code;
  out.body = std::string(kHeader) + "<Error>" + element("Code", out.name) + element("Message", error.message) +
             element("Resource", resource) + element("RequestId", request_id) + "</Error>";
  return out;
}

}  // namespace vedette::s3
