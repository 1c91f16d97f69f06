#pragma once

#include <nlohmann/json.hpp>

#include "base/result.hpp"
#include "service/service.hpp"

/// Turns the results of service functions into answers, for the tables of operations.
namespace vedette {

/// Turns a service function's result into an answer by one expression.
template <typename T, typename F>
Result<nlohmann::json> encoded(Result<T> result, F&& encode) {
  if (!result) return result.error();
  return encode(*result);
}
inline Result<nlohmann::json> empty(const Result<void>& result) {
  if (!result) return result.error();
  return nlohmann::json::object();
}

template <typename T, typename F>
nlohmann::json encode_page(const Page<T>& page, const char* name, F&& encode) {
  nlohmann::json out = {{name, nlohmann::json::array()}};
  for (const auto& item : page.items) out[name].push_back(encode(item));
  if (!page.next_token.empty()) out["NextToken"] = page.next_token;
  return out;
}

}  // namespace vedette
