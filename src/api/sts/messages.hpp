#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

/// The service `sts` on the wire, as far as GetCallerIdentity and GetSessionToken. In the AWS query protocol a form goes
/// in and XML comes out. The functions are pure.
namespace vedette::sts {

struct Request {
  enum class Action { get_caller_identity, get_session_token } action = Action::get_caller_identity;
  std::chrono::seconds duration{43'200};  ///< of a session: 900 s … 129,600 s
};

/// Reads a request, given as a form-encoded body or a query string. Fails with invalid_input: MissingAction or
/// InvalidAction if it names no action that is offered, and ValidationError if a parameter of GetSessionToken is out of
/// range or asks for multi-factor authentication.
Result<Request> parse_request(std::string_view form);

std::string encode_caller_identity(std::string_view account, std::string_view user, std::string_view arn,
                                   std::string_view request_id);

struct Credentials {
  std::string_view access_key_id, secret, session_token;
  Timestamp expires;
};
std::string encode_session_token(const Credentials& credentials, std::string_view request_id);

struct WireError {
  int status;
  std::string code;
  std::string body;
};
WireError encode_error(const Error& error, std::string_view request_id);

}  // namespace vedette::sts
