#pragma once

#include <string>

#include "api/model.hpp"
#include "base/result.hpp"

/// Errors as the JSON services word them: name, status and members from the API model. Pure functions.
namespace vedette {

struct JsonError {
  int status = 500;
  std::string name;  ///< x-amzn-ErrorType
  std::string body;
  int retry_after_seconds = 0;  ///< 0: no Retry-After
};

JsonError encode_json_error(const ApiModel& model, const Error& error);

}  // namespace vedette
