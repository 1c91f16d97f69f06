#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/mutex.hpp"
#include "base/result.hpp"
#include "http/exchange.hpp"
#include "http/trusted_proxies.hpp"

namespace vedette {

class PeerConnection;
struct PeerTls;

/// A node to which calls can be passed on.
struct Peer {
  std::string id;
  std::string address;  ///< "http://10.0.0.5:8420" or "https://…"
};

struct RelayOptions {
  /// The file of certificate authorities for nodes that speak TLS, in the place of the system's; empty: the system's.
  std::string ca_file;
  std::size_t most_at_once = 64;  ///< calls that may be passed on at the same time
  std::chrono::milliseconds connect{1000};
  /// The time for an answer, while the node counts as alive.
  std::chrono::milliseconds answer{30'000};
  std::chrono::milliseconds idle{30'000};   ///< A kept connection is used no more after so long.
  std::chrono::milliseconds avoided{2000};  ///< A node that did not answer is not asked again for so long.
};

/// Passes calls on to other nodes, as they came: the signature stays intact, and the other node verifies, authorises,
/// counts and audits the call by itself. Only a header is added (kPassedOnHeader). It says that the call must not be
/// passed on again, and who the client is; the latter is believed only if it was made with the key that all nodes
/// share, so that nobody else can claim to be another client. Thread-safe; calls block.
class Relay {
 public:
  /// `live_nodes` returns the nodes that are alive; it must be cheap. Throws std::runtime_error if the file of
  /// certificate authorities cannot be used.
  Relay(RelayOptions options, Sha256 key, std::function<std::vector<Peer>()> live_nodes);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Passes a call on to the first of the nodes (ids) that answers it. A node that dies, closes or says that it is
  /// unavailable is passed over, so a call may be run twice. The last answer counts if all nodes are overloaded. Fails
  /// with throttled if too many calls are being passed on, and with unavailable if no node answers or the caller has
  /// gone.
  Result<Response> pass_on(const RequestHead& head, std::string_view body, std::span<const std::string> nodes);

  /// Returns who the client of a call is that another node passed on, or nothing if this was not made by a node.
  [[nodiscard]] std::optional<Origin> client_of(const RequestHead& head) const;

 private:
  /// Sends the request to one node and returns its answer. Fails with unavailable.
  Result<Response> ask(const Peer& peer, std::string_view head, std::string_view body, std::stop_token abandoned);
  std::unique_ptr<PeerConnection> take_kept(const std::string& address);
  void keep(const std::string& address, std::unique_ptr<PeerConnection> connection);
  [[nodiscard]] bool is_avoided(const std::string& node);
  [[nodiscard]] std::string claim(const RequestHead& head) const;
  [[nodiscard]] std::string mac(const RequestHead& head, std::string_view claim) const;

  const RelayOptions options_;
  const Sha256 key_;
  const std::function<std::vector<Peer>()> live_nodes_;
  const std::unique_ptr<PeerTls> tls_;
  Mutex mutex_;
  std::map<std::string, std::vector<std::unique_ptr<PeerConnection>>> kept_ GUARDED_BY(mutex_);  ///< by address
  std::map<std::string, std::chrono::steady_clock::time_point> avoided_until_ GUARDED_BY(mutex_);
  std::size_t at_once_ GUARDED_BY(mutex_) = 0;
};

inline constexpr const char* kPassedOnHeader = "x-vedette-passed-on";

}  // namespace vedette
