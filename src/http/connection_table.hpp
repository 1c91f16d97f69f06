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
/// that has waited longest without a verified request is closed for a new one. For one thread (the io thread) only.
class ConnectionTable {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `most_per_network` 0: no share; loopback never has one, since proxies stand there.
  ConnectionTable(std::size_t most, std::size_t most_per_network) : most_(most), most_per_network_(most_per_network) {}
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

 private:
  struct Entry {
    std::string network;  // empty: has no share
    std::function<void()> close;
    Time waits_since;
    bool is_working = false;
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
    /// From now on the connection waits for something that anybody could send; it may be closed for others.
    void wait(Time now) {
      entry_->waits_since = now;
      entry_->is_working = false;
    }
    /// From now on it answers a request, and is not closed for others.
    void work() { entry_->is_working = true; }
    [[nodiscard]] bool is_closed() const { return entry_->is_closed; }

   private:
    ConnectionTable& table_;
    const std::list<Entry>::iterator entry_;
  };

  /// A place for a connection that waits since `now`, or nothing if all others work. `peer` is as peer_text() writes it. `close` must make
  /// the connection end soon; it is called at most once, and never while the connection works.
  std::optional<Place> enter(const std::string& peer, Time now, std::function<void()> close);
  [[nodiscard]] std::size_t size() const { return open_; }

 private:
  bool close_longest(const std::string* network);
  void forget(Entry& entry);
  void leave(std::list<Entry>::iterator entry);

  const std::size_t most_, most_per_network_;
  std::list<Entry> entries_;
  std::size_t open_ = 0;                         // of entries_, those not closed
  std::map<std::string, std::size_t> networks_;  // how many open ones each has
};

}  // namespace vedette
