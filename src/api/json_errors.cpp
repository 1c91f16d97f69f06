#include "api/json_errors.hpp"

#include <nlohmann/json.hpp>

namespace vedette {
namespace {

using Json = nlohmann::json;

/// The name and status of an error. If the service's model has this name, the model's status counts.
struct Named {
  const char* name;
  int status;
};
Named name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
      return {"ValidationException", 400};
    case ErrorKind::unauthenticated:
      return {"InvalidSignatureException", 403};
    case ErrorKind::access_denied:
      return {"AccessDeniedException", 403};
    case ErrorKind::not_found:
      return {"ResourceNotFoundException", 404};
    case ErrorKind::conflict:
      return {"ConflictException", 409};
    case ErrorKind::quota_exceeded:
      return {"ServiceQuotaExceededException", 402};
    case ErrorKind::throttled:
      return {"ThrottlingException", 429};
    case ErrorKind::too_large:
      return {"RequestEntityTooLargeException", 413};
    case ErrorKind::unsupported:
      return {"NotImplemented", 501};
    case ErrorKind::unavailable:
      return {"ServiceUnavailable", 503};
    case ErrorKind::internal:
      break;
  }
  return {"InternalServerException", 500};
}

/// Codes that come from the layers before the operation, and the names that this protocol gives them.
struct Code {
  std::string_view code;
  Named named;
};
constexpr Code kCodes[] = {
    {"MissingAuthenticationToken", {"MissingAuthenticationTokenException", 403}},
    {"IncompleteSignature", {"IncompleteSignatureException", 403}},
    {"AuthorizationQueryParametersError", {"IncompleteSignatureException", 403}},
    {"RequestTimeTooSkewed", {"InvalidSignatureException", 403}},
    {"SignatureDoesNotMatch", {"InvalidSignatureException", 403}},
    {"XAmzContentSHA256Mismatch", {"InvalidSignatureException", 403}},
    {"InvalidAccessKeyId", {"UnrecognizedClientException", 403}},
    {"InvalidToken", {"InvalidClientTokenId", 403}},
    {"ExpiredToken", {"ExpiredTokenException", 403}},
    {"UnknownOperationException", {"UnknownOperationException", 404}},
    {"SerializationException", {"SerializationException", 400}},
    {"IncompleteBody", {"SerializationException", 400}},
    {"RequestTimeout", {"RequestTimeoutException", 408}},
};

constexpr int kRetryInternal = 1;  // In seconds: what failed inside the server may soon be over.

}  // namespace

JsonError encode_json_error(const ApiModel& model, const Error& error) {
  auto named = name_of(error.kind);
  for (const auto& [code, own] : kCodes)
    if (code == error.code) named = own;
  JsonError out{named.status, named.name, {}, error.retry_after_seconds};
  if (error.kind == ErrorKind::internal) out.retry_after_seconds = kRetryInternal;
  Json body = {{"Message", error.message}};
  if (const auto* modelled = model.find_error(out.name)) {
    out.status = modelled->status;
    for (const auto& member : modelled->members) {
      if (member == "ResourceId" && !error.resource_id.empty()) body[member] = error.resource_id;
      if (member == "ResourceType" && !error.resource_type.empty()) body[member] = error.resource_type;
      if (member == "QuotaCode" && !error.code.empty()) body[member] = error.code;
      if (member == "ServiceCode") body[member] = model.service();
    }
  }
  out.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return out;
}

}  // namespace vedette
