#include "http_client/http_client.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/digest.hpp"

namespace vedette {
namespace {

std::string host_of(const std::string& endpoint) {
  const auto scheme = endpoint.find("://");
  if (scheme == std::string::npos)
    throw std::runtime_error("an endpoint looks like http://127.0.0.1:8420, not " + endpoint);
  return endpoint.substr(scheme + 3);
}

}  // namespace

ServiceClient::ServiceClient(ServiceClientOptions options)
    : options_(std::move(options)), transport_(options_.transport), host_(host_of(options_.endpoint)) {}

void ServiceClient::set_target(std::string endpoint, std::string region, ClientCredentials credentials) {
  host_ = host_of(endpoint);
  options_.endpoint = std::move(endpoint);
  options_.region = std::move(region);
  options_.credentials = std::move(credentials);
}

Result<HttpResponse> ServiceClient::send(const Call& call) {
  const auto& keys = options_.credentials;
  const auto timestamp = to_basic_iso8601(clock_.now());
  const auto hash = sha256_hex(call.body);
  SignableRequest request{call.method, call.path, call.query, call.headers};
  request.headers.emplace_back("host", host_);
  request.headers.emplace_back("x-amz-date", timestamp);
  request.headers.emplace_back("x-amz-content-sha256", hash);
  if (!keys.session_token.empty()) request.headers.emplace_back("x-amz-security-token", keys.session_token);
  std::vector<std::string> signed_headers;
  for (const auto& header : request.headers) signed_headers.push_back(header.first);
  std::sort(signed_headers.begin(), signed_headers.end());
  const CredentialScope scope{keys.access_key_id, timestamp.substr(0, 8), options_.region, call.service};
  const auto style = call.service == "s3" ? PathStyle::s3 : PathStyle::normalized;
  const auto signature =
      sign(keys.secret_access_key, scope, timestamp, canonical_request(request, signed_headers, hash, style, false));
  std::string names;
  for (const auto& name : signed_headers) names += (names.empty() ? "" : ";") + name;
  request.headers.emplace_back(
      "authorization", "AWS4-HMAC-SHA256 Credential=" + scope.access_key_id + "/" + scope.date + "/" + scope.region +
                           "/" + scope.service + "/aws4_request, SignedHeaders=" + names + ", Signature=" + signature);
  const auto url = options_.endpoint + call.path + (call.query.empty() ? "" : "?" + call.query);
  return transport_.send(call.method, url, request.headers, call.body, call.largest_answer);
}

}  // namespace vedette
