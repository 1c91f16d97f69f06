#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

/// What a bucket carries beside its objects: settings that are kept, those that are honoured as values, and those that a
/// bucket here never has. Pure functions.
namespace vedette::s3 {

/// A setting that clients may put, read and delete.
struct Setting {
  std::string_view name;  ///< query parameter, and what the store calls it
  std::string_view root;  ///< element of the document
  std::string_view get_action, put_action;
  std::string_view missing_code, missing_message;  ///< answer if it was never put
};
const Setting* find_setting(std::string_view query_name);

/// Checks a document and gives it in the form that is kept and returned. Fails with MalformedXML or InvalidRequest, and
/// NotImplemented for rules that this server could not keep.
Result<std::string> check_setting(const Setting& setting, std::string_view xml);

/// A setting that no bucket here has; reading it says so.
struct AbsentSetting {
  std::string_view name, get_action;
  std::string_view missing_code, missing_message;  ///< no code: the message is a document that says "none"
};
const AbsentSetting* find_absent_setting(std::string_view query_name);

/// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
struct CorsRule {
  std::vector<std::string> origins, methods, headers, exposed;  ///< origins and headers may hold one *
  std::optional<int> max_age_seconds;
};
Result<std::vector<CorsRule>> parse_cors(std::string_view xml);
/// The headers that the first fitting rule gives an answer; none if no rule fits. A preflight names the headers that
/// the request will have.
using Headers = std::vector<std::pair<std::string, std::string>>;
Headers cors_headers(const std::vector<CorsRule>& rules, std::string_view origin, std::string_view method,
                     const std::optional<std::string>& requested_headers);

/// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
struct LifecycleRule {
  std::string id, prefix;
  bool is_enabled = false;
  std::optional<int> days;             ///< objects (in buckets with versions: they become old ones) expire
  bool removes_lone_markers = false;   ///< delete markers without any version below go
  std::optional<int> noncurrent_days;  ///< old versions expire
  int newer_noncurrent = 0;            ///< … but this many stay
  std::optional<int> abort_upload_days;
};
Result<std::vector<LifecycleRule>> parse_lifecycle(std::string_view xml);

/// "Enabled" or "Suspended" of a VersioningConfiguration. Fails with MalformedXML, NotImplemented for MFA delete.
Result<bool> parse_versioning(std::string_view xml);

/// Whether an AccessControlPolicy document gives everything to this owner and nothing to anybody else: the only one that
/// objects here have. Fails with MalformedXML.
Result<bool> is_private_acl(std::string_view xml, std::string_view owner);

/// Tags of a Tagging document, at most 10. Fails with MalformedXML or InvalidTag.
Result<Headers> parse_tagging(std::string_view xml);
/// Tags of the header x-amz-tagging: "a=b&c=d", percent-encoded.
Result<Headers> parse_tagging_header(std::string_view header);
std::string encode_tagging(const Headers& tags);

}  // namespace vedette::s3
