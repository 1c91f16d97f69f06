#pragma once

#include "signing/signing.hpp"

/// Verifies presigned URLs of AWS Signature Version 2, which old clients of S3 make. All functions are pure.
///
/// See "Query string request authentication alternative" in
/// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
namespace vedette {

/// The advice for clients that sign with Version 2 where it is not accepted.
inline constexpr const char* kHowToSignWithVersion4 =
    "Sign with Signature Version 4: boto3 Config(signature_version='s3v4'), AWS CLI 1 `aws configure set "
    "default.s3.signature_version s3v4`, AWS SDK for JavaScript 2 signatureVersion: 'v4', s3cmd signature_v2 = False "
    "(its command "
    "signurl knows Version 2 only).";

/// Returns whether a query has the parameter AWSAccessKeyId, which only Version 2 uses.
bool is_presigned_v2(std::string_view query);

/// Reads AWSAccessKeyId, Expires and Signature. Fails with access_denied if one of them is missing or malformed. Also
/// fails with access_denied if the query has a parameter that Version 2 does not cover, such as the prefix of a
/// listing, because whoever holds the URL could change it.
Result<Authorization> parse_presigned_v2(std::string_view query);

/// Returns the text that the signature is computed from: method, MD5 and type of the content, time of expiry, every
/// header x-amz-…, path and sub-resources. A header that the URL carries as a parameter (presigned_headers.hpp) counts
/// as if it had been sent.
std::string string_to_sign_v2(const SignableRequest& request, std::string_view expires);

/// Returns the HMAC-SHA1 of the text in base64.
std::string sign_v2(std::string_view secret, std::string_view string_to_sign);

}  // namespace vedette
