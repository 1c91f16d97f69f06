#include "edge/server_link/server_calls.hpp"

#include <nlohmann/json.hpp>

namespace vedette {
namespace {

constexpr std::size_t kLongestReason = 512;

/// What the server says in an answer of the JSON services, or in an error document of S3.
std::string reason_of(const HttpResponse& response) {
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object() && json.contains("Message") && json["Message"].is_string())
    return json["Message"].get<std::string>().substr(0, kLongestReason);
  const auto begin = response.body.find("<Message>"), end = response.body.find("</Message>");
  if (begin != std::string::npos && end != std::string::npos && begin < end)
    return response.body.substr(begin + 9, std::min(end - begin - 9, kLongestReason));
  return "status " + std::to_string(response.status);
}

ErrorKind kind_of(int status) {
  switch (status) {
    case 400:
    case 416:
      return ErrorKind::invalid_input;
    case 401:
    case 403:
      return ErrorKind::access_denied;
    case 402:
      return ErrorKind::quota_exceeded;
    case 404:
      return ErrorKind::not_found;
    case 413:
      return ErrorKind::too_large;
    case 429:
      return ErrorKind::throttled;
    default:
      return ErrorKind::unavailable;
  }
}

}  // namespace

ServerCalls::ServerCalls(const ServerLinkOptions& options, const std::atomic<bool>& cancelled)
    : options_(options),
      client_({.endpoint = options.endpoint,
               .region = options.region,
               .credentials = {},
               .transport = {
                   .ca_file = options.ca_file, .idle_timeout = std::chrono::seconds(30), .cancelled = &cancelled}}) {}

Result<HttpResponse> ServerCalls::send(ServiceClient::Call call) {
  auto keys = read_credentials(options_.credentials, options_.profile);
  if (!keys) return keys.error();
  client_.set_target(options_.endpoint, options_.region, std::move(*keys));
  auto response = client_.send(call);
  if (!response) return response.error();
  if (response->status >= 200 && response->status < 300) return response;
  return fail(kind_of(response->status), "The server says: " + reason_of(*response));
}

}  // namespace vedette
