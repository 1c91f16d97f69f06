#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/s3/settings.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

/// The service `s3` on the wire: requests are recognised, XML bodies are read, answers and errors are written. The
/// functions are pure.
namespace vedette::s3 {

enum class OperationKind {
  list_buckets,
  create_bucket,
  head_bucket,
  delete_bucket,
  get_bucket_location,
  list_objects_v1,
  list_objects_v2,
  put_object,
  get_object,
  head_object,
  delete_object,
  copy_object,
  delete_objects,
  create_multipart_upload,
  upload_part,
  upload_part_copy,
  complete_multipart_upload,
  abort_multipart_upload,
  list_parts,
  list_multipart_uploads,
  list_object_versions,
  get_versioning,
  put_versioning,
  get_setting,
  put_setting,
  delete_setting,
  get_absent_setting,
  get_acl,
  put_acl,
  get_object_tagging,
  put_object_tagging,
  delete_object_tagging
};

inline constexpr std::size_t kLongestKey = 1024;  // in bytes

struct Request {
  OperationKind kind;
  std::string action;  ///< The IAM action that a caller needs.
  std::string bucket;
  std::string key;
  std::vector<std::pair<std::string, std::string>> query;  ///< Decoded names and values.
  /// Set for the kinds get_setting, put_setting and delete_setting.
  const Setting* setting = nullptr;
  const AbsentSetting* absent = nullptr;  ///< Set for the kind get_absent_setting.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
};

/// Recognises the operation of a request. Fails with unsupported (code NotImplemented) if this server does not offer
/// it, and with invalid_input and S3's code for a bad bucket name or key.
Result<Request> parse_request(std::string_view method, std::string_view raw_path, std::string_view raw_query,
                              bool is_copy);

/// The objects of a DeleteObjects body. Reading it fails with MalformedXML, also if it names more than 1,000 keys.
struct DeleteRequest {
  struct Object {
    std::string key;
    std::optional<std::string> version_id;
  };
  std::vector<Object> objects;
  bool is_quiet = false;
};
Result<DeleteRequest> parse_delete(std::string_view xml);
/// Returns the part numbers and etags of a CompleteMultipartUpload body, in its order. Fails with MalformedXML.
Result<std::vector<std::pair<int, std::string>>> parse_complete(std::string_view xml);
/// The value of x-amz-copy-source: "/bucket/key?versionId=…", percent-encoded. Reading it fails with InvalidArgument.
struct CopySource {
  std::string bucket, key;
  std::optional<std::string> version_id;
};
Result<CopySource> parse_copy_source(std::string_view header);

/// Whether a request may address a bucket of this name: the name has S3's length and letters, and is not one of the
/// server's own paths.
bool is_bucket_name(std::string_view name);
/// Whether a bucket of this name may be made. S3 forbids further names, such as addresses and its own prefixes and
/// suffixes:
/// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
bool is_new_bucket_name(std::string_view name);

struct ListedObject {
  std::string key, etag;
  std::uint64_t size_bytes;
  Timestamp modified;
};
struct Listing {
  std::string bucket, prefix, delimiter, start_after, continuation_token, next_token;
  std::string owner;  ///< The account that the answer names as the owner of each object; empty: owners are left out.
  std::int64_t max_keys = 1000;
  bool is_truncated = false, url_encoded = false;
  std::vector<ListedObject> objects;
  std::vector<std::string> common_prefixes;
};
std::string encode_listing_v1(const Listing& listing, std::string_view marker);
std::string encode_listing_v2(const Listing& listing);
/// Writes a page of buckets. `next_token` is empty on the last page, and `prefix` is empty if none was asked for.
std::string encode_buckets(const std::vector<std::pair<std::string, Timestamp>>& buckets, std::string_view owner,
                           std::string_view prefix, std::string_view next_token);
std::string encode_location(std::string_view region);
/// A page of versions: `listing` has no objects, and its next_token is the next key marker.
struct ListedVersion {
  ListedObject object;
  std::string version_id;
  bool is_latest, is_delete_marker;
};
struct VersionListing {
  Listing listing;
  std::string key_marker, version_marker, next_version_marker;
  std::vector<ListedVersion> versions;
};
std::string encode_versions(const VersionListing& versions);
std::string encode_versioning(std::string_view status);  ///< The status is "Enabled", "Suspended" or empty.
std::string encode_ownership(std::string_view value);    ///< The value is what the setting "ownershipControls" keeps.
std::string encode_private_acl(std::string_view owner);
std::string encode_document(std::string_view document);  ///< Writes the document of a setting as an answer.
struct DeletedObject {
  std::string key;
  std::optional<std::string> version_id;  ///< The version that the request named.
  std::optional<Error> error;
  std::optional<std::string> result_version_id;
  bool is_delete_marker = false;
};
std::string encode_deleted(const std::vector<DeletedObject>& objects, bool is_quiet);
/// `root` is CopyObjectResult or CopyPartResult.
std::string encode_copied(std::string_view root, std::string_view etag, Timestamp modified);
std::string encode_upload_started(std::string_view bucket, std::string_view key, std::string_view upload);
std::string encode_upload_completed(std::string_view location, std::string_view bucket, std::string_view key,
                                    std::string_view etag);
struct ListedPart {
  int number;
  std::string etag;
  std::uint64_t size_bytes;
  Timestamp modified;
};
std::string encode_parts(std::string_view bucket, std::string_view key, std::string_view upload,
                         const std::vector<ListedPart>& parts, int max_parts, bool is_truncated);
struct ListedUpload {
  std::string key, id;
  Timestamp initiated;
};
std::string encode_uploads(std::string_view bucket, std::string_view prefix, const std::vector<ListedUpload>& uploads,
                           bool is_truncated);

/// The first and the last byte that a Range header asks for, of an object of `size` bytes. The result is empty if the
/// header is no single byte range; such a header is ignored. Fails with invalid_input and the code InvalidRange if the
/// range lies outside.
struct ByteRange {
  std::uint64_t first, last;
};
Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t size);
/// Reads the value of x-amz-copy-source-range: "bytes=first-last" and nothing else, since a part must not hold other
/// bytes than were meant. Fails with InvalidArgument, or with InvalidRange if a source of that size has no such bytes.
Result<ByteRange> parse_copy_range(std::string_view header, std::uint64_t size);

struct WireError {
  int status;
  std::string name;
  std::string body;
};
WireError encode_error(const Error& error, std::string_view resource, std::string_view request_id);

}  // namespace vedette::s3
