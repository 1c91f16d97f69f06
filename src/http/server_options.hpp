#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/trusted_proxies.hpp"

namespace vedette {

/// Says how long a server waits for its clients at most. A client that sends single bytes slowly does not prolong any
/// of these times, except where a comment says so.
struct ConnectionTimes {
  using Time = std::chrono::milliseconds;
  Time idle{75'000};          ///< time for the first byte of a request
  Time handshake{10'000};     ///< time for the TLS handshake
  Time head{20'000};          ///< time for a request's head, from its first byte
  Time body_silence{30'000};  ///< time for the next byte of a body; every byte starts it again
  /// The least rate of a body in bytes per second. Each piece of a body (256 KiB, or what is left) may take
  /// body_silence and, in addition, the time that it takes at this rate.
  std::uint64_t least_body_rate = 4096;
  /// The time for the whole body if nobody has verified its sender yet, because whoever knows a key's id can send such
  /// a body: for bodies of at most one piece, and for longer ones.
  Time unverified_piece{60'000}, unverified_body{120'000};
  Time write{60'000};  ///< time for the client to take the next piece of an answer
  /// The time for the rest of a body that the server does not want, before and after its answer, and for the end of
  /// TLS.
  Time linger{3'000};
  /// The time for the requests in progress to end when the server stops; after it they are cancelled.
  Time drain{10'000};
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8420;  ///< 0 means any free port
  std::size_t request_threads = 16;
  /// The threads for calls that wait for a model. There must be more of them than pictures that may wait or be judged
  /// at once.
  std::size_t detection_threads = 64;
  std::size_t most_connections = 1024;
  /// The most connections of one IPv4 address or IPv6 /64 network. It does not apply to loopback and trusted proxies; 0
  /// means no limit.
  std::size_t most_per_network = 256;
  std::string tls_certificate, tls_key;  ///< paths of PEM files; empty for plain HTTP
  TrustedProxies proxies;
  ConnectionTimes times;
};

}  // namespace vedette
