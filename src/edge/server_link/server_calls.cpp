#include "edge/server_link/server_calls.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kLongestReason = 512;
constexpr std::string_view kSays = "The server says: ";

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

std::optional<std::size_t> refused_record(const Error& error, std::size_t count) {
  const auto place_begins = std::string(kSays) + "Records[";
  if (error.code == "RequestEntityTooLargeException" && count == 1) return 0;
  if (error.code != "ValidationException" || !error.message.starts_with(place_begins)) return std::nullopt;
  const auto digits = std::string_view(error.message).substr(place_begins.size());
  const auto place = parse_integer(digits.substr(0, digits.find(']')));
  if (!place || *place < 0 || static_cast<std::size_t>(*place) >= count) return std::nullopt;
  return static_cast<std::size_t>(*place);
}

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
  const auto named =
      std::ranges::find_if(response->headers, [](const auto& header) { return header.first == "x-amzn-errortype"; });
  return fail(kind_of(response->status), std::string(kSays) + reason_of(*response),
              named == response->headers.end() ? std::string() : named->second);
}

}  // namespace vedette
