#pragma once

#include <memory>

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
  std::unique_ptr<StagedObject> content;  ///< of a put, finished
};
/// The caller is authorised already: all that S3's actions need is in the path.
Result<Response> run_s3(S3Call call);

}  // namespace vedette
