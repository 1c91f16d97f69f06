#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace vedette {

/// How connections to nodes that speak TLS (1.2 and newer) are verified.
struct PeerTls {
  /// An empty `ca_file` means the system's authorities. Throws std::runtime_error if the file cannot be used.
  explicit PeerTls(const std::string& ca_file);
  ~PeerTls();
  PeerTls(const PeerTls&) = delete;
  PeerTls& operator=(const PeerTls&) = delete;
  ssl_ctx_st* context;
};

/// A connection to another node, on which one thread at a time waits. While it waits it asks `may_wait` about ten times
/// a second. All functions fail with unavailable.
class PeerConnection {
 public:
  using MayWait = std::function<bool()>;
  /// `address` is "http://HOST:PORT" or "https://HOST:PORT"; the certificate must be for HOST.
  static Result<std::unique_ptr<PeerConnection>> open(const std::string& address, const PeerTls& tls,
                                                      std::chrono::milliseconds time, const MayWait& may_wait);
  ~PeerConnection();
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;

  Result<void> write(std::string_view bytes, const MayWait& may_wait);
  /// Returns how many bytes came; none if the other side has closed.
  Result<std::size_t> read(std::span<char> into, const MayWait& may_wait);

  bool is_fresh = true;  ///< no answer came over it yet
  std::chrono::steady_clock::time_point kept_since{};

 private:
  explicit PeerConnection(int socket) : socket_(socket) {}
  bool wait(short events, const MayWait& may_wait) const;
  Result<void> start_tls(const std::string& host, const PeerTls& tls, const MayWait& may_wait);
  /// Waits as a call of OpenSSL that returned `outcome` wants. Returns false if the connection has failed.
  bool wait_for_tls(int outcome, const MayWait& may_wait);

  const int socket_;
  ssl_st* tls_ = nullptr;
};

}  // namespace vedette
