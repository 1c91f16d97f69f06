#pragma once

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "domain/server_node.hpp"
#include "store/metadata/nodes.hpp"

/// The rules by which servers become, are, and stop being nodes of an installation. Each has a row in the database,
/// which it renews again and again; a node whose row is old counts as dead. All times in rows are the database's.
/// The functions on a NodeRepository are the steps of a node, each within one transaction. Here are no threads and no
/// clocks, so that membership_simulation_test.cpp can take the same steps in any order.
namespace vedette::membership {

inline constexpr std::chrono::seconds kBeatEvery{1};
/// A node counts as dead when nobody has seen a beat of it for so long.
inline constexpr std::chrono::seconds kAliveFor{6};
/// One look at the rows makes no node older than this, however long ago the last look was: a node that could not read
/// the database knows nothing about the others, who could not write to it either.
inline constexpr std::chrono::seconds kBlindness{2};
/// The rows of dead nodes are kept so long, for people who look for them.
inline constexpr std::chrono::hours kForgottenAfter{24};
/// A node whose clock differs by more than this from the database's takes no part.
inline constexpr std::chrono::seconds kLargestClockDifference{10};

/// Returns whether the row is fresh. That may mean little when the database's clock was set.
bool is_fresh(const ServerNode& node, Timestamp now);

/// What a node knows of all nodes, itself among them. Who has beaten once is judged by whether it goes on, and by the
/// time that passes here: so nothing dies or comes back to life when the database's clock is set.
class Watch {
 public:
  struct Seen {
    ServerNode node;
    NodeState state;
    std::chrono::nanoseconds silent_for;  ///< how long its row has not changed, as far as this watch could see
  };
  /// Takes a look at all rows. `passed` is the time since the last look.
  void look(const std::vector<ServerNode>& rows, Timestamp now, std::chrono::nanoseconds passed);
  /// All nodes, in the order in which the rows had them.
  [[nodiscard]] const std::vector<Seen>& all() const { return all_; }
  /// The nodes that are alive and can be reached.
  [[nodiscard]] std::vector<ServerNode> live() const;

 private:
  std::vector<Seen> all_;
};

/// Lets a server that starts take its node id, unless another one that lives has the same id: a copy of its machine or
/// of its data folder. A row that is still fresh may be that of its own former self, which was killed a moment ago; only
/// time tells, since nobody renews the row of a dead one.
class Joining {
 public:
  enum class Answer { joined, wait, refused };
  /// `self` says what the row is to hold; its term and times are set here when it has joined. If the server is alone,
  /// because nobody else can use the database, a fresh row is that of its former self.
  Joining(ServerNode self, bool is_alone) : self_(std::move(self)), is_alone_(is_alone) {}
  /// After the answer `wait` the step is to be taken again, a while later. That ends after kAliveFor.
  Answer step(NodeRepository& nodes, Timestamp now);
  [[nodiscard]] const ServerNode& self() const { return self_; }
  /// The row with which it was refused.
  [[nodiscard]] const std::optional<ServerNode>& other() const { return first_; }

 private:
  ServerNode self_;
  bool is_alone_;
  std::optional<ServerNode> first_;  ///< the fresh row that the first step saw
};

/// Renews the row of a node that has joined, with what `self` says now. Returns false, and changes nothing, if another
/// server has taken the id since: this one was away for too long, and must stop to be a node.
bool beat(NodeRepository& nodes, ServerNode& self, Timestamp now);

/// How much a node's clock is ahead of the database's.
struct ClockDifference {
  std::chrono::milliseconds ahead{0};
  std::chrono::milliseconds bound{0};  ///< The true difference is at most so far from `ahead`.
};
/// `asked` is the node's time when it asked the database for `answer`; the answer came after `took`, and the database
/// looked at its clock sometime between.
ClockDifference clock_difference(Timestamp asked, std::chrono::nanoseconds took, Timestamp answer);
/// Returns whether the clocks certainly differ by more than is allowed.
bool is_too_large(const ClockDifference& difference);

}  // namespace vedette::membership
