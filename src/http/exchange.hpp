#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "signing/signing.hpp"
#include "store/objects/objects.hpp"

/// What passes between the connection, which knows sockets, and the pipeline, which knows services.
namespace vedette {

struct RequestHead {
  std::string method, target;
  std::string path, query;  ///< as sent, percent-encoded
  HeaderList headers;       ///< names in lower case
  std::optional<std::uint64_t> content_length;
  // What follows speaks of the client, if a trusted proxy sent the request (Origin).
  std::string remote_address;      ///< as peer_text() writes it
  bool is_secure = false;          ///< the client speaks TLS
  bool is_body_protected = false;  ///< nobody on the way could change a body unnoticed
  std::stop_token abandoned = {};  ///< requested when the caller hangs up, or the server stops and waits no longer
};

/// Stages of the work on a request and the milliseconds that each took, in order.
using Stages = std::vector<std::pair<std::string, double>>;

struct Response {
  int status = 200;
  HeaderList headers;  ///< without Content-Length
  std::string body;
  std::unique_ptr<ObjectReader> content;  ///< if set, the body is this object's bytes [offset, offset + length)
  std::uint64_t offset = 0, length = 0;
  std::optional<std::uint64_t> head_length;  ///< answer to HEAD: no body, but this Content-Length
  std::chrono::milliseconds hold{0};         ///< before it is sent
  Stages stages = {};             ///< of the operation, if it names any: the client is told them (Server-Timing)
  log::Context log_context = {};  ///< for what is logged while it is sent
};

/// One request on its way through the server. The connection calls begin(), then, unless that answers already, accept()
/// for each piece of the body and finish(); or abort() if the body breaks off. All but accept() and waits_for_model() may block on
/// database and disk and run on a pool; accept() does, too, if `accept_blocks()`.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Checks the head: an early answer, or nothing if the body is wanted.
  virtual std::optional<Response> begin() = 0;
  [[nodiscard]] virtual std::uint64_t body_limit() const = 0;
  [[nodiscard]] virtual bool accept_blocks() const = 0;
  /// Whether the caller is known for sure. Until then the request may take little time, and gives way to others.
  [[nodiscard]] virtual bool is_verified() const = 0;
  virtual Result<void> accept(std::span<const std::uint8_t> bytes) = 0;
  virtual Response finish() = 0;
  /// Whether finish() may wait for a model: such calls have threads of their own, so that others never wait behind them. Known by the
  /// head alone, before begin().
  [[nodiscard]] virtual bool waits_for_model() const = 0;
  virtual Response abort(const Error& error) = 0;
  /// The connection gives the request to a pool: from now until begin(), finish() or abort() it waits for a thread.
  virtual void hand_over() {}
  /// For what the connection logs about the request.
  [[nodiscard]] virtual log::Context log_context() const { return {}; }
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual std::unique_ptr<Exchange> open(RequestHead head) = 0;
};

}  // namespace vedette
