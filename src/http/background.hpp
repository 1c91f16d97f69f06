#pragma once

#include <poll.h>

#include <boost/asio.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "base/disk_full.hpp"
#include "base/result.hpp"
#include "http/exchange.hpp"

/// Holds what a connection needs beside its coroutine: work on the thread pools, deadlines, and a watch on its socket.
/// Only connection_impl.hpp includes this header.
namespace vedette {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto kHangupCheck = std::chrono::milliseconds(100);

/// Runs work on the pool and then resumes the coroutine on the coroutine's own executor. An exception that the work
/// throws is rethrown in the coroutine.
template <typename R>
asio::awaitable<R> run_on(asio::thread_pool& pool, std::function<R()> work) {
  auto initiate = [&pool](auto handler, std::function<R()> w) {
    auto executor = asio::get_associated_executor(handler);
    asio::post(pool, [handler = std::move(handler), executor, w = std::move(w)]() mutable {
      std::exception_ptr failure;
      std::optional<R> result;
      try {
        result.emplace(w());
      } catch (...) {
        failure = std::current_exception();
      }
      asio::post(executor, [handler = std::move(handler), failure, result = std::move(result)]() mutable {
        if (failure) {
          std::move(handler)(failure, R{});
        } else {
          std::move(handler)(nullptr, std::move(*result));
        }
      });
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, R)>(
      std::move(initiate), asio::use_awaitable, std::move(work));
}

inline Response internal_failure() {
  Response r;
  r.status = 500;
  r.headers.emplace_back("content-type", "application/json");
  r.headers.emplace_back("x-amzn-ErrorType", "InternalServerException");
  r.body = R"({"Message":"The server failed."})";
  return r;
}

/// Runs one piece of work on the pool beside a coroutine, which must wait for the work before it ends. Only the io
/// thread may use it.
class Background {
 public:
  explicit Background(const asio::any_io_executor& io) : done_(io) {}
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Starts the work. No earlier work may still run. Whatever `work` refers to must live until wait() has returned.
  void start(asio::thread_pool& pool, std::function<Result<void>()> work) {
    is_running_ = true;
    asio::post(pool, [this, work = std::move(work)] {
      Result<void> outcome;
      try {
        outcome = work();
      } catch (const std::exception& e) {
        outcome = error_of(e);
      }
      asio::post(done_.get_executor(), [this, outcome = std::move(outcome)]() mutable {
        outcome_ = std::move(outcome);
        is_running_ = false;
        done_.cancel();
      });
    });
  }
  /// Waits for the work that was started last and returns its outcome; returns success if none was started.
  asio::awaitable<Result<void>> wait() {
    if (is_running_) {
      done_.expires_at(asio::steady_timer::time_point::max());
      co_await done_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return outcome_;
  }

 private:
  asio::steady_timer done_;
  bool is_running_ = false;
  Result<void> outcome_;
};

/// Ends a coroutine's wait on a socket when a deadline has come. Unlike the time-outs of Beast's streams it leaves the
/// socket open, so that an answer can still be sent. Only the io thread may use it; the socket must outlive it.
class SocketDeadline {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit SocketDeadline(asio::ip::tcp::socket& socket)
      : state_(std::make_shared<State>(State{asio::steady_timer(socket.get_executor()), socket})) {}
  ~SocketDeadline() {
    ++state_->turn;
    state_->timer.cancel();
  }
  SocketDeadline(const SocketDeadline&) = delete;
  SocketDeadline& operator=(const SocketDeadline&) = delete;

  /// Sets the deadline, which must lie in the future and replaces the one before.
  void set(Time time) {
    state_->has_come = false;
    state_->timer.expires_at(time);
    state_->timer.async_wait([state = state_, turn = ++state_->turn](const error_code& error) {
      if (error || state->turn != turn)
        return;  // another deadline has been set, or this object and the socket are gone
      state->has_come = true;
      error_code ignored;
      state->socket.cancel(ignored);
    });
  }
  [[nodiscard]] bool has_come() const { return state_->has_come; }

 private:
  struct State {
    asio::steady_timer timer;
    asio::ip::tcp::socket& socket;
    std::uint64_t turn = 0;  // the number of the deadline that is in force
    bool has_come = false;
  };
  std::shared_ptr<State> state_;
};

/// Looks now and then whether the client has hung up while its answer is made, because no code reads from the socket
/// then. A client that closes its sending side counts as one that has hung up. Only the io thread may use it.
class HangupWatch {
 public:
  HangupWatch(const asio::any_io_executor& io, int socket, std::stop_source& gone)
      : state_(std::make_shared<State>(State{asio::steady_timer(io), socket, gone})) {
    look_later(state_);
  }
  ~HangupWatch() {
    state_->is_over = true;
    state_->timer.cancel();
  }
  HangupWatch(const HangupWatch&) = delete;
  HangupWatch& operator=(const HangupWatch&) = delete;

 private:
  struct State {
    asio::steady_timer timer;
    int socket;
    std::stop_source gone;
    bool is_over = false;
  };
  static void look_later(const std::shared_ptr<State>& state) {
    state->timer.expires_after(kHangupCheck);
    state->timer.async_wait([state](const error_code&) {
      if (state->is_over) return;
      pollfd look{state->socket, POLLRDHUP, 0};
      if (::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        state->gone.request_stop();
      } else {
        look_later(state);
      }
    });
  }
  std::shared_ptr<State> state_;
};

}  // namespace vedette
