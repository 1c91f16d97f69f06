#include "http_client/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kCredentialsFileLimit = 1 << 20;
constexpr std::uint64_t kLargestAnswer = 1ULL << 30;

struct Free {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::size_t take_body(char* data, std::size_t, std::size_t count, void* out) {
  auto& body = *static_cast<std::string*>(out);
  if (body.size() + count > kLargestAnswer) return 0;
  body.append(data, count);
  return count;
}

std::size_t take_header(char* data, std::size_t, std::size_t count, void* out) {
  const std::string_view line(data, count);
  const auto colon = line.find(':');
  if (colon != std::string_view::npos)
    static_cast<HeaderList*>(out)->emplace_back(to_lower(line.substr(0, colon)),
                                                std::string(trim(line.substr(colon + 1))));
  return count;
}

}  // namespace

Result<ClientCredentials> read_credentials(const fs::path& file, std::string_view profile) {
  const auto bytes = read_file(file, kCredentialsFileLimit);
  if (!bytes) return invalid_input("The credentials file " + file.string() + " cannot be read.");
  ClientCredentials found;
  bool is_ours = false;
  for (auto line : split(as_text(*bytes), '\n')) {
    line = trim(line);
    if (line.starts_with('[') && line.ends_with(']')) is_ours = trim(line.substr(1, line.size() - 2)) == profile;
    const auto equals = line.find('=');
    if (!is_ours || equals == std::string_view::npos) continue;
    const auto name = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
    if (name == "aws_access_key_id") found.access_key_id = value;
    if (name == "aws_secret_access_key") found.secret_access_key = value;
  }
  if (found.access_key_id.empty() || found.secret_access_key.empty())
    return invalid_input("The credentials file " + file.string() + " has no profile " + std::string(profile) + ".");
  return found;
}

Result<ClientCredentials> find_credentials() {
  ClientCredentials found{environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY")};
  if (!found.access_key_id.empty() && !found.secret_access_key.empty()) return found;
  auto file = environment("AWS_SHARED_CREDENTIALS_FILE");
  if (file.empty()) file = environment("HOME") + "/.aws/credentials";
  const auto profile = environment("AWS_PROFILE");
  return read_credentials(file, profile.empty() ? "default" : profile);
}

struct ServiceClient::State {
  ServiceClientOptions options;
  std::string host;
  CURL* curl = nullptr;
  SystemClock clock;
};

ServiceClient::ServiceClient(ServiceClientOptions options) : state_(std::make_unique<State>()) {
  static const auto ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  state_->options = std::move(options);
  const auto& endpoint = state_->options.endpoint;
  const auto scheme = endpoint.find("://");
  if (scheme == std::string::npos)
    throw std::runtime_error("an endpoint looks like http://127.0.0.1:8420, not " + endpoint);
  state_->host = endpoint.substr(scheme + 3);
  state_->curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
  if (state_->curl == nullptr) throw std::runtime_error("libcurl cannot be used");
}

ServiceClient::~ServiceClient() {
  curl_easy_cleanup(state_->curl);
}

Result<HttpResponse> ServiceClient::send(const Call& call) {
  const auto& options = state_->options;
  const auto timestamp = to_basic_iso8601(state_->clock.now());
  const auto hash = sha256_hex(call.body);
  SignableRequest request{call.method, call.path, call.query, call.headers};
  request.headers.emplace_back("host", state_->host);
  request.headers.emplace_back("x-amz-date", timestamp);
  request.headers.emplace_back("x-amz-content-sha256", hash);
  std::vector<std::string> signed_headers;
  for (const auto& header : request.headers) signed_headers.push_back(header.first);
  std::sort(signed_headers.begin(), signed_headers.end());
  const CredentialScope scope{options.credentials.access_key_id, timestamp.substr(0, 8), options.region, call.service};
  const auto style = call.service == "s3" ? PathStyle::s3 : PathStyle::normalized;
  const auto signature = sign(options.credentials.secret_access_key, scope, timestamp,
                              canonical_request(request, signed_headers, hash, style, false));
  std::string names;
  for (const auto& name : signed_headers) names += (names.empty() ? "" : ";") + name;
  request.headers.emplace_back(
      "authorization", "AWS4-HMAC-SHA256 Credential=" + scope.access_key_id + "/" + scope.date + "/" + scope.region +
                           "/" + scope.service + "/aws4_request, SignedHeaders=" + names + ", Signature=" + signature);

  curl_slist* raw = nullptr;
  for (const auto& [name, value] : request.headers) raw = curl_slist_append(raw, (name + ": " + value).c_str());
  raw = curl_slist_append(raw, "expect:");  // small round trips beat the wish to be refused early
  const std::unique_ptr<curl_slist, Free> headers(raw);
  auto* curl = state_->curl;
  curl_easy_reset(curl);  // keeps the connection
  HttpResponse response;
  const auto url = options.endpoint + call.path + (call.query.empty() ? "" : "?" + call.query);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);  // what was signed must be what is sent
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.idle_timeout.count()));
  if (!options.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
  if (call.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (!call.body.empty() || call.method == "POST" || call.method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call.body.data());
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &response.headers);
  const auto code = curl_easy_perform(curl);
  if (code != CURLE_OK)
    return fail(ErrorKind::unavailable, "No answer from " + options.endpoint + ": " + curl_easy_strerror(code) + ".");
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  return response;
}

}  // namespace vedette
