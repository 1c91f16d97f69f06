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
  HeaderList headers;  ///< names in lower case
  std::string body;
};

struct TransportOptions {
  std::string ca_file;  ///< of certificate authorities to trust instead of the system's; empty: the system's
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds idle_timeout{120};        ///< without a byte in either direction
  const std::atomic<bool>* cancelled = nullptr;  ///< if it turns true, calls end soon, with unavailable
};

/// HTTP/1.1 over libcurl, nothing signed. Keeps its connection between calls. One thread.
class Transport {
 public:
  /// Throws std::runtime_error if libcurl cannot be used.
  explicit Transport(TransportOptions options);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// `url` is sent as it stands. Fails with unavailable if there is no whole answer; any status is an answer.
  Result<HttpResponse> send(const std::string& method, const std::string& url, const HeaderList& headers,
                            std::string_view body, std::uint64_t largest_answer = 1ULL << 30);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vedette
