#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/result.hpp"

/// Computes and verifies signatures of AWS Signature Version 4, and reads presigned URLs of Version 2. All functions
/// are pure.
///
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
namespace vedette {

/// Header names are in lower case; values are kept as they were received.
using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// Holds the parts of a request that a signature covers. Path and query are percent-encoded, as they were sent.
struct SignableRequest {
  std::string method;
  std::string path;
  std::string query;
  HeaderList headers;
  /// The path that Version 2 signs. If the host names the bucket, the bucket stands in front. Version 4 does not use
  /// it.
  std::string resource = {};
};

/// Is the text <access key id>/<yyyymmdd>/<region>/<service>/aws4_request.
struct CredentialScope {
  std::string access_key_id, date, region, service;
};

struct Authorization {
  CredentialScope credential;                   ///< in Version 2 only the key and the service "s3" are set
  std::vector<std::string> signed_headers;      ///< header names in lower case, sorted
  std::string signature;                        ///< 64 hexadecimal digits; in Version 2 base64 of 20 bytes
  std::string timestamp;                        ///< X-Amz-Date as yyyymmddThhmmssZ; in Version 2 Expires as sent
  Timestamp time;                               ///< the time of signing; in Version 2 the time of expiry
  std::optional<std::int64_t> expires_seconds;  ///< set for presigned URLs of Version 4 only
  bool is_presigned = false;
  bool is_version_2 = false;
};

/// Reads the Authorization header, or the X-Amz-… query parameters of a presigned URL. Fails with unauthenticated and
/// the code MissingAuthenticationToken, IncompleteSignature or AuthorizationQueryParametersError. Fails with
/// InvalidRequest if the header has a signature of Version 2, which this server does not accept there;
/// parse_presigned_v2 reads presigned URLs of Version 2.
Result<Authorization> parse_authorization(const SignableRequest& request);

/// Returns the session token of temporary keys. It comes in the header x-amz-security-token or in the query parameter
/// of that name, written in any case. The text is empty if there is no token.
std::string session_token(const SignableRequest& request);

/// Checks that nobody has added a meaning to a signed request. Every header x-amz-… must be signed, as S3 demands, and
/// so must x-amzn-client-token. Fails with access_denied; the error's resource id lists the headers that are not
/// signed, and its resource type is kHeadersNotSigned.
Result<void> check_signed_headers(const Authorization& authorization, const HeaderList& headers);
inline constexpr const char* kHeadersNotSigned = "HeadersNotSigned";

/// Fails with unauthenticated and the code RequestTimeTooSkewed if a request was signed more than 15 minutes before or
/// after `now`. For a presigned URL of Version 4 it fails with access_denied once the URL has expired, and if it was
/// signed for a time more than 15 minutes from now. For a URL of Version 2 it fails with access_denied once the URL has
/// expired, and with unauthenticated and AuthorizationQueryParametersError if it expires more than a week from now.
Result<void> check_time(const Authorization& authorization, Timestamp now);

/// Says how a service writes the path into the canonical request: S3 writes it as it was sent, all other services
/// normalise it and encode it once more.
enum class PathStyle { s3, normalized };

/// Returns the canonical request. `payload_hash` is the hexadecimal SHA-256 of the body, or the text that stands for it
/// ("UNSIGNED-PAYLOAD").
std::string canonical_request(const SignableRequest& request, const std::vector<std::string>& signed_headers,
                              std::string_view payload_hash, PathStyle style, bool is_presigned);

/// Returns the key that signs all requests of one day, region and service.
Sha256 signing_key(std::string_view secret, const CredentialScope& scope);

/// Returns the signature in lower-case hexadecimal digits.
std::string sign(std::string_view secret, const CredentialScope& scope, std::string_view timestamp,
                 std::string_view canonical_request);

/// Returns whether the signature belongs to the request and the secret. The comparison takes the same time for every
/// wrong signature.
bool verify(const Authorization& authorization, const SignableRequest& request, std::string_view payload_hash,
            std::string_view secret);

/// Returns the value of a header, whose name must be given in lower case, or an empty text if there is none.
std::string_view header_value(const HeaderList& headers, std::string_view name);

}  // namespace vedette
