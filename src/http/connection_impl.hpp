#pragma once

#include <poll.h>
#include <sys/sendfile.h>

#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl/stream_base.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <memory>
#include <sstream>
#include <stop_token>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "http/background.hpp"
#include "http/connection.hpp"
#include "http/framing.hpp"
#include "http/peer_address.hpp"
#include "http/response_headers.hpp"

/// The class behind serve_plain() and serve_tls(); for their two files only.
namespace vedette {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Parser = http::request_parser<http::buffer_body>;

constexpr std::uint32_t kHeadLimit = 32 * 1024;
// What may wait to be parsed. A chunk's line, or the last one with the trailers, must fit in; so does a head (kHeadLimit).
constexpr std::size_t kMostUnparsed = 64 * 1024;
constexpr std::size_t kBodyChunk = 256 * 1024;
// A body of at most so many bytes is read to its end even if nobody wants it: closing the connection instead would cost more, and proxies
// (HAProxy 2.6) take the client's next request on theirs for the body that is missing.
constexpr std::uint64_t kSmallBody = 64 * 1024;
constexpr std::size_t kContentChunk = 1024 * 1024;
constexpr off64_t kSendPiece = 1 << 20;
constexpr int kMostWaits = 8;
constexpr int kSendPatience = 5;  // milliseconds
constexpr std::uint64_t kMostBuffered = 1ULL << 30;
constexpr std::uint64_t kLingerBytes = 64ULL << 20;

template <typename Stream, bool kIsTls>
class Connection {
 public:
  Connection(Stream stream, ConnectionContext& shared)
      : stream_(std::move(stream)), shared_(shared), times_(shared.options.times) {
    error_code ignored;
    lowest().socket().set_option(tcp::no_delay(true), ignored);
    const auto remote = lowest().socket().remote_endpoint(ignored);
    if (!ignored) remote_ = peer_text(remote.address());
  }

  asio::awaitable<void> serve() {
    if (shared_.is_stopping) co_return;
    // A trusted proxy speaks for many clients, and has no share of its own.
    auto place = shared_.table.enter(shared_.options.proxies.contains(remote_) ? std::string() : remote_, Clock::now(),
                                     [this] { cut(); });
    if (!place) co_return;  // all others work: the socket closes
    place_ = &*place;
    if constexpr (kIsTls) {
      lowest().expires_after(times_.handshake);
      auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kNoThrow);
      if (error) co_return;
    }
    for (bool keep_alive = true; keep_alive && !shared_.is_stopping;) keep_alive = co_await serve_one();
    if constexpr (kIsTls) {
      // Tells the client that nothing was cut off.
      lowest().expires_after(times_.linger);
      auto [error] = co_await stream_.async_shutdown(kNoThrow);
      if (error) co_return;
    }
    error_code ignored;
    lowest().socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
  /// The layer that has time-outs.
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  /// Ends every wait for the client, now and later, and tells those who make an answer that nobody wants it. The descriptor stays open
  /// until the coroutine ends: a thread of the pool may be writing to it.
  void cut() {
    gone_.request_stop();
    error_code ignored;
    lowest().socket().shutdown(tcp::socket::shutdown_both, ignored);
    lowest().cancel();
  }

