#include "api/s3/messages.hpp"

#include <fmt/format.h>

#include <pugixml.hpp>

#include "base/text.hpp"
#include "base/xml.hpp"

namespace vedette::s3 {
namespace {

constexpr std::string_view kHeader = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr std::string_view kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

void append_element(std::string& out, std::string_view name, std::string_view value) {
  out.append("<").append(name).append(">");
  append_xml_escaped(out, value);
  out.append("</").append(name).append(">");
}

std::string element(std::string_view name, std::string_view value) {
  std::string out;
  append_element(out, name, value);
  return out;
}

std::string listed(const Listing& l, std::string_view text) {
  return l.url_encoded ? uri_encode(text, true) : std::string(text);
}

std::string owner_element(const Listing& l) {
  return l.owner.empty() ? "" : "<Owner>" + element("ID", l.owner) + element("DisplayName", l.owner) + "</Owner>";
}

std::string quoted(std::string_view etag) {
  return "\"" + std::string(etag) + "\"";
}

std::string encode_entries(const Listing& l) {
  constexpr std::size_t kTypicalEntry = 300;
  const auto owner = owner_element(l);
  std::string out;
  out.reserve(l.objects.size() * (kTypicalEntry + owner.size()));
  for (const auto& o : l.objects) {
    out += "<Contents>";
    append_element(out, "Key", listed(l, o.key));
    append_element(out, "LastModified", to_extended_iso8601(o.modified));
    append_element(out, "ETag", quoted(o.etag));
    append_element(out, "Size", std::to_string(o.size_bytes));
    out += owner;
    out += "<StorageClass>STANDARD</StorageClass></Contents>";
  }
  for (const auto& p : l.common_prefixes)
    out += "<CommonPrefixes>" + element("Prefix", listed(l, p)) + "</CommonPrefixes>";
  return out;
}

constexpr std::size_t kMostDeleted = 1000;
constexpr std::int64_t kMostPartNumber = 10'000;

Error malformed() {
  return fail(ErrorKind::invalid_input,
              "The XML you provided was not well-formed or did not validate against our published schema",
              "MalformedXML");
}

/// Returns the root element of a body, or an empty node if it has another name. pugixml resolves no external entities
/// and no document types.
pugi::xml_node parsed(pugi::xml_document& document, std::string_view xml, const char* root) {
  // The text of a key may be a space, so white space is kept.
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata_single,
                            pugi::encoding_utf8))
    return {};
  return document.child(root);
}

}  // namespace

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

std::string encode_buckets(const std::vector<std::pair<std::string, Timestamp>>& buckets, std::string_view owner,
                           std::string_view prefix, std::string_view next_token) {
  std::string out = fmt::format("{}<ListAllMyBucketsResult xmlns=\"{}\"><Owner>{}</Owner><Buckets>", kHeader,
                                kNamespace, element("ID", owner) + element("DisplayName", owner));
  for (const auto& [name, created] : buckets)
    out += "<Bucket>" + element("Name", name) + element("CreationDate", to_extended_iso8601(created)) + "</Bucket>";
  out += "</Buckets>";
  if (!prefix.empty()) out += element("Prefix", prefix);
  if (!next_token.empty()) out += element("ContinuationToken", next_token);
  return out + "</ListAllMyBucketsResult>";
}

std::string encode_location(std::string_view region) {
  // us-east-1 is written as an empty constraint, and clients map it back.
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
    for (const char* condition : {"ETag", "LastModifiedTime", "Size"})
      if (object.child(condition))
        return fail(ErrorKind::unsupported, "This server does not offer conditions on single keys of DeleteObjects.",
                    "NotImplemented");
    DeleteRequest::Object entry{object.child_value("Key"), {}};
    if (const auto version = object.child("VersionId")) entry.version_id = version.child_value();
    if (entry.key.empty() || entry.key.size() > kLongestKey || request.objects.size() == kMostDeleted)
      return malformed();
    request.objects.push_back(std::move(entry));
  }
  if (request.objects.empty()) return malformed();
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

std::string encode_deleted(const std::vector<DeletedObject>& objects, bool is_quiet) {
  std::string out = fmt::format("{}<DeleteResult xmlns=\"{}\">", kHeader, kNamespace);
  for (const auto& o : objects) {
    const auto named = element("Key", o.key) + (o.version_id ? element("VersionId", *o.version_id) : "");
    if (o.error) {
      out += "<Error>" + named + element("Code", encode_error(*o.error, "", "").name) +
             element("Message", o.error->message) + "</Error>";
    } else if (!is_quiet) {
      out += "<Deleted>" + named;
      if (o.is_delete_marker) out += element("DeleteMarker", "true");
      if (o.is_delete_marker && o.result_version_id) out += element("DeleteMarkerVersionId", *o.result_version_id);
      out += "</Deleted>";
    }
  }
  return out + "</DeleteResult>";
}

