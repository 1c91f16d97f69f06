#include "http/peer_connection.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace vedette {
namespace {

constexpr int kLookEvery = 100;  // milliseconds

Error no_connection(const std::string& reason) {
  return fail(ErrorKind::unavailable, reason);
}

struct Place {
  bool is_tls = false;
  std::string host, port;
};

Result<Place> parse(std::string_view address) {
  Place out;
  out.is_tls = address.starts_with("https://");
  if (!out.is_tls && !address.starts_with("http://")) return no_connection("it has no address");
  auto rest = address.substr(out.is_tls ? 8 : 7);
  rest = rest.substr(0, rest.find('/'));
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos) return no_connection("its address has no port");
  out.host = rest.substr(0, colon);
  out.port = rest.substr(colon + 1);
  if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
  return out;
}

}  // namespace

PeerTls::PeerTls(const std::string& ca_file) : context(SSL_CTX_new(TLS_client_method())) {
  if (context == nullptr) throw std::runtime_error("OpenSSL cannot be used");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const int ok = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                 : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
  if (ok == 1) return;
  SSL_CTX_free(context);
  throw std::runtime_error("the file of certificate authorities " + ca_file + " cannot be used");
}

PeerTls::~PeerTls() {
  SSL_CTX_free(context);
}

PeerConnection::~PeerConnection() {
  SSL_free(tls_);
  ::close(socket_);
}

bool PeerConnection::wait(short events, const MayWait& may_wait) const {
  while (may_wait()) {
    pollfd look{socket_, events, 0};
    const int n = ::poll(&look, 1, kLookEvery);
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
  return false;
}

Result<std::unique_ptr<PeerConnection>> PeerConnection::open(const std::string& address, const PeerTls& tls,
                                                             std::chrono::milliseconds time, const MayWait& may_wait) {
  const auto place = parse(address);
  if (!place) return place.error();
  const auto until = std::chrono::steady_clock::now() + time;
  const MayWait may_wait_here = [&] { return std::chrono::steady_clock::now() < until && may_wait(); };
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int code = ::getaddrinfo(place->host.c_str(), place->port.c_str(), &hints, &found); code != 0)
    return no_connection(::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> freed(found, ::freeaddrinfo);
  std::string reason = "it has no address";
  for (const auto* at = found; at != nullptr; at = at->ai_next) {
    const int socket = ::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) return no_connection("no socket is left");
    std::unique_ptr<PeerConnection> out(new PeerConnection(socket));
    const int one = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int code = ::connect(socket, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (code == EINPROGRESS) {
      if (!out->wait(POLLOUT, may_wait_here)) return no_connection("it takes no connection");
      socklen_t length = sizeof code;
      ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length);
    }
    if (code == 0) {
      if (place->is_tls)
        if (auto ok = out->start_tls(place->host, tls, may_wait_here); !ok) return ok.error();
      return out;
    }
    reason = std::generic_category().message(code);
  }
  return no_connection(reason);
}

bool PeerConnection::wait_for_tls(int outcome, const MayWait& may_wait) {
  const int wants = SSL_get_error(tls_, outcome);
  if (wants == SSL_ERROR_WANT_READ) return wait(POLLIN, may_wait);
  if (wants == SSL_ERROR_WANT_WRITE) return wait(POLLOUT, may_wait);
  return false;
}

Result<void> PeerConnection::start_tls(const std::string& host, const PeerTls& tls, const MayWait& may_wait) {
  tls_ = SSL_new(tls.context);
  if (tls_ == nullptr || SSL_set_fd(tls_, socket_) != 1) return no_connection("OpenSSL cannot be used");
  // The certificate must be for the address, be that a name or a number.
  auto* wanted = SSL_get0_param(tls_);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) {
    SSL_set_tlsext_host_name(tls_, host.c_str());
    if (X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) != 1)
      return no_connection("its name cannot be verified");
  }
  ERR_clear_error();
  for (int outcome = 0; (outcome = SSL_connect(tls_)) != 1; ERR_clear_error()) {
    if (wait_for_tls(outcome, may_wait)) continue;
    const auto verdict = SSL_get_verify_result(tls_);
    return no_connection(verdict == X509_V_OK
                             ? std::string("TLS fails")
                             : std::string("its certificate: ") + X509_verify_cert_error_string(verdict));
  }
  return {};
}

Result<void> PeerConnection::write(std::string_view bytes, const MayWait& may_wait) {
  while (!bytes.empty()) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      std::size_t n = 0;
      const int outcome = SSL_write_ex(tls_, bytes.data(), bytes.size(), &n);
      if (outcome == 1) {
        bytes.remove_prefix(n);
      } else if (!wait_for_tls(outcome, may_wait)) {
        return no_connection("the connection broke off");
      }
      continue;
    }
    const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno != EINTR && (errno != EAGAIN || !wait(POLLOUT, may_wait))) {
      return no_connection("the connection broke off");
    }
  }
  return {};
}

Result<std::size_t> PeerConnection::read(std::span<char> into, const MayWait& may_wait) {
  while (true) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      std::size_t n = 0;
      const int outcome = SSL_read_ex(tls_, into.data(), into.size(), &n);
      if (outcome == 1) return n;
      if (SSL_get_error(tls_, outcome) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      if (!wait_for_tls(outcome, may_wait)) return no_connection("no answer came");
      continue;
    }
    const auto n = ::recv(socket_, into.data(), into.size(), 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR && (errno != EAGAIN || !wait(POLLIN, may_wait))) return no_connection("no answer came");
  }
}

}  // namespace vedette
