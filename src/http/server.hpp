#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "http/exchange.hpp"
#include "http/server_options.hpp"

namespace vedette {

/// Serves HTTP/1.1 on one port. Coroutines run on one io thread; everything that may block runs on a bounded pool. The
/// head of a request has at most 32 KB; ConnectionTimes says how long the server waits for clients. With a certificate
/// the server speaks only TLS.
class HttpServer {
 public:
  /// Binds the port at once. Throws std::runtime_error if the address or the certificate cannot be used.
  HttpServer(RequestHandler& handler, const ServerOptions& options);
  ~HttpServer();  ///< stops the server
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  void start();
  /// Stops accepting connections, closes the connections on which no request has begun, and lets the requests in
  /// progress (being read, worked on or written) end. Requests that have not ended after ConnectionTimes::drain are
  /// cancelled: their connections are cut, their RequestHead::abandoned is requested, and `cancel`, if given, is called
  /// once on the io thread. Returns when no request is left, so whatever a request waits for must end soon once it is
  /// cancelled.
  void stop(const std::function<void()>& cancel = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
