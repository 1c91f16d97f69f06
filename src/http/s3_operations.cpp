#include "http/s3_operations.hpp"

#include "base/text.hpp"

namespace vedette {
namespace s3_operations {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-", kChecksumPrefix = "x-amz-checksum-";
constexpr std::size_t kMetadataLimit = 2048;

Error s3_error(ErrorKind kind, const char* code, std::string message) {
  return fail(kind, std::move(message), code);
}

Error no_such_bucket() {
  return s3_error(ErrorKind::not_found, "NoSuchBucket", "The specified bucket does not exist");
}

Error precondition_failed() {
  return s3_error(ErrorKind::conflict, "PreconditionFailed",
                  "At least one of the pre-conditions you specified did not hold");
}

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

Result<void> need_bucket(const S3Call& call) {
  const auto has = call.objects.has_bucket(call.request.bucket);
  if (!has) return has.error();
  return *has ? Result<void>() : no_such_bucket();
}

std::string in_quotes(std::string_view etag) {
  return "\"" + std::string(etag) + "\"";
}

std::string_view unquoted(std::string_view etag) {
  etag = trim(etag);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') return etag.substr(1, etag.size() - 2);
  return etag;
}

Result<void> check_content(const S3Call& call) {
  const auto& content = *call.content;
  // An empty header is not an MD5 either, so it is refused.
  for (const auto& [name, md5] : call.headers) {
    if (name != "content-md5") continue;
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

void add_encryption_header(Response& r, const ObjectAttributes& attributes) {
  for (const auto& [name, value] : attributes.headers)
    if (name == kEncryption) r.headers.emplace_back(name, value);
}

void add_version_header(Response& r, const std::optional<std::string>& version_id) {
  if (version_id) r.headers.emplace_back("x-amz-version-id", *version_id);
}

void add_new_version_header(Response& r, const std::optional<std::string>& version_id) {
  if (version_id != "null") add_version_header(r, version_id);
}

Result<ObjectAttributes> read_attributes(const HeaderList& headers) {
  static constexpr std::string_view kKept[] = {"cache-control",    "content-disposition",
                                               "content-encoding", "content-language",
                                               "expires",          "x-amz-website-redirect-location"};
  ObjectAttributes out;
  const auto type = header_value(headers, "content-type");
  out.content_type = type.empty() ? "binary/octet-stream" : std::string(type);
  std::size_t size = 0;
  for (const auto& [name, value] : headers) {
    if (name.starts_with(kMetadataPrefix)) {
      out.user_metadata.emplace_back(name.substr(kMetadataPrefix.size()), value);
      size += out.user_metadata.back().first.size() + value.size();
    } else if (std::find(std::begin(kKept), std::end(kKept), name) != std::end(kKept)) {
      std::string kept;
      for (auto part : split(value, name == "content-encoding" ? ',' : '\0'))
        if (trim(part) != "aws-chunked") kept += (kept.empty() ? "" : ", ") + std::string(trim(part));
      if (!kept.empty()) out.headers.emplace_back(name, std::move(kept));
    } else if (name == kEncryption) {
      // The header is accepted and returned, because clients that ask for encryption check that. On disk the objects
      // are only as safe as the disk.
      out.headers.emplace_back(name, value);
    }
  }
  if (size > kMetadataLimit)
    return s3_error(ErrorKind::invalid_input, "InvalidArgument",
                    "Your metadata headers exceed the maximum allowed metadata size");
  auto tags = s3::parse_tagging_header(header_value(headers, "x-amz-tagging"));
  if (!tags) return tags.error();
  out.tags = std::move(*tags);
  return out;
}

PutCondition read_condition(const HeaderList& headers) {
  PutCondition condition;
  condition.must_not_exist = trim(header_value(headers, "if-none-match")) == "*";
  if (const auto etag = header_value(headers, "if-match"); !etag.empty())
    condition.etag_is = std::string(unquoted(etag));
  return condition;
}

}  // namespace s3_operations

Result<void> check_conditions(s3::OperationKind kind, const HeaderList& headers) {
  using Kind = s3::OperationKind;
  if (kind == Kind::get_object || kind == Kind::head_object) return {};
  const bool is_copy = kind == Kind::copy_object || kind == Kind::upload_part_copy;
  const bool makes_object = kind == Kind::put_object || kind == Kind::copy_object ||
                            kind == Kind::create_multipart_upload || kind == Kind::complete_multipart_upload;
  for (const auto& [name, value] : headers) {
    const bool is_condition = name == "if-match" || name == "if-none-match" || name == "if-modified-since" ||
                              name == "if-unmodified-since" || name.starts_with("x-amz-if-match-") ||
                              name.starts_with("x-amz-copy-source-if-");
    const bool is_offered = (name == "if-match" && (makes_object || kind == Kind::delete_object)) ||
                            (name == "if-none-match" && makes_object && trim(value) == "*") ||
                            (name.starts_with("x-amz-copy-source-if-") && is_copy);
    if (is_condition && !is_offered)
      return fail(ErrorKind::unsupported, "This server does not offer the condition " + name + ": " + value + " here.",
                  "NotImplemented");
  }
  return {};
}

Result<void> check_put_headers(const HeaderList& headers) {
  const auto not_kept = [](const char* what) {
    return fail(ErrorKind::unsupported, std::string("This server does not offer ") + what + ".", "NotImplemented");
  };
  for (const auto& [name, value] : headers) {
    if (name == s3_operations::kEncryption && value != "AES256") return not_kept("encryption with customers' keys");
    if (name.starts_with("x-amz-server-side-encryption-customer") ||
        name.starts_with("x-amz-server-side-encryption-aws-kms"))
      return not_kept("encryption with customers' keys");
    if (name.starts_with("x-amz-object-lock-") || name == "x-amz-bucket-object-lock-enabled")
      if (!equals_ignore_case(value, "false")) return not_kept("object lock");
    if (name == "x-amz-object-ownership" && value != s3_operations::kOwnerEnforced)
      return not_kept("access control lists");
    if (name == "x-amz-write-offset-bytes") return not_kept("appending to an object");
    const bool is_acl = name == "x-amz-acl" && value != "private" && value != "bucket-owner-full-control" &&
                        value != "bucket-owner-read";
    if (is_acl || name.starts_with("x-amz-grant-"))
      return fail(ErrorKind::invalid_input, "The bucket does not allow ACLs", "AccessControlListNotSupported");
    if (name == "x-amz-storage-class" &&
        (value.empty() || value.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != std::string::npos))
      return fail(ErrorKind::invalid_input, "The storage class you specified is not valid", "InvalidStorageClass");
  }
  return {};
}

std::optional<ChecksumAlgorithm> announced_checksum(const HeaderList& headers) {
  const auto algorithm_of = [](std::string_view name) -> std::optional<ChecksumAlgorithm> {
    if (!name.starts_with(s3_operations::kChecksumPrefix)) return std::nullopt;
    return parse_checksum_algorithm(name.substr(s3_operations::kChecksumPrefix.size()));
  };
  for (const auto& [name, value] : headers) {
    if (const auto algorithm = algorithm_of(name)) return algorithm;
    if (name == "x-amz-trailer")
      for (const auto part : split(value, ','))
        if (const auto algorithm = algorithm_of(to_lower(trim(part)))) return algorithm;
  }
  return std::nullopt;
}

Result<Response> run_s3(S3Call& call) {
  using Kind = s3::OperationKind;
  using namespace s3_operations;
  const auto operation = [&]() -> Operation {
    switch (call.request.kind) {
      case Kind::list_buckets:
        return s3_operations::list_buckets;
      case Kind::create_bucket:
        return s3_operations::create_bucket;
      case Kind::head_bucket:
        return s3_operations::head_bucket;
      case Kind::delete_bucket:
        return s3_operations::delete_bucket;
      case Kind::get_bucket_location:
        return s3_operations::get_bucket_location;
      case Kind::list_objects_v1:
        return s3_operations::list_objects_v1;
      case Kind::list_objects_v2:
        return s3_operations::list_objects_v2;
      case Kind::put_object:
        return call.is_archive ? s3_operations::put_archive : s3_operations::put_object;
      case Kind::get_object:
        return s3_operations::get_object;
      case Kind::head_object:
        return s3_operations::head_object;
      case Kind::delete_object:
        return s3_operations::delete_object;
      case Kind::copy_object:
        return s3_operations::copy_object;
      case Kind::delete_objects:
        return s3_operations::delete_objects;
      case Kind::create_multipart_upload:
        return s3_operations::create_multipart_upload;
      case Kind::upload_part:
        return s3_operations::upload_part;
      case Kind::upload_part_copy:
        return s3_operations::upload_part_copy;
      case Kind::complete_multipart_upload:
        return s3_operations::complete_multipart_upload;
      case Kind::abort_multipart_upload:
        return s3_operations::abort_multipart_upload;
      case Kind::list_parts:
        return s3_operations::list_parts;
      case Kind::list_multipart_uploads:
        return s3_operations::list_multipart_uploads;
      case Kind::list_object_versions:
        return s3_operations::list_object_versions;
      case Kind::get_versioning:
        return s3_operations::get_versioning;
      case Kind::put_versioning:
        return s3_operations::put_versioning;
      case Kind::get_setting:
        return s3_operations::get_setting;
      case Kind::put_setting:
        return s3_operations::put_setting;
      case Kind::delete_setting:
        return s3_operations::delete_setting;
      case Kind::get_absent_setting:
        return s3_operations::get_absent_setting;
      case Kind::get_acl:
        return s3_operations::get_acl;
      case Kind::put_acl:
        return s3_operations::put_acl;
      case Kind::get_object_tagging:
        return s3_operations::get_object_tagging;
      case Kind::put_object_tagging:
        return s3_operations::put_object_tagging;
      case Kind::delete_object_tagging:
        return s3_operations::delete_object_tagging;
    }
    return nullptr;
  }();
  if (operation == nullptr) return internal_error("unknown S3 operation");
  return operation(call);
}

}  // namespace vedette
