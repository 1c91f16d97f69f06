#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

/// The service `sts` on the wire, as far as GetCallerIdentity. In the AWS query protocol a form goes in and XML comes
/// out. The functions are pure.
namespace vedette::sts {

/// Checks the Action of a request, given as a form-encoded body or a query string. Fails with invalid_input
/// (MissingAction, InvalidAction) unless it is GetCallerIdentity.
Result<void> parse_action(std::string_view form);

std::string encode_caller_identity(std::string_view account, std::string_view user, std::string_view arn,
                                   std::string_view request_id);

struct WireError {
  int status;
  std::string body;
};
WireError encode_error(const Error& error, std::string_view request_id);

}  // namespace vedette::sts