std::string encode_versions(const VersionListing& v) {
  const auto& l = v.listing;
  std::string out = fmt::format("{}<ListVersionsResult xmlns=\"{}\">", kHeader, kNamespace);
  out += element("Name", l.bucket) + element("Prefix", listed(l, l.prefix)) +
         element("KeyMarker", listed(l, v.key_marker)) + element("VersionIdMarker", v.version_marker) +
         element("MaxKeys", std::to_string(l.max_keys));
  if (!l.delimiter.empty()) out += element("Delimiter", listed(l, l.delimiter));
  if (l.url_encoded) out += element("EncodingType", "url");
  out += element("IsTruncated", l.is_truncated ? "true" : "false");
  if (l.is_truncated) {
    out += element("NextKeyMarker", listed(l, l.next_token));
    if (!v.next_version_marker.empty()) out += element("NextVersionIdMarker", v.next_version_marker);
  }
  for (const auto& version : v.versions) {
    const auto& o = version.object;
    const char* name = version.is_delete_marker ? "DeleteMarker" : "Version";
    out += fmt::format("<{}>", name) + element("Key", listed(l, o.key)) + element("VersionId", version.version_id) +
           element("IsLatest", version.is_latest ? "true" : "false") +
           element("LastModified", to_extended_iso8601(o.modified));
    if (!version.is_delete_marker)
      out += element("ETag", quoted(o.etag)) + element("Size", std::to_string(o.size_bytes)) +
             "<StorageClass>STANDARD</StorageClass>";
    out += owner_element(l) + fmt::format("</{}>", name);
  }
  for (const auto& p : l.common_prefixes)
    out += "<CommonPrefixes>" + element("Prefix", listed(l, p)) + "</CommonPrefixes>";
  return out + "</ListVersionsResult>";
}

std::string encode_versioning(std::string_view status) {
  return fmt::format("{}<VersioningConfiguration xmlns=\"{}\">{}</VersioningConfiguration>", kHeader, kNamespace,
                     status.empty() ? "" : element("Status", status));
}

std::string encode_ownership(std::string_view value) {
  return fmt::format("<OwnershipControls xmlns=\"{}\"><Rule>{}</Rule></OwnershipControls>", kNamespace,
                     element("ObjectOwnership", value));
}

std::string encode_private_acl(std::string_view owner) {
  const auto who = element("ID", owner) + element("DisplayName", owner);
  return fmt::format(
      "{}<AccessControlPolicy xmlns=\"{}\"><Owner>{}</Owner><AccessControlList><Grant><Grantee "
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">{}</Grantee>"
      "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>",
      kHeader, kNamespace, who, who);
}

std::string encode_document(std::string_view document) {
  return std::string(kHeader) + std::string(document);
}

std::string encode_copied(std::string_view root, std::string_view etag, Timestamp modified) {
  return fmt::format("{}<{} xmlns=\"{}\">{}{}</{}>", kHeader, root, kNamespace,
                     element("LastModified", to_extended_iso8601(modified)), element("ETag", quoted(etag)), root);
}

std::string encode_upload_started(std::string_view bucket, std::string_view key, std::string_view upload) {
  return fmt::format("{}<InitiateMultipartUploadResult xmlns=\"{}\">{}{}{}</InitiateMultipartUploadResult>", kHeader,
                     kNamespace, element("Bucket", bucket), element("Key", key), element("UploadId", upload));
}

std::string encode_upload_completed(std::string_view location, std::string_view bucket, std::string_view key,
                                    std::string_view etag) {
  return fmt::format("{}<CompleteMultipartUploadResult xmlns=\"{}\">{}{}{}{}</CompleteMultipartUploadResult>", kHeader,
                     kNamespace, element("Location", location), element("Bucket", bucket), element("Key", key),
                     element("ETag", quoted(etag)));
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
                                  {"MethodNotAllowed", 405},
                                  {"NoSuchVersion", 404},
                                  {"NoSuchCORSConfiguration", 404},
                                  {"NoSuchLifecycleConfiguration", 404},
                                  {"ServerSideEncryptionConfigurationNotFoundError", 404},
                                  {"NoSuchPublicAccessBlockConfiguration", 404},
                                  {"OwnershipControlsNotFoundError", 404},
                                  {"NoSuchTagSet", 404},
                                  {"NoSuchBucketPolicy", 404},
                                  {"NoSuchWebsiteConfiguration", 404},
                                  {"ReplicationConfigurationNotFoundError", 404},
                                  {"ObjectLockConfigurationNotFoundError", 404},
                                  {"AccessControlListNotSupported", 400},
                                  {"InvalidTag", 400},
                                  {"BadRequest", 400},
                                  {"InvalidStorageClass", 400},
                                  {"InvalidPartNumber", 416},
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
                                  {"InvalidToken", 400},
                                  {"ExpiredToken", 400},
                                  {"RequestTimeTooSkewed", 403},
                                  {"AccessDenied", 403},
                                  {"AccessForbidden", 403},
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
             (error.resource_type == "HeadersNotSigned" ? element("HeadersNotSigned", error.resource_id) : "") +
             element("Resource", resource) + element("RequestId", request_id) + "</Error>";
  return out;
}

}  // namespace vedette::s3
