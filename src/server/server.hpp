#pragma once

#include <cstdint>
#include <memory>

#include "server/settings.hpp"

/// The whole server in one object.
namespace vedette {

/// Builds every part of the server in order and passes each on to those that need it; this is the one place where they
/// are wired together. One thread makes, starts and stops it. Several servers may live in one process, each on a data
/// folder of its own.
class Server {
 public:
  /// Checks the settings, opens the stores and binds the port, in this order. Changes the process as
  /// server/process.hpp says. Throws std::runtime_error with a sentence for the user if anything is wrong.
  explicit Server(const ServerSettings& settings);
  ~Server();  ///< stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Accepts connections and begins background work.
  void start();
  /// Stops accepting, lets requests in progress end for a few seconds, cancels jobs, and returns when all threads have
  /// ended. A server that was stopped cannot be started again: make another one on the same folder.
  void stop();
  [[nodiscard]] std::uint16_t port() const;  ///< that is listened on

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace vedette
