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

/// Serves a client's connection from accept to close. The server and the two files that compile it, one per kind of
/// stream, include this header, since the templates underneath take long to compile.
namespace vedette {

/// Holds what all connections of a server share. Only the io thread may use it, except for the pools.
struct ConnectionContext {
  RequestHandler& handler;
  const ServerOptions& options;
  boost::asio::thread_pool& pool;        ///< runs what may block
  boost::asio::thread_pool& model_pool;  ///< runs calls that wait for a model
  ConnectionTable table;
  bool is_stopping = false;          ///< whether no request may begin any more
  std::uint64_t buffered_bytes = 0;  ///< bytes of incomplete bodies in memory, of all connections
};

/// Serves requests on a plain connection until the client or a deadline ends it, or the server stops. Runs on the io
/// thread.
boost::asio::awaitable<void> serve_plain(boost::asio::ip::tcp::socket socket, ConnectionContext& context);
/// Serves requests on a connection over TLS in the same way. The connection keeps the certificate that it began with.
boost::asio::awaitable<void> serve_tls(boost::asio::ip::tcp::socket socket,
                                       std::shared_ptr<boost::asio::ssl::context> certificate,
                                       ConnectionContext& context);

}  // namespace vedette
