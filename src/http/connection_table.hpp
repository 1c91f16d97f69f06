#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace vedette {

/// The connections of a server, so that nobody shuts the others out: when there are as many as may be, or as many of one network, the one
/// that has waited longest without a verified request is closed for a new one. It also knows which of them may be closed when the server
/// stops. For one thread (the io thread) only.
class ConnectionTable {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `most_per_network` 0: no share; loopback never has one, since proxies stand there.
  ConnectionTable(std::size_t most, std::size_t most_per_network) : most_(most), most_per_network_(most_per_network) {}
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

 private:
  enum class State { idle, waiting, working };
  struct Entry {
    std::string network;  // empty: has no share
    std::function<void()> close;
    Time waits_since;
    State state = State::idle;
    bool is_closed = false;
  };

 public:
  /// A connection's place; given back when it is destroyed.
  class Place {
   public:
    Place(ConnectionTable& table, std::list<Entry>::iterator entry) : table_(table), entry_(entry) {}
    ~Place() { table_.leave(entry_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    /// From now on the connection waits for the first byte of a request; so it does in the beginning.
    void be_idle(Time now) { change(State::idle, now); }
    /// From now on it is busy with a request, but waits for something that anybody could send; it may be closed for others.
    void wait(Time now) { change(State::waiting, now); }
    /// From now on it answers a request, and is not closed for others.
    void work() { entry_->state = State::working; }
    [[nodiscard]] bool is_closed() const { return entry_->is_closed; }

   private:
    void change(State state, Time now) {
      entry_->waits_since = now;
      entry_->state = state;
    }
    ConnectionTable& table_;
    const std::list<Entry>::iterator entry_;
  };

  /// A place for a connection that waits since `now`, or nothing if all others work. `peer` is as peer_text() writes it; empty for one that
  /// has no share, since it speaks for many. `close` must make the connection end soon; it is called at most once, and while the connection
  /// works only by close_all().
  std::optional<Place> enter(const std::string& peer, Time now, std::function<void()> close);
  void close_idle();  ///< those on which no request has begun
  void close_all();   ///< also those that work
  [[nodiscard]] std::size_t size() const { return open_; }

 private:
  bool close_longest(const std::string* network);
  void close(Entry& entry);
  void forget(Entry& entry);
  void leave(std::list<Entry>::iterator entry);

  const std::size_t most_, most_per_network_;
  std::list<Entry> entries_;
  std::size_t open_ = 0;                         // of entries_, those not closed
  std::map<std::string, std::size_t> networks_;  // how many open ones each has
};

}  // namespace vedette
