#include "api/sts/messages.hpp"

#include "base/text.hpp"
#include "base/xml.hpp"

namespace vedette::sts {
namespace {

constexpr std::string_view kNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";

}  // namespace

Result<void> parse_action(std::string_view form) {
  for (auto pair : split(form, '&')) {
    if (!pair.starts_with("Action=")) continue;
    const auto action = uri_decode(pair.substr(7));
    if (action && *action == "GetCallerIdentity") return {};
    return fail(
        ErrorKind::invalid_input,
        "Could not find operation " + (action ? *action : std::string()) + ". This server offers GetCallerIdentity.",
        "InvalidAction");
  }
  return fail(ErrorKind::invalid_input, "The request names no Action.", "MissingAction");
}

std::string encode_caller_identity(std::string_view account, std::string_view user, std::string_view arn,
                                   std::string_view request_id) {
  return "<GetCallerIdentityResponse xmlns=\"" + std::string(kNamespace) + "\"><GetCallerIdentityResult><Arn>" +
         xml_escape(arn) + "</Arn><UserId>" + xml_escape(user) + "</UserId><Account>" + xml_escape(account) +
         "</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>" + xml_escape(request_id) +
         "</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
}

WireError encode_error(const Error& error, std::string_view request_id) {
  WireError out{400, {}};
  std::string code = error.code;
  switch (error.kind) {
    case ErrorKind::unauthenticated:
      out.status = 403;
      if (code == "InvalidAccessKeyId" || code == "InvalidToken") code = "InvalidClientTokenId";
      if (code == "RequestTimeTooSkewed") code = "SignatureDoesNotMatch";
      break;
    case ErrorKind::access_denied:
      out.status = 403;
      code = "AccessDenied";
      break;
    case ErrorKind::too_large:
      out.status = 413;
      code = "RequestEntityTooLarge";
      break;
    case ErrorKind::throttled:
      code = "Throttling";
      break;
    case ErrorKind::unavailable:
      out.status = 503;
      code = "ServiceUnavailable";
      break;
    case ErrorKind::internal:
      out.status = 500;
      code = "InternalFailure";
      break;
    default:
      if (code.empty()) code = "ValidationError";
  }
  out.body = "<ErrorResponse xmlns=\"" + std::string(kNamespace) + "\"><Error><Type>" +
             (out.status >= 500 ? "Receiver" : "Sender") + "</Type><Code>" + xml_escape(code) + "</Code><Message>" +
             xml_escape(error.message) + "</Message></Error><RequestId>" + xml_escape(request_id) +
             "</RequestId></ErrorResponse>";
  return out;
}

}  // namespace vedette::sts
