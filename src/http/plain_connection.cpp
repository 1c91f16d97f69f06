#include "http/connection_impl.hpp"

namespace vedette {

asio::awaitable<void> serve_plain(tcp::socket socket, ConnectionContext& context) {
  Connection<beast::tcp_stream, false> connection(beast::tcp_stream(std::move(socket)), context);
  co_await connection.serve();
}

}  // namespace vedette
