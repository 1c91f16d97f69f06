#include "api/sts/messages.hpp"

#include <optional>

#include "base/text.hpp"
#include "base/xml.hpp"

namespace vedette::sts {
namespace {

constexpr std::string_view kNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";

constexpr std::int64_t kShortestSession = 900, kLongestSession = 129'600;

/// Returns the decoded value of a parameter, or nothing if the form lacks it. The first of several counts.
Result<std::optional<std::string>> parameter(std::string_view form, std::string_view name) {
  for (const auto pair : split(form, '&')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    auto value = uri_decode(pair.substr(equals + 1));
    if (!value) return value.error();
    return std::optional(std::move(*value));
  }
  return std::optional<std::string>();
}

Error invalid_value(const std::string& name, const std::string& value, const std::string& demand) {
  return fail(ErrorKind::invalid_input,
              "1 validation error detected: Value '" + value + "' at '" + name +
                  "' failed to satisfy constraint: Member must " + demand,
              "ValidationError");
}

Result<Request> parse_session_request(std::string_view form) {
  Request request{Request::Action::get_session_token};
  for (const char* name : {"SerialNumber", "TokenCode"}) {
    const auto value = parameter(form, name);
    if (!value) return value.error();
    if (*value)
      return fail(ErrorKind::invalid_input,
                  std::string("This server has no multi-factor authentication. Leave out SerialNumber and TokenCode."),
                  "ValidationError");
  }
  const auto text = parameter(form, "DurationSeconds");
  if (!text) return text.error();
  if (!*text) return request;
  const auto seconds = parse_integer(**text);
  if (!seconds) return invalid_value("durationSeconds", **text, "be an integer");
  if (*seconds < kShortestSession)
    return invalid_value("durationSeconds", **text,
                         "have value greater than or equal to " + std::to_string(kShortestSession));
  if (*seconds > kLongestSession)
    return invalid_value("durationSeconds", **text,
                         "have value less than or equal to " + std::to_string(kLongestSession));
  request.duration = std::chrono::seconds(*seconds);
  return request;
}

std::string element(std::string_view name, std::string_view text) {
  return "<" + std::string(name) + ">" + xml_escape(text) + "</" + std::string(name) + ">";
}

/// Returns the whole answer of an action around its result.
std::string answer(const std::string& action, const std::string& result, std::string_view request_id) {
  return "<" + action + "Response xmlns=\"" + std::string(kNamespace) + "\"><" + action + "Result>" + result + "</" +
         action + "Result><ResponseMetadata>" + element("RequestId", request_id) + "</ResponseMetadata></" + action +
         "Response>";
}

}  // namespace

Result<Request> parse_request(std::string_view form) {
  const auto action = parameter(form, "Action");
  if (!action) return action.error();
  if (!*action) return fail(ErrorKind::invalid_input, "The request names no Action.", "MissingAction");
  if (**action == "GetCallerIdentity") return Request{Request::Action::get_caller_identity};
  if (**action == "GetSessionToken") return parse_session_request(form);
  return fail(ErrorKind::invalid_input,
              "Could not find operation " + **action + ". This server offers GetCallerIdentity and GetSessionToken.",
              "InvalidAction");
}

std::string encode_caller_identity(std::string_view account, std::string_view user, std::string_view arn,
                                   std::string_view request_id) {
  return answer("GetCallerIdentity", element("Arn", arn) + element("UserId", user) + element("Account", account),
                request_id);
}

std::string encode_session_token(const Credentials& made, std::string_view request_id) {
  return answer("GetSessionToken",
                "<Credentials>" + element("AccessKeyId", made.access_key_id) + element("SecretAccessKey", made.secret) +
                    element("SessionToken", made.session_token) +
                    element("Expiration", to_extended_iso8601(made.expires).substr(0, 19) + "Z") + "</Credentials>",
                request_id);
}

WireError encode_error(const Error& error, std::string_view request_id) {
  WireError out{400, error.code, {}};
  auto& code = out.code;
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
