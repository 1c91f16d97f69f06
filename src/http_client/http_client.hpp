#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "signing/signing.hpp"

/// A small blocking client for services that sign like AWS's.
namespace vedette {

struct HttpResponse {
  int status = 0;
  HeaderList headers;  ///< names in lower case
  std::string body;
};

struct ClientCredentials {
  std::string access_key_id, secret_access_key;
};

/// From AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else a profile of the credentials file (AWS_PROFILE or "default" in
/// AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials). Fails with invalid_input if there are none.
Result<ClientCredentials> find_credentials();
/// Reads one profile of a file in the AWS credentials-file form.
Result<ClientCredentials> read_credentials(const std::filesystem::path& file, std::string_view profile);

struct ServiceClientOptions {
  std::string endpoint;  ///< "http://127.0.0.1:8420"; no trailing slash
  std::string region = "us-east-1";
  ClientCredentials credentials;
  std::string ca_file;  ///< of certificate authorities to trust instead of the system's; empty: the system's
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds idle_timeout{120};  ///< without a byte in either direction
};

/// Keeps its connection between calls. One thread.
class ServiceClient {
 public:
  /// Throws std::runtime_error if libcurl cannot be used.
  explicit ServiceClient(ServiceClientOptions options);
  ~ServiceClient();
  ServiceClient(const ServiceClient&) = delete;
  ServiceClient& operator=(const ServiceClient&) = delete;

  struct Call {
    std::string service;  ///< signing name
    std::string method;
    std::string path;   ///< percent-encoded
    std::string query;  ///< percent-encoded, without '?'
    HeaderList headers;
    std::string_view body;
  };
  /// Signs and sends. Fails with unavailable if the service cannot be reached; any status is an answer.
  Result<HttpResponse> send(const Call& call);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
