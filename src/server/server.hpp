#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "http/console_files.hpp"
#include "server/settings.hpp"

/// Wires the whole server together in one object.
namespace vedette {

/// Builds every part of the server in order and passes each part on to those that need it; this is the one place where
/// they are wired together. Only one thread may make, start and stop a Server. Several servers may live in one process
/// if each has a data folder of its own.
class Server {
 public:
  /// Checks the settings, opens the stores and binds the port, in this order. Changes the process as server/process.hpp
  /// says. Throws std::runtime_error with a sentence for the user if one of these steps fails. `console` are the files
  /// of the web console, which must outlive the server; without them it serves no console.
  explicit Server(const ServerSettings& settings, std::span<const ConsoleFile> console = {});
  ~Server();  ///< stops the server
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Begins to accept connections and to run background jobs.
  void start();
  /// Tells load balancers (/readyz) and the other nodes that this one will stop. Begins no more jobs, but goes on
  /// answering. Returns how long it should go on like this before stop().
  std::chrono::milliseconds drain();
  /// Stops accepting connections, lets requests in progress end for a few seconds, cancels jobs, and returns when all
  /// threads have ended. A server that was stopped cannot be started again: make another one on the same folder.
  void stop();
  [[nodiscard]] std::uint16_t port() const;  ///< the port that the server listens on

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace vedette
