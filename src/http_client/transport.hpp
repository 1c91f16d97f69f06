#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "signing/signing.hpp"

namespace vedette {

struct HttpResponse {
  int status = 0;
  HeaderList headers;  ///< The names are in lower case.
  std::string body;
};

struct TransportOptions {
  /// The file of certificate authorities to trust in the place of the system's; empty: the system's.
  std::string ca_file;
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds idle_timeout{120};        ///< How long a connection may be without a byte in either direction.
  const std::atomic<bool>* cancelled = nullptr;  ///< If it turns true, calls end soon and fail with unavailable.
};

/// HTTP/1.1 over libcurl; nothing is signed. It keeps its connection between calls. Only one thread may use it.
class Transport {
 public:
  /// Throws std::runtime_error if libcurl cannot be used.
  explicit Transport(TransportOptions options);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Sends a request; `url` is sent as it stands. Fails with unavailable if no whole answer comes; an answer of any
  /// status is an answer.
  Result<HttpResponse> send(const std::string& method, const std::string& url, const HeaderList& headers,
                            std::string_view body, std::uint64_t largest_answer = 1ULL << 30);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
