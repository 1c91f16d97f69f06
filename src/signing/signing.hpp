#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/result.hpp"

/// AWS Signature Version 4, and presigned URLs of Version 2, as pure functions.
///   https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
namespace vedette {

/// Names in lower case, values as received.
using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// The parts of a request that a signature covers. Path and query are as sent: percent-encoded.
struct SignableRequest {
  std::string method;
  std::string path;
  std::string query;
  HeaderList headers;
  /// What Version 2 signs as the path: with the bucket in front where the host names it. Unused by Version 4.
  std::string resource = {};
};

/// <access key id>/<yyyymmdd>/<region>/<service>/aws4_request
struct CredentialScope {
  std::string access_key_id, date, region, service;
};

struct Authorization {
  CredentialScope credential;                   ///< of Version 2: the key only, and the service "s3"
  std::vector<std::string> signed_headers;      ///< lower case, sorted
  std::string signature;                        ///< 64 hexadecimal digits; of Version 2: base64 of 20 bytes
  std::string timestamp;                        ///< X-Amz-Date: yyyymmddThhmmssZ; of Version 2: Expires as sent
  Timestamp time;                               ///< when it was signed; of Version 2: when it expires
  std::optional<std::int64_t> expires_seconds;  ///< presigned only
  bool is_presigned = false;
  bool is_version_2 = false;
};

/// Reads the Authorization header, or the X-Amz-… query parameters of a presigned URL. Fails with unauthenticated and
/// the code MissingAuthenticationToken, IncompleteSignature or AuthorizationQueryParametersError; with InvalidRequest for a header of
/// Signature Version 2, which is not offered. Its presigned URLs are read by parse_presigned_v2.
Result<Authorization> parse_authorization(const SignableRequest& request);

/// The session token that comes with temporary keys, from the header x-amz-security-token or from the query parameter of
/// that name in any case; empty if there is none.
std::string session_token(const SignableRequest& request);

/// Whoever holds a signed request may not add to its meaning: every header x-amz-… must be signed, as S3 wants it, and so must
/// x-amzn-client-token. Fails with access_denied; the error's resource id lists the headers that are not signed, its resource type is
/// kHeadersNotSigned.
Result<void> check_signed_headers(const Authorization& authorization, const HeaderList& headers);
inline constexpr const char* kHeadersNotSigned = "HeadersNotSigned";

/// Fails with unauthenticated and the code RequestTimeTooSkewed (15 minutes) or, presigned, access_denied once it has expired; of
/// Version 2 with AuthorizationQueryParametersError if it expires more than a week from now.
Result<void> check_time(const Authorization& authorization, Timestamp now);

/// How a service writes the path into the canonical request: S3 as sent, all others normalised and encoded once more.
enum class PathStyle { s3, normalized };

/// `payload_hash` is the hexadecimal SHA-256 of the body, or the text that stands for it ("UNSIGNED-PAYLOAD").
std::string canonical_request(const SignableRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_hash, PathStyle style, bool is_presigned);

/// The key that signs everything of one day, region and service.
Sha256 signing_key(std::string_view secret, const CredentialScope& scope);

/// Lower-case hexadecimal signature.
std::string sign(std::string_view secret, const CredentialScope& scope, std::string_view timestamp,
                 std::string_view canonical_request);

/// Whether the signature belongs to request and secret; the comparison takes the same time for any wrong signature.
bool verify(const Authorization& authorization, const SignableRequest& request, std::string_view payload_hash,
            std::string_view secret);

/// The value of a header (name in lower case), or empty.
std::string_view header_value(const HeaderList& headers, std::string_view name);

}  // namespace vedette
