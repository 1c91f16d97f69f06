#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "http_client/credentials.hpp"
#include "http_client/transport.hpp"

/// A small blocking client for services whose requests are signed as AWS's are.
namespace vedette {

struct ServiceClientOptions {
  std::string endpoint;  ///< "http://127.0.0.1:8420", without a slash at the end
  std::string region = "us-east-1";
  ClientCredentials credentials;
  TransportOptions transport;
};

/// Sends signed calls to one service. It keeps its connection between calls. Only one thread may use it.
class ServiceClient {
 public:
  /// Throws std::runtime_error if libcurl cannot be used or the endpoint is not valid.
  explicit ServiceClient(ServiceClientOptions options);

  struct Call {
    std::string service;  ///< The name of the service in the signature.
    std::string method;
    std::string path;   ///< percent-encoded
    std::string query;  ///< Percent-encoded, without '?'.
    HeaderList headers;
    std::string_view body;
    std::uint64_t largest_answer = 1ULL << 30;
  };
  /// Signs a call and sends it. Fails with unavailable if no whole answer comes; an answer of any status is an answer.
  Result<HttpResponse> send(const Call& call);
  /// Sets where the next calls go, and with whose keys.
  void set_target(std::string endpoint, std::string region, ClientCredentials credentials);

 private:
  ServiceClientOptions options_;
  Transport transport_;
  std::string host_;
  SystemClock clock_;
};

}  // namespace vedette
