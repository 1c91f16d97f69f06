#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/monotonic_clock.hpp"
#include "base/mutex.hpp"
#include "nodes/membership.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// This server as one node of the installation, and the others. A thread renews its row, and reads those of the others.
/// Thread-safe.
class NodeRegistry {
 public:
  enum class Company {
    none,   ///< The database is this server's alone, so that there is nobody to tell that it lives.
    nodes,  ///< Other nodes may use the same database.
  };

  /// Joins. If the node's row is fresh, this waits until it is clear that its former self is dead; `pause` waits a
  /// moment between two looks. Throws std::runtime_error with cause and cure if another server that lives has the same
  /// id. `self` needs id, version and cores.
  NodeRegistry(MetadataStore& store, const Clock& clock, const MonotonicClock& monotonic, ServerNode self,
               Company company, const std::function<void()>& pause = {});
  ~NodeRegistry();  ///< stops
  NodeRegistry(const NodeRegistry&) = delete;
  NodeRegistry& operator=(const NodeRegistry&) = delete;

  /// Begins to renew the row.
  void start();
  /// Ends the thread, and says that the node has left, if the database answers.
  void stop();
  /// Tells the others where this node is reached. It is one of live() from then on.
  void announce(const std::string& address);
  /// Tells the others that this node ends what it does and wants nothing new. Returns when they can know, or when the
  /// database does not answer.
  void drain();

  /// The nodes that lived at the last beat, this one among them, in the order of their ids. It does not ask the
  /// database, and neither do the functions below.
  [[nodiscard]] std::vector<ServerNode> live() const;
  /// How many nodes share what the installation may do; at least one.
  [[nodiscard]] std::size_t live_count() const;
  /// All nodes that the last beat found, also those that are dead or have left, in the order of their ids.
  [[nodiscard]] std::vector<membership::Watch::Seen> known() const;
  [[nodiscard]] ServerNode self() const;
  [[nodiscard]] membership::ClockDifference clock_difference() const;
  /// Tells the time of day on which all nodes agree: what the database said at the latest beat, and what has passed here
  /// since. So a node whose own clock was set does not take the signatures of its callers for expired.
  [[nodiscard]] const Clock& time() const { return time_; }
  /// Returns in words why this node should get no requests and do no work, or nothing if it is well.
  [[nodiscard]] std::optional<std::string> trouble() const;
  /// Returns how many nodes live, in the text exposition format of Prometheus.
  [[nodiscard]] std::string to_prometheus() const;

  /// Renews the row and reads the others. Only the thread of start() calls it, and tests that have not started it.
  void beat();

 private:
  class Time : public Clock {
   public:
    explicit Time(const NodeRegistry& nodes) : nodes_(nodes) {}
    [[nodiscard]] Timestamp now() const override;

   private:
    const NodeRegistry& nodes_;
  };
  /// What the database's time was at a moment.
  struct Told {
    Timestamp time;
    Moment at;
  };
  void join(const std::function<void()>& pause);
  void loop();
  /// Has the thread beat at once, and waits for it.
  void beat_soon();

  MetadataStore& store_;
  const Clock& clock_;
  const MonotonicClock& monotonic_;
  const Company company_;
  const Time time_{*this};
  mutable Mutex mutex_;
  std::condition_variable changed_;
  ServerNode self_ GUARDED_BY(mutex_);
  membership::Watch watch_ GUARDED_BY(mutex_);
  membership::ClockDifference difference_ GUARDED_BY(mutex_);
  Moment last_beat_ GUARDED_BY(mutex_){};
  std::optional<Told> told_ GUARDED_BY(mutex_);
  std::uint64_t wanted_ GUARDED_BY(mutex_) = 0, done_ GUARDED_BY(mutex_) = 0;  ///< beats that were asked for and made
  bool is_replaced_ GUARDED_BY(mutex_) = false;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vedette
