#include "http/relay.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/log.hpp"
#include "base/text.hpp"
#include "http/peer_connection.hpp"

namespace vedette {
namespace {

namespace http = boost::beast::http;
using Steady = std::chrono::steady_clock;
using boost::system::error_code;

constexpr std::uint64_t kLargestAnswer = 64ULL << 20;
constexpr std::size_t kReadAtOnce = 128 * 1024;
constexpr std::size_t kMostKept = 64;  // connections to one node

constexpr int kThrottled = 429, kUnavailable = 503;

/// Returns whether the header belongs to one connection and not to the message that it brings.
bool is_of_connection(std::string_view name) {
  for (const auto* of_connection :
       {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"})
    if (equals_ignore_case(name, of_connection)) return true;
  return false;
}

/// Returns whether the client has signed a header that cannot be passed on.
bool has_signed_connection(const RequestHead& head) {
  auto list = header_value(head.headers, "authorization");
  const auto start = list.find("SignedHeaders=");
  if (start == std::string_view::npos) return false;
  list = list.substr(start + 14);
  for (const auto name : split(list.substr(0, list.find_first_of(", ")), ';'))
    if (is_of_connection(name)) return true;
  return false;
}

std::string request_head(const RequestHead& head, std::size_t body_size, const std::string& claim) {
  std::string out = head.method + " " + head.target + " HTTP/1.1\r\n";
  for (const auto& [name, value] : head.headers)
    if (!is_of_connection(name) && name != "content-length" && name != kPassedOnHeader)
      out += name + ": " + value + "\r\n";
  return out + "content-length: " + std::to_string(body_size) + "\r\n" + kPassedOnHeader + ": " + claim + "\r\n\r\n";
}

Response to_response(http::message<false, http::string_body>&& message, const std::string& node) {
  Response out;
  out.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    const std::string_view name(field.name_string().data(), field.name_string().size());
    if (!is_of_connection(name) && !equals_ignore_case(name, "content-length"))
      out.headers.emplace_back(name, std::string_view(field.value().data(), field.value().size()));
  }
  out.body = std::move(message.body());
  out.answered_by = node;
  return out;
}

/// An answer, and whether the connection can take another request.
struct Answer {
  Response response;
  bool can_be_kept = false;
};

Result<Answer> read_answer(PeerConnection& connection, const std::string& node,
                           const PeerConnection::MayWait& may_wait) {
  std::vector<char> buffer(kReadAtOnce);
  std::size_t filled = 0;
  while (true) {
    http::response_parser<http::string_body> parser;
    parser.body_limit(kLargestAnswer);
    parser.eager(true);
    while (!parser.is_done()) {
      error_code error;
      if (filled > 0) {
        const auto used = parser.put(boost::asio::buffer(buffer.data(), filled), error);
        std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(used),
                  buffer.begin() + static_cast<std::ptrdiff_t>(filled), buffer.begin());
        filled -= used;
        if (error && error != http::error::need_more)
          return fail(ErrorKind::unavailable, "its answer cannot be read: " + error.message());
        if (!error && used > 0) continue;
      }
      if (filled == buffer.size()) return fail(ErrorKind::unavailable, "its answer cannot be read");
      const auto n = connection.read(std::span(buffer).subspan(filled), may_wait);
      if (!n) return n.error();
      if (*n == 0) {
        if (parser.got_some()) parser.put_eof(error);
        if (error || !parser.is_done()) return fail(ErrorKind::unavailable, "the connection broke off");
      }
      filled += *n;
      if (filled > 0) connection.is_fresh = false;
    }
    if (parser.get().result_int() / 100 == 1) continue;  // an interim answer
    const bool can_be_kept = parser.keep_alive() && filled == 0;
    return Answer{to_response(parser.release(), node), can_be_kept};
  }
}

}  // namespace

Relay::Relay(RelayOptions options, Sha256 key, std::function<std::vector<Peer>()> live_nodes)
    : options_(std::move(options)),
      key_(key),
      live_nodes_(std::move(live_nodes)),
      tls_(std::make_unique<PeerTls>(options_.ca_file)) {}

Relay::~Relay() = default;

std::string Relay::mac(const RequestHead& head, std::string_view claim) const {
  // The signature is part of what is authenticated, so that the claim is good for this request only.
  const auto text = "vedette passed on\n" + std::string(claim) + "\n" + head.method + "\n" + head.target + "\n" +
                    std::string(header_value(head.headers, "authorization"));
  return to_hex(hmac_sha256(key_, text));
}

std::string Relay::claim(const RequestHead& head) const {
  const auto claim = (head.remote_address.empty() ? "-" : head.remote_address) + (head.is_secure ? " tls" : " plain") +
                     (head.is_body_protected ? " protected" : " open");
  return "1 " + claim + " " + mac(head, claim);
}

std::optional<Origin> Relay::client_of(const RequestHead& head) const {
  const auto parts = split(header_value(head.headers, kPassedOnHeader), ' ');
  if (parts.size() != 5 || parts[0] != "1") return std::nullopt;
  const auto claim = std::string(parts[1]) + " " + std::string(parts[2]) + " " + std::string(parts[3]);
  if (!equal_in_constant_time(mac(head, claim), parts[4])) return std::nullopt;
  return Origin{parts[1] == "-" ? std::string() : std::string(parts[1]), parts[2] == "tls", parts[3] == "protected"};
}

std::unique_ptr<PeerConnection> Relay::take_kept(const std::string& address) {
  std::vector<std::unique_ptr<PeerConnection>> old;  // closed after the lock is released
  const MutexLock lock(mutex_);
  auto& kept = kept_[address];
  while (!kept.empty()) {
    auto connection = std::move(kept.back());
    kept.pop_back();
    if (Steady::now() - connection->kept_since < options_.idle) return connection;
    old.push_back(std::move(connection));
  }
  return nullptr;
}

void Relay::keep(const std::string& address, std::unique_ptr<PeerConnection> connection) {
  connection->kept_since = Steady::now();
  const MutexLock lock(mutex_);
  auto& kept = kept_[address];
  if (kept.size() < kMostKept) kept.push_back(std::move(connection));
}

bool Relay::is_avoided(const std::string& node) {
  const MutexLock lock(mutex_);
  const auto it = avoided_until_.find(node);
  return it != avoided_until_.end() && Steady::now() < it->second;
}

Result<Response> Relay::ask(const Peer& peer, std::string_view head, std::string_view body, std::stop_token abandoned) {
  const auto until = Steady::now() + options_.answer;
  auto look = Steady::now();
  bool is_alive = true;
  // A node that is frozen or cut off takes its time to answer until the others say that it is dead.
  const PeerConnection::MayWait may_wait = [&] {
    const auto now = Steady::now();
    if (now >= look) {
      look = now + std::chrono::milliseconds(500);
      is_alive = std::ranges::count(live_nodes_(), peer.id, &Peer::id) > 0;
    }
    return is_alive && now < until && !abandoned.stop_requested();
  };
  while (true) {
    auto connection = take_kept(peer.address);
    const bool is_kept = connection != nullptr;
    if (!is_kept) {
      auto opened = PeerConnection::open(peer.address, *tls_, options_.connect, may_wait);
      if (!opened) return opened.error();
      connection = std::move(*opened);
    }
    connection->is_fresh = true;
    auto sent = connection->write(head, may_wait);
    if (sent) sent = connection->write(body, may_wait);
    Result<Answer> answer = sent ? read_answer(*connection, peer.id, may_wait) : Result<Answer>(sent.error());
    if (answer) {
      if (answer->can_be_kept) keep(peer.address, std::move(connection));
      return std::move(answer->response);
    }
    // The other side may close a connection that waits just when it is used again.
    if (!is_kept || !connection->is_fresh || !may_wait()) return answer.error();
  }
}

Result<Response> Relay::pass_on(const RequestHead& head, std::string_view body, std::span<const std::string> nodes) {
  if (has_signed_connection(head)) return fail(ErrorKind::unavailable, "The request was signed for one connection.");
  {
    const MutexLock lock(mutex_);
    if (at_once_ >= options_.most_at_once) {
      auto error = fail(ErrorKind::throttled, "More images arrive than the model's inference units can take.");
      error.retry_after_seconds = 1;
      return error;
    }
    ++at_once_;
  }
  const std::unique_ptr<Relay, std::function<void(Relay*)>> place(this, [](Relay* relay) {
    const MutexLock lock(relay->mutex_);
    --relay->at_once_;
  });
  const auto to_send = request_head(head, body.size(), claim(head));
  std::optional<Response> overloaded;
  for (const auto& node : nodes) {
    if (is_avoided(node)) continue;
    const auto peers = live_nodes_();
    const auto peer = std::ranges::find(peers, node, &Peer::id);
    if (peer == peers.end()) continue;
    auto answer = ask(*peer, to_send, body, head.abandoned);
    if (head.abandoned.stop_requested()) break;
    if (answer && answer->status == kThrottled) {
      overloaded = std::move(*answer);
    } else if (answer && answer->status != kUnavailable) {
      return std::move(*answer);
    } else {
      log::warning("a node did not take a call",
                   {{"node", node}, {"reason", answer ? "it is unavailable" : answer.error().message}});
      const MutexLock lock(mutex_);
      avoided_until_[node] = Steady::now() + options_.avoided;
    }
  }
  if (overloaded) return std::move(*overloaded);
  return fail(ErrorKind::unavailable, "No other node answers.");
}

}  // namespace vedette
