#include "api_client.hpp"

#include "base/text.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

/// Returns the text of the first element of this name after `from`. That is enough for the flat answers that are read
/// here.
std::optional<std::string> element(std::string_view xml, const std::string& name, std::size_t& from) {
  const auto begin = xml.find("<" + name + ">", from);
  if (begin == std::string_view::npos) return std::nullopt;
  const auto start = begin + name.size() + 2, end = xml.find("</" + name + ">", start);
  if (end == std::string_view::npos) return std::nullopt;
  from = end;
  return std::string(xml.substr(start, end - start));
}

[[noreturn]] void refuse(const HttpResponse& response) {
  std::size_t code_end = 0, message_end = 0;  // The two elements may come in either order.
  const auto code = element(response.body, "Code", code_end), message = element(response.body, "Message", message_end);
  throw ApiFailure(code.value_or("status " + std::to_string(response.status)), message.value_or(""));
}

}  // namespace

Json ApiClient::call(const char* method, const std::string& path, const Json& body) {
  const auto text = body.is_null() ? std::string() : body.dump();
  ServiceClient::Call request{"lookoutvision", method, "/2020-11-20" + path, "", {}, text};
  if (!text.empty()) request.headers.emplace_back("content-type", "application/json");
  return send(request);
}

Json ApiClient::get_from_vedette(const std::string& path, const std::string& query) {
  return send({"vedette", "GET", "/2026-11-01" + path, query, {}, {}});
}

Json ApiClient::send(const ServiceClient::Call& call) {
  const auto response = client_.send(call);
  if (!response) throw std::runtime_error(response.error().message);
  auto answer = Json::parse(response->body, nullptr, false);
  if (response->status >= 300) {
    const auto name = header_value(response->headers, "x-amzn-errortype");
    throw ApiFailure(name.empty() ? "status " + std::to_string(response->status) : std::string(name),
                     answer.is_object() ? answer.value("Message", "") : "");
  }
  if (!answer.is_object()) throw std::runtime_error("the server's answer is no JSON object");
  return answer;
}

HttpResponse ApiClient::s3(const char* method, const std::string& bucket, const std::string& key,
                           const std::string& query, std::string_view body, const HeaderList& headers) {
  auto response =
      client_.send({"s3", method, "/" + uri_encode(bucket) + (key.empty() ? "" : "/" + uri_encode(key, true)), query,
                    headers, body});
  if (!response) throw std::runtime_error(response.error().message);
  return std::move(*response);
}

void ApiClient::create_bucket(const std::string& bucket) {
  const auto response = s3("PUT", bucket, "");
  if (response.status >= 300 && response.status != 409) refuse(response);
}

void ApiClient::put_object(const std::string& bucket, const std::string& key, std::string_view content,
                           const std::string& type) {
  const auto response = s3("PUT", bucket, key, "", content, {{"content-type", type}});
  if (response.status >= 300) refuse(response);
}

std::string ApiClient::get_object(const std::string& bucket, const std::string& key) {
  auto response = s3("GET", bucket, key);
  if (response.status >= 300) refuse(response);
  return std::move(response.body);
}

std::optional<std::string> ApiClient::etag(const std::string& bucket, const std::string& key) {
  const auto response = s3("HEAD", bucket, key);
  if (response.status == 404) return std::nullopt;
  if (response.status >= 300) refuse(response);
  auto tag = std::string(header_value(response.headers, "etag"));
  if (tag.size() >= 2 && tag.front() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag;
}

std::vector<std::string> ApiClient::list_keys(const std::string& bucket, const std::string& prefix) {
  std::vector<std::string> keys;
  std::string token;
  do {
    // The keys in the answer are URL-encoded, so that none of them needs XML's escapes.
    std::string query = (token.empty() ? "" : "continuation-token=" + uri_encode(token) + "&") +
                        std::string("encoding-type=url&list-type=2&prefix=") + uri_encode(prefix);
    const auto response = s3("GET", bucket, "", query);
    if (response.status >= 300) refuse(response);
    std::size_t from = 0;
    while (const auto key = element(response.body, "Key", from))
      if (const auto decoded = uri_decode(*key)) keys.push_back(*decoded);
    from = 0;
    token = element(response.body, "NextContinuationToken", from).value_or("");
  } while (!token.empty());
  return keys;
}

}  // namespace vedette
