#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "http/exchange.hpp"

namespace vedette {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8420;  ///< 0: any free one
  std::size_t request_threads = 16;
  std::size_t detection_threads =
      64;  ///< for calls that wait for a model: more than pictures may wait or be judged at once
  std::size_t most_connections = 1024;
  std::size_t most_per_network = 256;    ///< of one IPv4 address or IPv6 /64, loopback excepted; 0: no share
  std::string tls_certificate, tls_key;  ///< PEM files; empty: plain HTTP
};

/// HTTP/1.1 on one port: coroutines on one io thread, everything that may block on a bounded pool. Heads are limited to
/// 32 KB; handshakes, heads, bodies, answers and idle connections have deadlines, which a trickle does not prolong. With a
/// certificate it speaks TLS only.
class HttpServer {
 public:
  /// Binds at once. Throws std::runtime_error if the address or the certificate cannot be used.
  HttpServer(RequestHandler& handler, const ServerOptions& options);
  ~HttpServer();  ///< stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  void start();
  /// Stops accepting, lets requests in progress end for a few seconds, closes.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
