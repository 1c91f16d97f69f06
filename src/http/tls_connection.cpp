#include <boost/beast/ssl/ssl_stream.hpp>

#include "http/connection_impl.hpp"

namespace vedette {

asio::awaitable<void> serve_tls(tcp::socket socket, std::shared_ptr<asio::ssl::context> certificate,
                                ConnectionContext& context) {
  using Stream = beast::ssl_stream<beast::tcp_stream>;
  Connection<Stream, true> connection(Stream(beast::tcp_stream(std::move(socket)), *certificate), context);
  co_await connection.serve();
}

}  // namespace vedette
