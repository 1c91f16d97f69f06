#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "edge/server_link/server_link.hpp"
#include "http_client/http_client.hpp"

namespace vedette {

/// Whether a call that failed so may succeed later without anybody doing anything.
inline bool is_passing(ErrorKind kind) {
  return kind == ErrorKind::unavailable || kind == ErrorKind::throttled;
}

/// Returns which of `count` records the server itself calls broken in its answer to PutStationVerdicts. Returns nothing
/// if it found fault with all of them (with the name of the station, for instance), or if somebody else answered, such
/// as a proxy: then no record may be dropped.
std::optional<std::size_t> refused_record(const Error& error, std::size_t count);

/// Signed calls of one thread to the server. This header is internal to edge/server_link.
class ServerCalls {
 public:
  ServerCalls(const ServerLinkOptions& options, const std::atomic<bool>& cancelled);
  /// Sends a call with the keys that the credentials file holds now. Fails with unavailable if no answer comes or the
  /// server has a fault, with throttled, access_denied, not_found, too_large and invalid_input for what the server says. The code of such an error is the name that the server gives it, and empty if no Vedette server
  /// wrote the answer.
  Result<HttpResponse> send(ServiceClient::Call call);

 private:
  const ServerLinkOptions& options_;
  ServiceClient client_;
};

}  // namespace vedette
