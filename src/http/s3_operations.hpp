#pragma once

#include <memory>
#include <optional>

#include "api/s3/messages.hpp"
#include "auth/auth.hpp"
#include "http/exchange.hpp"
#include "store/objects/buckets.hpp"

/// Runs the S3 operations, which are in s3_buckets.cpp, s3_objects.cpp, s3_archives.cpp,
/// s3_listings.cpp and s3_uploads.cpp.
namespace vedette {

struct S3Call {
  BucketStore& objects;
  const Caller& caller;
  const Scope& scope;
  const s3::Request& request;
  std::string_view path;  ///< the path as the client wrote it
  const HeaderList& headers;
  const HeaderList& trailers;             ///< the trailers of an aws-chunked body
  std::string_view body;                  ///< an XML body, or empty
  std::unique_ptr<StagedObject> content;  ///< the finished content of a put or a part, or null
  bool is_archive = false;                ///< whether the content is a HeldArchive, which is unpacked
  std::size_t unpacked = 0;               ///< set by the operation: how many objects an archive became
  [[nodiscard]] std::optional<std::string> version_id() const { return request.parameter("versionId"); }
};
/// Runs the operation of a call. The caller is already authorised, except for the single keys of DeleteObjects and of
/// an archive that is unpacked, and for the source of a copy.
Result<Response> run_s3(S3Call& call);

/// An archive in memory, from which it is unpacked (api/s3/archive.hpp).
class HeldArchive : public StagedObject {
 public:
  [[nodiscard]] virtual const std::string& bytes() const = 0;  ///< At most s3::kLargestArchive of them.
};
std::unique_ptr<HeldArchive> hold_archive();

/// Returns whether a put sends a tar archive that is to be unpacked into the bucket. The headers are those of AWS
/// Snowball Edge and of MinIO: x-amz-meta-snowball-auto-extract, …-prefix, …-ignore-dirs. Fails with NotImplemented if
/// the request asks for something that an archive cannot have here.
///   https://docs.aws.amazon.com/snowball/latest/developer-guide/batching-small-files.html
Result<bool> is_archive_to_unpack(s3::OperationKind kind, const HeaderList& headers);

/// Returns the checksum that a request announces in a header, either with its value or for the trailer.
std::optional<ChecksumAlgorithm> announced_checksum(const HeaderList& headers);

/// Checks that the request has no conditions that the operation cannot test. Fails with NotImplemented, because a
/// change must not be made as if the conditions held.
Result<void> check_conditions(s3::OperationKind kind, const HeaderList& headers);

/// Checks that a put asks for nothing that the server would not keep. Fails with NotImplemented or with S3's code for
/// the header.
Result<void> check_put_headers(const HeaderList& headers);

namespace s3_operations {

using Operation = Result<Response> (*)(S3Call& call);

// These operations concern buckets and their settings.
Result<Response> list_buckets(S3Call& call);
Result<Response> create_bucket(S3Call& call);
Result<Response> head_bucket(S3Call& call);
Result<Response> delete_bucket(S3Call& call);
Result<Response> get_bucket_location(S3Call& call);
Result<Response> get_versioning(S3Call& call);
Result<Response> put_versioning(S3Call& call);
Result<Response> get_setting(S3Call& call);
Result<Response> put_setting(S3Call& call);
Result<Response> delete_setting(S3Call& call);
Result<Response> get_absent_setting(S3Call& call);
Result<Response> get_acl(S3Call& call);
Result<Response> put_acl(S3Call& call);
// These operations list objects and versions.
Result<Response> list_objects_v1(S3Call& call);
Result<Response> list_objects_v2(S3Call& call);
Result<Response> list_object_versions(S3Call& call);
// These operations concern objects.
Result<Response> put_object(S3Call& call);
/// Stores every entry of an archive as an object, or nothing.
Result<Response> put_archive(S3Call& call);
Result<Response> get_object(S3Call& call);
Result<Response> head_object(S3Call& call);
Result<Response> copy_object(S3Call& call);
Result<Response> delete_object(S3Call& call);
Result<Response> delete_objects(S3Call& call);
Result<Response> get_object_tagging(S3Call& call);
Result<Response> put_object_tagging(S3Call& call);
Result<Response> delete_object_tagging(S3Call& call);
// These operations upload an object in parts.
Result<Response> create_multipart_upload(S3Call& call);
Result<Response> upload_part(S3Call& call);
Result<Response> upload_part_copy(S3Call& call);
Result<Response> complete_multipart_upload(S3Call& call);
Result<Response> abort_multipart_upload(S3Call& call);
Result<Response> list_parts(S3Call& call);
Result<Response> list_multipart_uploads(S3Call& call);

// All operations share the following.
inline constexpr std::int64_t kMostKeys = 1000;
inline constexpr std::string_view kEncryption = "x-amz-server-side-encryption";
inline constexpr std::string_view kOwnerEnforced = "BucketOwnerEnforced";
Error s3_error(ErrorKind kind, const char* code, std::string message);
Error no_such_bucket();
Error precondition_failed();
Response xml(std::string body);
Response no_content();
Result<void> need_bucket(const S3Call& call);
std::string in_quotes(std::string_view etag);
std::string_view unquoted(std::string_view etag);
/// Checks content that arrived against its MD5 and the checksum that the client sent.
Result<void> check_content(const S3Call& call);
void add_checksum_header(Response& r, const std::optional<ObjectChecksum>& checksum);
/// Adds the header that clients which asked for encryption look for in the answer.
void add_encryption_header(Response& r, const ObjectAttributes& attributes);
void add_version_header(Response& r, const std::optional<std::string>& version_id);
/// Adds the new version's id to the answer of a put. If the bucket no longer keeps versions, the id is "null", which S3
/// does not tell.
void add_new_version_header(Response& r, const std::optional<std::string>& version_id);
/// Reads the content type, user metadata, other headers that are kept, and tags.
Result<ObjectAttributes> read_attributes(const HeaderList& headers);
PutCondition read_condition(const HeaderList& headers);
/// Opens the source of a copy, which the caller must be allowed to read.
Result<std::unique_ptr<ObjectReader>> open_source(const S3Call& call);

}  // namespace s3_operations
}  // namespace vedette
