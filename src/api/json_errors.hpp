#pragma once

#include <string>

#include "api/model.hpp"
#include "base/result.hpp"

/// Writes errors as the JSON services do: name, status and members come from the API model. The functions are pure.
namespace vedette {

struct JsonError {
  int status = 500;
  std::string name;  ///< The value of the header x-amzn-ErrorType.
  std::string body;
  int retry_after_seconds = 0;  ///< The value of the header Retry-After; 0: there is no such header.
};

JsonError encode_json_error(const ApiModel& model, const Error& error);

}  // namespace vedette
