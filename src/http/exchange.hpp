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

/// Describes what passes between the connection, which knows sockets, and the pipeline, which knows services.
namespace vedette {

struct RequestHead {
  std::string method, target;
  std::string path, query;  ///< percent-encoded, as they were sent
  HeaderList headers;       ///< with names in lower case
  std::optional<std::uint64_t> content_length;
  // The next three members describe the client, also if a trusted proxy sent the request (Origin).
  std::string remote_address;      ///< the client's address, as peer_text() writes it
  bool is_secure = false;          ///< whether the client speaks TLS
  bool is_body_protected = false;  ///< whether nobody on the way could change a body unnoticed
  std::stop_token abandoned = {};  ///< requested when the caller hangs up, or the server stops and waits no longer
};

/// The stages of the work on a request, in order, with the milliseconds that each stage took.
using Stages = std::vector<std::pair<std::string, double>>;

struct Response {
  int status = 200;
  HeaderList headers;  ///< all headers except Content-Length
  std::string body;
  std::unique_ptr<ObjectReader> content;  ///< if set, the body is this object's bytes [offset, offset + length)
  std::uint64_t offset = 0, length = 0;
  std::optional<std::uint64_t> head_length;  ///< if set, the answer has no body but this Content-Length (HEAD)
  std::chrono::milliseconds hold{0};         ///< the time to wait before the answer is sent
  Stages stages = {};                        ///< the operation's stages, if any; Server-Timing tells the client
  log::Context log_context = {};             ///< the context of lines that are logged while the answer is sent
  std::string answered_by = {};              ///< if set, the answer is that node's and is sent as it came
};

/// One request on its way through the server. The connection calls begin(). Unless begin() returns an answer, the
/// connection then calls accept() for each piece of the body and finish() at its end, or abort() if the body breaks
/// off. begin(), finish() and abort() may block on database and disk and run on a pool; accept() does so only if
/// `accept_blocks()` is true, and waits_for_model() never does.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Checks the head of the request. Returns an early answer, or nothing if the body is wanted.
  virtual std::optional<Response> begin() = 0;
  [[nodiscard]] virtual std::uint64_t body_limit() const = 0;
  [[nodiscard]] virtual bool accept_blocks() const = 0;
  /// Returns whether it is certain who the caller is. Until then the request may take little time, and gives way to
  /// others.
  [[nodiscard]] virtual bool is_verified() const = 0;
  virtual Result<void> accept(std::span<const std::uint8_t> bytes) = 0;
  virtual Response finish() = 0;
  /// Returns whether finish() may wait for a model. Such calls have threads of their own, so that other calls never
  /// wait behind them. The answer depends on the head alone and is known before begin().
  [[nodiscard]] virtual bool waits_for_model() const = 0;
  virtual Response abort(const Error& error) = 0;
  /// Tells the exchange that the connection gives the request to a pool, so that the time until begin(), finish() or
  /// abort() counts as waiting for a thread.
  virtual void hand_over() {}
  /// Returns the context of the lines that the connection logs about the request.
  [[nodiscard]] virtual log::Context log_context() const { return {}; }
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual std::unique_ptr<Exchange> open(RequestHead head) = 0;
};

}  // namespace vedette