  /// One request and its answer. False if the connection must end.
  asio::awaitable<bool> serve_one() {
    place_->be_idle(Clock::now());
    // The first byte may take long on an idle connection; from then on the head has its own deadline.
    if (buffer_.size() == 0) {
      lowest().expires_after(times_.idle);
      auto [wait_error, n] = co_await stream_.async_read_some(buffer_.prepare(16 * 1024), kNoThrow);
      if (wait_error) co_return false;
      buffer_.commit(n);
    }
    place_->wait(Clock::now());
    Parser parser;
    parser.header_limit(kHeadLimit);
    parser.body_limit(boost::none);
    auto check_extensions = [](std::uint64_t, beast::string_view extensions, error_code& error) {
      if (!are_plain_extensions({extensions.data(), extensions.size()})) error = http::error::bad_chunk_extension;
    };
    parser.on_chunk_header(check_extensions);
    overhead_ = {};
    lowest().expires_after(times_.head);
    auto [head_error, head_bytes] = co_await http::async_read_header(stream_, buffer_, parser, kNoThrow);
    if (!head_error) place_->wait(Clock::now());  // a request that begins has not waited as long as its connection
    if (head_error == http::error::end_of_stream || head_error == beast::error::timeout ||
        head_error == asio::error::connection_reset)
      co_return false;
    if (const auto ok = head_error ? unreadable_head(head_error) : check_framing(parser.get()); !ok) {
      auto refusing = refuse_head(ok.error());
      co_await std::move(refusing);
      co_return false;
    }
    const bool is_head = parser.get().method() == http::verb::head;
    bool keep_alive = parser.get().keep_alive();
    gone_ = std::stop_source();
    auto head = read_head(parser);
    head.abandoned = gone_.get_token();
    auto exchange = shared_.handler.open(std::move(head));
    auto& pool = exchange->waits_for_model() ? shared_.model_pool : shared_.pool;
    Buffered buffered(shared_.buffered_bytes);
    // Of the body; without a Content-Length it is not known how much, but whether.
    std::uint64_t left = parser.content_length().value_or(parser.is_done() ? 0 : 1);
    bool asks_first = beast::iequals(parser.get()[http::field::expect], "100-continue");

    // A body of one piece is read before the head is looked at, and then all is answered in one go: every change of threads costs. Who asks
    // whether to send it is told to go on only if it is small.
    std::vector<std::uint8_t> piece;
    std::optional<Error> trouble;
    if (left > 0 && parser.content_length() && left <= (asks_first ? kSmallBody : kBodyChunk)) {
      if (std::exchange(asks_first, false)) {
        const bool told = co_await tell_to_go_on();
        if (!told) co_return false;
      }
      piece.resize(static_cast<std::size_t>(left));
      // Nobody knows yet whose it is: it may not trickle.
      auto reading = read_piece(parser, left, piece, Clock::now() + times_.unverified_piece);
      const auto filled = co_await std::move(reading);
      if (!filled) {
        trouble = filled.error();
      } else if (!buffered.add(piece.size())) {
        trouble = too_many();
      }
    }
    std::function<std::optional<Response>()> begin = [&]() -> std::optional<Response> {
      if (auto early = exchange->begin()) return early;
      if (trouble) return exchange->abort(*trouble);
      if (parser.content_length().value_or(0) > exchange->body_limit())
        return exchange->abort(too_large(exchange->body_limit()));
      if (left > 0) return std::nullopt;
      if (!piece.empty())
        if (auto ok = exchange->accept(piece); !ok) return exchange->abort(ok.error());
      return exchange->finish();
    };
    std::optional<HangupWatch> watch;
    const auto watch_hangup = [&] {
      if (exchange->waits_for_model()) watch.emplace(stream_.get_executor(), lowest().socket().native_handle(), gone_);
    };
    if (place_->is_closed()) co_return false;
    place_->work();
    if (left == 0) watch_hangup();
    auto answer = co_await run_safely(pool, *exchange, begin);
    if (!answer) {
      if (!exchange->is_verified()) place_->wait(Clock::now());
      if (asks_first) {
        const bool told = co_await tell_to_go_on();
        if (!told) co_return false;
      }
      auto reading = read_body(parser, *exchange, buffered, left);
      trouble = co_await std::move(reading);
      if (place_->is_closed()) co_return false;
      place_->work();
      if (!trouble) watch_hangup();
      std::function<std::optional<Response>()> finish = [&] {
        return trouble ? exchange->abort(*trouble) : exchange->finish();
      };
      answer = co_await run_safely(pool, *exchange, finish);
    }
    watch.reset();
    // Nobody keeps a place by not reading an answer that anybody may get.
    if (!exchange->is_verified()) place_->wait(Clock::now());
    if (answer->hold.count() > 0 && !shared_.is_stopping) {
      exchange.reset();  // with the body that it kept
      asio::steady_timer timer(stream_.get_executor(), answer->hold);
      co_await timer.async_wait(kNoThrow);
    }
    // Of a body without a Content-Length it is not known whether it is small: it is read until it is not.
    if (left > 0 && !parser.content_length() && !asks_first && !trouble) {
      auto dropping = drop_small_body(parser, left);
      co_await std::move(dropping);
    }
    // An unread body would be taken for the next request.
    const bool unread = left > 0;
    keep_alive = keep_alive && !unread && !shared_.is_stopping;
    const bool written = co_await write(std::move(*answer), is_head, keep_alive);
    if (written && unread) co_await linger();
    co_return written&& keep_alive;
  }

