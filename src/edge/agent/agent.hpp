#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "edge/models/models.hpp"

/// The gRPC service AWS.LookoutVision.EdgeAgent (edge-agent.proto) and grpc.health.v1.Health on a Unix socket, and on a
/// TCP port if that is asked for. docs/edge.md describes the calls.
namespace vedette {

struct AgentTls {
  std::filesystem::path certificate;  ///< PEM: the server's certificate, then those between it and the root
  std::filesystem::path key;          ///< PEM: the private key
  std::filesystem::path client_ca;    ///< PEM: clients must show a certificate of these; empty: they need none
};

struct AgentOptions {
  std::filesystem::path socket;  ///< an absolute path; empty for none
  std::string socket_group;      ///< the group that may use the socket; empty leaves it to the process's own group
  std::string listen;            ///< ADDR:PORT, [ADDR]:PORT; port 0 lets the system choose; empty for none
  AgentTls tls;                  ///< for `listen`
  int most_connections = 4096;   ///< of all clients together; more are closed at once
  /// Calls that may be under way at once, up to the moment when the client has taken the answer. More fail with
  /// RESOURCE_EXHAUSTED.
  int most_calls = 128;
  /// Bytes that the pictures and masks of all these calls may take. More calls fail likewise, but for one that is alone.
  std::size_t call_memory = std::size_t{512} << 20;
  std::size_t message_memory = std::size_t{512} << 20;  ///< bytes that requests may take while they arrive
  std::chrono::seconds answer_limit{20};                ///< a client that has not taken an answer by then is cut off
};

/// What an observer is told of each DetectAnomalies, also of those without a verdict and of those that were refused.
struct AgentCall {
  const std::string& component;
  const Result<Judged>& judged;
  std::int64_t received_at = 0;  ///< nanoseconds since the Unix epoch
  int height = 0, width = 0;     ///< of the picture, as the client says
  /// Reads the picture's pixels, for as long as the observer runs. Null if the client gave none that can be read.
  const Components::ReadPixels* read = nullptr;
};

/// The running service.
class Agent {
 public:
  /// Begins to serve. Fails with conflict if another program serves on the socket, and with invalid_input if an option
  /// cannot be used; the message names it. `observe`, if given, is called on the thread of the call before it is
  /// answered, or on one of gRPC if the call is refused for its number or memory; it must be quick and may be called by many threads at once.
  static Result<std::unique_ptr<Agent>> start(Components& components, AgentOptions options,
                                              std::function<void(const AgentCall&)> observe = {});
  /// Refuses new calls, answers those that are under way, for at most five seconds, and removes the socket.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  [[nodiscard]] int port() const;  ///< the port of `listen`, or 0

  struct Counts {
    std::uint64_t calls = 0;        ///< DetectAnomalies calls
    std::uint64_t refused = 0;      ///< calls of any kind that were refused because of too many or too large ones
    std::uint64_t cut_off = 0;      ///< calls whose client did not take the answer in time
    std::uint64_t connections = 0;  ///< connections that were accepted
    std::uint64_t turned_away = 0;  ///< connections that were closed because there were too many
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct State;
  explicit Agent(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vedette
