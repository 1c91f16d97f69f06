#include "http/server.hpp"

#include <fcntl.h>

#include <boost/asio.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/log.hpp"
#include "base/time_slice.hpp"
#include "http/connection.hpp"
#include "http/tls.hpp"

namespace vedette {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kCertificateCheck = std::chrono::seconds(2);

/// Makes a socket close when this process starts another program, because Asio's sockets would be inherited.
template <typename Socket>
void close_on_exec(Socket& socket) {
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
}

}  // namespace

struct HttpServer::State {
  State(RequestHandler& handler, const ServerOptions& o)
      : options(o),
        pool(o.request_threads),
        model_pool(o.detection_threads),
        shared{handler, options, pool, model_pool, ConnectionTable(o.most_connections, o.most_per_network)} {
    if (!o.tls_certificate.empty()) tls.emplace(o.tls_certificate, o.tls_key);
  }

  // The members that coroutines use are declared before io, so that they outlive it: when io is destroyed, it destroys
  // the coroutines that have not ended.
  const ServerOptions options;
  asio::thread_pool pool, model_pool;
  ConnectionContext shared;
  std::optional<TlsFiles> tls;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer certificate_check{io}, drain{io};
  std::size_t connections = 0;  // only the io thread uses it
  std::thread thread;

  asio::awaitable<void> watch_certificate() {
    while (!shared.is_stopping) {
      certificate_check.expires_after(kCertificateCheck);
      co_await certificate_check.async_wait(asio::as_tuple(asio::use_awaitable));
      tls->reload_if_changed();
    }
  }

  asio::awaitable<void> serve_connection(tcp::socket socket) {
    ++connections;
    try {
      // This value has a name on purpose: GCC 12 destroys the captures twice if the call is written inside the
      // co_await.
      auto serving =
          tls ? serve_tls(std::move(socket), tls->current(), shared) : serve_plain(std::move(socket), shared);
      co_await std::move(serving);
    } catch (const std::exception& e) {
      log::error("connection failed", {{"reason", e.what()}});
    }
    if (--connections == 0) drain.cancel();
  }

  asio::awaitable<void> accept() {
    while (!shared.is_stopping) {
      auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {
        // The process may be out of file descriptors, so it waits for connections to end instead of trying again
        // without a pause.
        log::warning("a connection could not be accepted", {{"reason", error.message()}});
        asio::steady_timer timer(io, std::chrono::milliseconds(100));
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        continue;
      }
      close_on_exec(socket);
      auto serving = serve_connection(std::move(socket));
      asio::co_spawn(io, std::move(serving), asio::detached);
    }
  }

  /// Runs on the io thread. After it every coroutine ends, by the drain deadline at the latest, and io runs out of
  /// work.
  void begin_to_stop(const std::function<void()>& cancel) {
    shared.is_stopping = true;
    error_code ignored;
    acceptor.close(ignored);
    certificate_check.cancel();
    shared.table.close_idle();
    if (connections == 0) return;
    drain.expires_after(options.times.drain);
    drain.async_wait([this, cancel](error_code error) {
      if (error) return;
      log::warning("requests in progress are cut off", {{"connections", std::to_string(connections)}});
      if (cancel) cancel();
      shared.table.close_all();
    });
  }
};

HttpServer::HttpServer(RequestHandler& handler, const ServerOptions& options) {
  {
    const ShortTimeSlices for_pools;  // the threads of the pools do not judge pictures
    state_ = std::make_unique<State>(handler, options);
  }
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) throw std::runtime_error("not an IP address: " + options.address);
  const tcp::endpoint endpoint(address, options.port);
  auto& acceptor = state_->acceptor;
  acceptor.open(endpoint.protocol());
  close_on_exec(acceptor);
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(endpoint, error);
  if (error)
    throw std::runtime_error("cannot listen on " + options.address + ":" + std::to_string(options.port) + ": " +
                             error.message());
  acceptor.listen(asio::socket_base::max_listen_connections);
}

HttpServer::~HttpServer() {
  stop();
}

std::uint16_t HttpServer::port() const {
  return state_->acceptor.local_endpoint().port();
}

void HttpServer::start() {
  auto accepting = state_->accept();
  asio::co_spawn(state_->io, std::move(accepting), asio::detached);
  if (state_->tls) {
    auto watching = state_->watch_certificate();
    asio::co_spawn(state_->io, std::move(watching), asio::detached);
  }
  const ShortTimeSlices for_thread;
  state_->thread = std::thread([this] { state_->io.run(); });
}

void HttpServer::stop(const std::function<void()>& cancel) {
  if (!state_->thread.joinable()) return;
  asio::post(state_->io, [this, cancel] { state_->begin_to_stop(cancel); });
  state_->thread.join();  // no coroutine is left that could give work to the pools
  state_->pool.join();
  state_->model_pool.join();
}

}  // namespace vedette