  /// Answers "Expect: 100-continue". False if the client has gone.
  asio::awaitable<bool> tell_to_go_on() {
    http::response<http::empty_body> go_on{http::status::continue_, 11};
    lowest().expires_after(times_.write);
    auto [error, bytes] = co_await http::async_write(stream_, go_on, kNoThrow);
    co_return !error;
  }

  static Error too_large(std::uint64_t limit) {
    return fail(ErrorKind::too_large, "The request body exceeds " + std::to_string(limit) + " bytes.",
                "EntityTooLarge");
  }

  static Error too_many() { return fail(ErrorKind::unavailable, "The server has too many requests in hand."); }

  RequestHead read_head(const Parser& parser) const {
    const auto& request = parser.get();
    RequestHead head;
    head.method = std::string(request.method_string());
    head.target = std::string(request.target());
    const auto question = head.target.find('?');
    head.path = head.target.substr(0, question);
    if (question != std::string::npos) head.query = head.target.substr(question + 1);
    for (const auto& field : request) {
      auto name = to_lower(std::string(field.name_string()));
      const auto same =
          std::find_if(head.headers.begin(), head.headers.end(), [&](const auto& h) { return h.first == name; });
      // One that comes again continues the first (RFC 9110 section 5.3): what is signed and what is read are the same.
      if (same != head.headers.end()) {
        same->second += "," + std::string(field.value());
      } else {
        head.headers.emplace_back(std::move(name), std::string(field.value()));
      }
    }
    if (const auto length = parser.content_length()) head.content_length = *length;
    auto origin = shared_.options.proxies.origin_of(remote_, kIsTls, head.headers);
    head.remote_address = std::move(origin.address);
    head.is_secure = origin.is_secure;
    head.is_body_protected = origin.is_body_protected;
    return head;
  }

  /// This connection's part of the memory that bodies take; given back when the request ends.
  class Buffered {
   public:
    explicit Buffered(std::uint64_t& all) : all_(all) {}
    ~Buffered() { all_ -= mine_; }
    Buffered(const Buffered&) = delete;
    Buffered& operator=(const Buffered&) = delete;
    /// False if all connections together would have too much.
    bool add(std::uint64_t bytes) {
      mine_ += bytes;
      return (all_ += bytes) <= kMostBuffered;
    }

   private:
    std::uint64_t& all_;
    std::uint64_t mine_ = 0;
  };

