#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "http_client/credentials.hpp"
#include "http_client/transport.hpp"

/// A small blocking client for services that sign like AWS's.
namespace vedette {

struct ServiceClientOptions {
  std::string endpoint;  ///< "http://127.0.0.1:8420"; no trailing slash
  std::string region = "us-east-1";
  ClientCredentials credentials;
  TransportOptions transport;
};

/// Keeps its connection between calls. One thread.
class ServiceClient {
 public:
  /// Throws std::runtime_error if libcurl cannot be used or the endpoint is none.
  explicit ServiceClient(ServiceClientOptions options);

  struct Call {
    std::string service;  ///< signing name
    std::string method;
    std::string path;   ///< percent-encoded
    std::string query;  ///< percent-encoded, without '?'
    HeaderList headers;
    std::string_view body;
    std::uint64_t largest_answer = 1ULL << 30;
  };
  /// Signs and sends. Fails with unavailable if there is no whole answer; any status is an answer.
  Result<HttpResponse> send(const Call& call);
  /// Where the next calls go, and with whose keys.
  void set_target(std::string endpoint, std::string region, ClientCredentials credentials);

 private:
  ServiceClientOptions options_;
  Transport transport_;
  std::string host_;
  SystemClock clock_;
};

}  // namespace vedette
