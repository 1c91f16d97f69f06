#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

/// What a bucket carries beside its objects: settings that are only kept, settings that the server honours, and
/// settings that no bucket here has. The functions are pure.
namespace vedette::s3 {

/// A setting that clients may put, read and delete.
struct Setting {
  std::string_view name;  ///< The name of the query parameter, and the name under which the store keeps it.
  std::string_view root;  ///< The name of the document's root element.
  std::string_view get_action, put_action;
  std::string_view missing_code, missing_message;  ///< The answer if the setting was never put.
};
const Setting* find_setting(std::string_view query_name);

/// Checks a document and returns it in the form that is kept and returned. Fails with MalformedXML or InvalidRequest,
/// and with NotImplemented for rules that this server could not keep.
Result<std::string> check_setting(const Setting& setting, std::string_view xml);

/// A setting that no bucket here has; the answer to a request that reads it says so.
struct AbsentSetting {
  std::string_view name, get_action;
  /// If the code is empty, the message is a document that says "none".
  std::string_view missing_code, missing_message;
};
const AbsentSetting* find_absent_setting(std::string_view query_name);

/// One rule of a CORS configuration: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
struct CorsRule {
  std::vector<std::string> origins, methods, headers, exposed;  ///< Each origin and each header may hold one *.
  std::optional<int> max_age_seconds;
};
Result<std::vector<CorsRule>> parse_cors(std::string_view xml);
/// Returns the headers that the first fitting rule gives an answer, or none if no rule fits. A preflight request names
/// the headers that the real request will have.
using Headers = std::vector<std::pair<std::string, std::string>>;
Headers cors_headers(const std::vector<CorsRule>& rules, std::string_view origin, std::string_view method,
                     const std::optional<std::string>& requested_headers);

/// One rule of a lifecycle configuration:
/// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
struct LifecycleRule {
  std::string id, prefix;
  bool is_enabled = false;
  /// Objects of this age, in days, expire; in buckets with versions they become old versions.
  std::optional<int> days;
  bool removes_lone_markers = false;   ///< Delete markers without any version below them are removed.
  std::optional<int> noncurrent_days;  ///< Old versions expire so many days after a newer one came.
  int newer_noncurrent = 0;            ///< So many of the old versions stay all the same.
  std::optional<int> abort_upload_days;
};
Result<std::vector<LifecycleRule>> parse_lifecycle(std::string_view xml);

/// Returns true for "Enabled" and false for "Suspended" in a VersioningConfiguration. Fails with MalformedXML, and with
/// NotImplemented for MFA delete.
Result<bool> parse_versioning(std::string_view xml);

/// Whether an AccessControlPolicy document gives everything to this owner and nothing to anybody else: it is the only
/// one that objects here have. Fails with MalformedXML.
Result<bool> is_private_acl(std::string_view xml, std::string_view owner);

/// Returns the tags of a Tagging document, at most 10. Fails with MalformedXML or InvalidTag.
Result<Headers> parse_tagging(std::string_view xml);
/// Returns the tags of the header x-amz-tagging: "a=b&c=d", percent-encoded.
Result<Headers> parse_tagging_header(std::string_view header);
std::string encode_tagging(const Headers& tags);

}  // namespace vedette::s3