  /// Reads bytes of the body into `out`, until that is full or the body ends, and says how many came. Bytes behind a Content-Length are
  /// read where they are needed; other codings are the parser's. ConnectionTimes says how long a read and the piece may take; all of it ends
  /// at `last`, if given.
  asio::awaitable<Result<std::size_t>> read_piece(Parser& parser, std::uint64_t& left, std::span<std::uint8_t> out,
                                                  std::optional<Clock::time_point> last) {
    auto end = Clock::now() + times_.body_silence + std::chrono::seconds(out.size() / times_.least_body_rate);
    if (last) end = std::min(end, *last);
    lowest().expires_never();
    SocketDeadline deadline(lowest().socket());
    const auto may_wait = [&] {
      if (deadline.has_come() || place_->is_closed()) return false;
      deadline.set(std::min(end, Clock::now() + times_.body_silence));
      return true;
    };
    std::size_t filled = 0;
    error_code error;
    bool is_in_bounds = true;
    if (parser.content_length()) {
      out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left)));
      filled = asio::buffer_copy(asio::buffer(out.data(), out.size()), buffer_.data());
      buffer_.consume(filled);
      while (filled < out.size() && !error && may_wait()) {
        auto [trouble, n] =
            co_await stream_.async_read_some(asio::buffer(out.data() + filled, out.size() - filled), kNoThrow);
        filled += n;
        error = trouble;
      }
      left -= filled;
    } else {
      while (filled < out.size() && !parser.is_done() && !error && may_wait()) {
        parser.get().body().data = out.data() + filled;
        parser.get().body().size = out.size() - filled;
        auto [trouble, n] = co_await http::async_read_some(stream_, buffer_, parser, kNoThrow);
        // One call reads content or one chunk's line, the last one with the trailers.
        const auto content = out.size() - parser.get().body().size - filled;
        filled += content;
        if (trouble == http::error::need_buffer) break;
        error = trouble;
        is_in_bounds = trouble != http::error::buffer_overflow && overhead_.admit(n - content);
        if (!is_in_bounds) break;
      }
      left = parser.is_done() && is_in_bounds ? 0 : 1;
    }
    if (!is_in_bounds)
      co_return fail(ErrorKind::invalid_input, "The chunk extensions and trailers of the request body are too long.",
                     "InvalidRequest");
    if (left > 0 && deadline.has_come())
      co_return fail(ErrorKind::invalid_input, "The request body did not arrive in time.", "RequestTimeout");
    if (error || place_->is_closed())
      co_return fail(ErrorKind::invalid_input, "The request body is shorter than its Content-Length, or malformed.",
                     "IncompleteBody");
    co_return filled;
  }

  /// Reads a body that nobody wants to its end, if that comes within kSmallBody and ConnectionTimes::linger. `left` is zero then.
  asio::awaitable<void> drop_small_body(Parser& parser, std::uint64_t& left) {
    std::vector<std::uint8_t> waste(kSmallBody);
    auto reading = read_piece(parser, left, waste, Clock::now() + times_.linger);
    (void)co_await std::move(reading);  // if anything went wrong, `left` says that the body is not at its end
  }

  /// Gives the exchange the body; returns what went wrong, if anything did. `left` is zero when the body was read to its end.
  asio::awaitable<std::optional<Error>> read_body(Parser& parser, Exchange& exchange, Buffered& buffered,
                                                  std::uint64_t& left) {
    // Two pieces: one is read from the network while the other is hashed and written.
    std::array<std::vector<std::uint8_t>, 2> pieces;
    Background accepting(stream_.get_executor());
    std::uint64_t total = 0;
    std::optional<Error> trouble;
    std::optional<Clock::time_point> last;
    if (!exchange.is_verified()) last = Clock::now() + times_.unverified_body;
    for (std::size_t turn = 0; left > 0 && !trouble; ++turn) {
      auto& piece = pieces[turn % 2];
      piece.resize(parser.content_length() ? static_cast<std::size_t>(std::min<std::uint64_t>(kBodyChunk, left))
                                           : kBodyChunk);
      auto reading = read_piece(parser, left, piece, last);
      const auto filled = co_await std::move(reading);
      auto waiting = accepting.wait();  // for the piece before
      const auto accepted = co_await std::move(waiting);
      if (!accepted) {
        trouble = accepted.error();
      } else if (!filled) {
        trouble = filled.error();
      } else if ((total += *filled) > exchange.body_limit()) {
        trouble = too_large(exchange.body_limit());
      } else if (!exchange.accept_blocks() && !buffered.add(*filled)) {
        // Whoever knows a key's id may send a body before its signature is looked at: together they must not fill the
        // memory.
        trouble = too_many();
      } else {
        const auto bytes = std::span<const std::uint8_t>(piece.data(), *filled);
        if (exchange.accept_blocks()) {
          std::function<Result<void>()> accept = [&exchange, bytes] { return exchange.accept(bytes); };
          accepting.start(shared_.pool, std::move(accept));
        } else if (auto ok = exchange.accept(bytes); !ok) {
          trouble = ok.error();
        }
      }
    }
    auto waiting = accepting.wait();
    const auto accepted = co_await std::move(waiting);
    if (!trouble && !accepted) trouble = accepted.error();
    co_return trouble;
  }

  /// Runs the work on the pool; what it throws is logged and answered.
  asio::awaitable<std::optional<Response>> run_safely(asio::thread_pool& pool, Exchange& exchange,
                                                      std::function<std::optional<Response>()> work) {
    exchange.hand_over();
    std::optional<Response> answer;
    bool failed = false;
    try {
      answer = co_await run_on<std::optional<Response>>(pool, std::move(work));
    } catch (const std::exception& e) {
      const log::Scope scope(exchange.log_context());
      log::error("request failed", {{"reason", e.what()}});
      failed = true;
    }
    if (failed) answer = internal_failure();
    co_return answer;
  }

  asio::awaitable<bool> write(Response response, bool is_head, bool keep_alive) {
    if (!are_sendable(response.headers)) {
      const log::Scope scope(response.log_context);
      log::error("an answer's headers would end early",
                 {{"remote", remote_}, {"status", std::to_string(response.status)}});
      response = internal_failure();
    }
    http::response<http::buffer_body> message;
    message.version(11);
    message.result(static_cast<unsigned>(response.status));
    message.keep_alive(keep_alive);
    for (const auto& [name, value] : response.headers) message.insert(name, value);
    const std::uint64_t length = response.content ? response.length : response.body.size();
    const bool has_no_body = response.status == 204 || response.status == 304;
    if (!has_no_body) message.content_length(response.head_length.value_or(length));
    message.body().data = nullptr;
    message.body().more = false;
    http::response_serializer<http::buffer_body> serializer(message);
    lowest().expires_after(times_.write);
    // One write for head and body of the usual small answer saves a packet and a wake-up of the client.
    if (!response.content && !is_head && !response.body.empty()) {
      message.body().data = response.body.data();
      message.body().size = response.body.size();
      auto [error, bytes] = co_await http::async_write(stream_, serializer, kNoThrow);
      co_return !error;
    }
    if constexpr (!kIsTls)
      if (const auto file = response.content ? response.content->file() : std::nullopt; file && !is_head) {
        std::ostringstream head;
        head << message.base();
        auto sending = send_file(head.str(), *file, response.offset, length);
        const bool sent = co_await std::move(sending);
        co_return sent;
      }
    auto [error, bytes] = co_await http::async_write_header(stream_, serializer, kNoThrow);
    if (error) co_return false;
    if (is_head || !response.content) co_return true;
    std::vector<std::uint8_t> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(length, kContentChunk)));
    for (std::uint64_t sent = 0; sent < length;) {
      const auto piece =
          std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), length - sent)));
      std::function<Result<std::size_t>()> read = [&] {
        const log::Scope scope(response.log_context);
        return response.content->read(response.offset + sent, piece);
      };
      Result<std::size_t> n = internal_error("");
      n = co_await run_on_result(read);
      // The head is out: a broken connection is the only way left to say that the body is not whole.
      if (!n || *n == 0) co_return false;
      lowest().expires_after(times_.write);
      auto [write_error, written] = co_await asio::async_write(stream_, asio::buffer(chunk.data(), *n), kNoThrow);
      if (write_error) co_return false;
      sent += *n;
    }
    co_return true;
  }

  /// A head and what follows it of a file, on its way out.
  struct Sending {
    std::string head;
    int file;
    off64_t at, end;
    [[nodiscard]] bool is_done() const { return head.empty() && at == end; }
  };

  /// Sends what the client takes without making this thread wait long; zero, EAGAIN or what is wrong.
  static int send_some(int to, Sending& s) {
    for (int waits = kMostWaits; !s.is_done();) {
      ssize_t n = 0;
      if (!s.head.empty()) {
        n = ::send(to, s.head.data(), s.head.size(), MSG_MORE | MSG_NOSIGNAL);
        if (n > 0) s.head.erase(0, static_cast<std::size_t>(n));
      } else {
        n = ::sendfile64(to, s.file, &s.at, static_cast<std::size_t>(std::min<off64_t>(s.end - s.at, kSendPiece)));
      }
      if (n > 0 || (n < 0 && errno == EINTR)) continue;
      const auto reason = n == 0 ? EIO : errno;  // at its end the file would be shorter than it was
      // A client that keeps up is worth a moment's wait: two thread switches cost more.
      pollfd writable{to, POLLOUT, 0};
      if (reason == EAGAIN && waits-- > 0 && ::poll(&writable, 1, kSendPatience) > 0 && writable.revents == POLLOUT)
        continue;
      return reason;
    }
    return 0;
  }

  /// The kernel sends the file from its cache: nothing is copied through this process. What may wait for the disk runs on
  /// the pool, what waits for the client does not.
  asio::awaitable<bool> send_file(std::string head, int file, std::uint64_t offset, std::uint64_t length) {
    Sending sending{std::move(head), file, static_cast<off64_t>(offset), static_cast<off64_t>(offset + length)};
    auto& socket = lowest().socket();
    error_code ignored;
    socket.native_non_blocking(true, ignored);
    const int to = socket.native_handle();
    SocketDeadline deadline(socket);
    int trouble = 0;
    // Every piece must be taken in time, or a client that takes a byte now and then would stay for ever.
    auto piece_ends = Clock::now() + times_.write;
    off64_t piece_end = sending.at + kSendPiece;
    do {
      std::function<int()> send = [to, &sending] { return send_some(to, sending); };
      trouble = co_await run_on<int>(shared_.pool, std::move(send));
      if (trouble == EAGAIN) {
        if (sending.at >= piece_end) {
          piece_ends = Clock::now() + times_.write;
          piece_end = sending.at + kSendPiece;
        }
        deadline.set(piece_ends);
        auto [error] = co_await socket.async_wait(tcp::socket::wait_write, kNoThrow);
        if (error || deadline.has_come()) trouble = EIO;
      }
    } while (trouble == EAGAIN);
    co_return trouble == 0;  // once the head is out, a broken connection is the only way left to say so
  }

  asio::awaitable<Result<std::size_t>> run_on_result(std::function<Result<std::size_t>()> work) {
    std::function<std::optional<Result<std::size_t>>()> wrapped = [work = std::move(work)] {
      return std::optional(work());
    };
    auto result = co_await run_on<std::optional<Result<std::size_t>>>(shared_.pool, std::move(wrapped));
    co_return std::move(*result);
  }

  static Result<void> unreadable_head(error_code error) {
    if (error == http::error::header_limit) return fail(ErrorKind::too_large, "The request head is too large.");
    return invalid_input("This is not an HTTP/1.1 request.");
  }

  /// Says why, and reads on a while without looking at what comes: nobody knows where the request ends. Then the connection must end.
  asio::awaitable<void> refuse_head(const Error& error) {
    Response response;
    response.status = error.kind == ErrorKind::too_large ? 431 : error.kind == ErrorKind::unsupported ? 501 : 400;
    response.headers.emplace_back("content-type", "text/plain");
    response.body = error.message + "\n";
    auto writing = write(std::move(response), false, false);
    const bool written = co_await std::move(writing);
    if (!written) co_return;
    auto lingering = linger();
    co_await std::move(lingering);
  }

  /// Closing with unread input makes the kernel reset the connection, which may destroy the answer on its way: read on
  /// a while.
  asio::awaitable<void> linger() {
    error_code ignored;
    lowest().socket().shutdown(tcp::socket::shutdown_send, ignored);
    std::vector<std::uint8_t> waste(kBodyChunk);
    const auto until = Clock::now() + times_.linger;
    for (std::uint64_t total = 0; total < kLingerBytes && Clock::now() < until && !place_->is_closed();) {
      lowest().expires_at(until);
      auto [error, n] = co_await stream_.async_read_some(asio::buffer(waste), kNoThrow);
      if (error) co_return;
      total += n;
    }
  }

  Stream stream_;
  ConnectionContext& shared_;
  const ConnectionTimes& times_;
  beast::flat_buffer buffer_{kMostUnparsed};
  ChunkOverhead overhead_;  // of the request in hand
  std::stop_source gone_;   // for the request in hand: its caller has hung up, or is cut off
  std::string remote_;
  ConnectionTable::Place* place_ = nullptr;  // while serve() runs
};

}  // namespace vedette
