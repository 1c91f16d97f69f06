#pragma once

#include <memory>
#include <optional>

#include "api/s3/messages.hpp"
#include "auth/auth.hpp"
#include "http/exchange.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

struct S3Call {
  ObjectStore& objects;
  const Caller& caller;
  const Scope& scope;
  const s3::Request& request;
  const HeaderList& headers;
  const HeaderList& trailers;             ///< of an aws-chunked body
  std::string_view body;                  ///< XML
  std::unique_ptr<StagedObject> content;  ///< of a put or a part, finished
};
/// The caller is authorised already, but for single keys of DeleteObjects and the source of a copy.
Result<Response> run_s3(S3Call call);

/// The checksum that a request announces, in a header or for its trailer.
std::optional<ChecksumAlgorithm> announced_checksum(const HeaderList& headers);

}  // namespace vedette
