#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <memory>

#include "http/connection_table.hpp"
#include "http/exchange.hpp"
#include "http/server_options.hpp"

/// A client's connection from accept to close. Included by the server and by the two files that compile it, one per kind
/// of stream: the templates underneath take their time.
namespace vedette {

/// What all connections of a server share. All but the pools are the io thread's.
struct ConnectionContext {
  RequestHandler& handler;
  const ServerOptions& options;
  boost::asio::thread_pool& pool;        ///< for what blocks
  boost::asio::thread_pool& model_pool;  ///< for calls that wait for a model
  ConnectionTable table;
  bool is_stopping = false;          ///< no request may begin any more
  std::uint64_t buffered_bytes = 0;  ///< of bodies that wait in memory to be whole
};

/// Serves requests until the client or a deadline ends it, or the server stops. Runs on the io thread.
boost::asio::awaitable<void> serve_plain(boost::asio::ip::tcp::socket socket, ConnectionContext& context);
/// The same over TLS; the certificate stays as it was when the connection began.
boost::asio::awaitable<void> serve_tls(boost::asio::ip::tcp::socket socket,
                                       std::shared_ptr<boost::asio::ssl::context> certificate,
                                       ConnectionContext& context);

}  // namespace vedette
