#pragma once

#include "signing/signing.hpp"

/// Headers that clients write into a presigned URL as query parameters, since whoever opens the URL sends none: x-amz-meta-…, x-amz-acl,
/// x-amz-copy-source and the like, Content-Type and others that describe the content. S3 reads them as if they were headers.
namespace vedette {

/// Whether a parameter, in any case, stands for a header. The parameters of the signature itself do not.
bool is_presigned_header(std::string_view parameter);

/// The headers that a query carries and that `sent` lacks, names in lower case. Of parameters of one name the first counts.
HeaderList presigned_headers(std::string_view query, const HeaderList& sent);

/// Whether a header that a URL carries says what the content sums up to. Not to be compared with the content: the AWS SDK for JavaScript
/// computes it of nothing when it presigns a put without a body, and S3's guide says that URLs do not support it.
bool is_presigned_checksum(std::string_view header);

}  // namespace vedette
