#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace vedette {

/// Lists the connections of a server so that no client can shut out the others. When there are as many connections as
/// allowed, or as many from one network, the one that has waited longest without a verified request is closed to make
/// room for a new one. The table also knows which connections may be closed when the server stops. Only one thread (the
/// io thread) may use it.
class ConnectionTable {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// If `most_per_network` is 0, networks have no limit. Loopback never has one, since proxies connect from there.
  ConnectionTable(std::size_t most, std::size_t most_per_network) : most_(most), most_per_network_(most_per_network) {}
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

 private:
  enum class State { idle, waiting, working };
  struct Entry {
    std::string network;  // empty if no limit of a network applies to the connection
    std::function<void()> close;
    Time waits_since;
    State state = State::idle;
    bool is_closed = false;
  };

 public:
  /// The place of a connection in the table. It is given back when this object is destroyed.
  class Place {
   public:
    Place(ConnectionTable& table, std::list<Entry>::iterator entry) : table_(table), entry_(entry) {}
    ~Place() { table_.leave(entry_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    /// Notes that from now on the connection waits for the first byte of a request; a new connection is in this state.
    void be_idle(Time now) { change(State::idle, now); }
    /// Notes that the connection is busy with a request but waits for something that any client could send; it may be
    /// closed to make room for others.
    void wait(Time now) { change(State::waiting, now); }
    /// Notes that the connection works on an answer; it is not closed to make room for others.
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

  /// Adds a connection that waits since `now`, or returns nothing if all other connections work. `peer` is the client's
  /// address as peer_text() writes it; it is empty for a trusted proxy, whose connections no limit of a network applies
  /// to, since it speaks for many clients. `close` must make the connection end soon. It is called at most once, and
  /// while the connection works only close_all() calls it.
  std::optional<Place> enter(const std::string& peer, Time now, std::function<void()> close);
  void close_idle();  ///< closes the connections on which no request has begun
  void close_all();   ///< closes all connections, also those that work
  [[nodiscard]] std::size_t size() const { return open_; }

 private:
  bool close_longest(const std::string* network);
  void close(Entry& entry);
  void forget(Entry& entry);
  void leave(std::list<Entry>::iterator entry);

  const std::size_t most_, most_per_network_;
  std::list<Entry> entries_;
  std::size_t open_ = 0;                         // the number of entries_ that are not closed
  std::map<std::string, std::size_t> networks_;  // the number of open connections of each network
};

}  // namespace vedette
