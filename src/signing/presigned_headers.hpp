#pragma once

#include "signing/signing.hpp"

/// Reads headers that clients write into a presigned URL as query parameters, because whoever opens the URL sends none:
/// x-amz-meta-…, x-amz-acl, x-amz-copy-source and the like, Content-Type and other headers that describe the content.
/// S3 treats them as if they were sent as headers.
namespace vedette {

/// Returns whether a parameter, written in any case, stands for a header. The parameters that carry the signature
/// itself do not.
bool is_presigned_header(std::string_view parameter);

/// Returns the headers that a query carries and that `sent` lacks, with names in lower case. If several parameters have
/// the same name, the first one counts.
HeaderList presigned_headers(std::string_view query, const HeaderList& sent);

/// Returns whether a header that a URL carries is a checksum of the content. Such a checksum must not be compared with
/// the content: the AWS SDK for JavaScript computes it from an empty body when it presigns a put without a body, and
/// S3's guide says that presigned URLs do not support it.
bool is_presigned_checksum(std::string_view header);

}  // namespace vedette
