#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

/// The service `sts` on the wire (AWS query protocol: form in, XML out), as far as GetCallerIdentity. Pure functions.
namespace vedette::sts {

/// The Action of a request: form-encoded body, or query string. Fails with invalid_input (MissingAction, InvalidAction)
/// unless it is GetCallerIdentity.
Result<void> parse_action(std::string_view form);

std::string encode_caller_identity(std::string_view account, std::string_view user, std::string_view arn,
                                   std::string_view request_id);

struct WireError {
  int status;
  std::string body;
};
WireError encode_error(const Error& error, std::string_view request_id);

}  // namespace vedette::sts
