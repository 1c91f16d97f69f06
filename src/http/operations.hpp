#pragma once

#include <memory>
#include <string_view>

#include "api/model.hpp"
#include "api/s3/messages.hpp"
#include "auth/auth.hpp"
#include "http/exchange.hpp"
#include "service/service.hpp"
#include "store/objects/objects.hpp"

/// The one place that binds an operation to its codec and its service function.
namespace vedette {

struct LookoutVisionCall {
  LookoutVision& service;
  const Caller& caller;
  const Scope& scope;
  const ApiModel::Route& route;
  const RequestHead& head;
  std::string_view body;
};
/// Decodes and checks the members, authorises, runs the operation, encodes its answer.
Result<Response> run_lookoutvision(const LookoutVisionCall& call);

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
