#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/trusted_proxies.hpp"

namespace vedette {

/// How long a server waits for its clients, each time at most. None of these times is prolonged by a trickle of bytes, except where it says
/// so.
struct ConnectionTimes {
  using Time = std::chrono::milliseconds;
  Time idle{75'000};          ///< for the first byte of a request
  Time handshake{10'000};     ///< for the TLS handshake
  Time head{20'000};          ///< for a request's head, from its first byte
  Time body_silence{30'000};  ///< for the next byte of a body; every byte starts it again
  /// Bytes per second. Each piece of a body (256 KiB, or what is left) may take body_silence, and beyond that the time that it takes at
  /// this rate.
  std::uint64_t least_body_rate = 4096;
  /// For all of a body whose sender nobody has verified yet, since whoever knows a key's id can send one: of at most one piece, and longer.
  Time unverified_piece{60'000}, unverified_body{120'000};
  Time write{60'000};  ///< for the client to take the next piece of an answer
  /// For the rest of a body that nobody wants, before and after its answer; and for the end of TLS.
  Time linger{3'000};
  /// When the server stops: for the requests in progress to end. Then they are cancelled.
  Time drain{10'000};
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8420;  ///< 0: any free one
  std::size_t request_threads = 16;
  /// For calls that wait for a model: more than pictures may wait or be judged at once.
  std::size_t detection_threads = 64;
  std::size_t most_connections = 1024;
  /// Connections of one IPv4 address or IPv6 /64, loopback and trusted proxies excepted; 0: no share.
  std::size_t most_per_network = 256;
  std::string tls_certificate, tls_key;  ///< PEM files; empty: plain HTTP
  TrustedProxies proxies;
  ConnectionTimes times;
};

}  // namespace vedette
