#include "nodes/membership.hpp"

#include <algorithm>
#include <utility>

namespace vedette::membership {

bool is_fresh(const ServerNode& node, Timestamp now) {
  // A row from the future is of the time before the database's clock was set back: whoever lives soon renews it.
  return !node.has_left && now - node.seen < kAliveFor && node.seen - now < kAliveFor;
}

void Watch::look(const std::vector<ServerNode>& rows, Timestamp now, std::chrono::nanoseconds passed) {
  const auto older = std::min<std::chrono::nanoseconds>(passed, kBlindness);
  std::vector<Seen> all;
  all.reserve(rows.size());
  for (const auto& row : rows) {
    const auto before =
        std::find_if(all_.begin(), all_.end(), [&](const Seen& seen) { return seen.node.id == row.id; });
    std::chrono::nanoseconds silent{0};
    if (before == all_.end())
      silent = is_fresh(row, now) ? std::chrono::nanoseconds(0) : kAliveFor;
    else if (before->node.term == row.term && before->node.seen == row.seen)
      silent = before->silent_for + older;
    auto state = row.is_draining ? NodeState::draining : NodeState::live;
    if (silent >= kAliveFor) state = NodeState::dead;
    if (row.has_left) state = NodeState::left;
    all.push_back({row, state, silent});
  }
  all_ = std::move(all);
}

std::vector<ServerNode> Watch::live() const {
  std::vector<ServerNode> out;
  for (const auto& [node, state, silent_for] : all_)
    if ((state == NodeState::live || state == NodeState::draining) && !node.address.empty()) out.push_back(node);
  return out;
}

Joining::Answer Joining::step(NodeRepository& nodes, Timestamp now) {
  const auto row = nodes.lock(self_.id);
  if (row && !is_alone_ && is_fresh(*row, now)) {
    if (!first_) {
      first_ = row;
      return Answer::wait;
    }
    return row->term == first_->term && row->seen == first_->seen ? Answer::wait : Answer::refused;
  }
  self_.term = row ? row->term + 1 : 1;
  self_.started = self_.seen = now;
  nodes.put(self_);
  return Answer::joined;
}

bool beat(NodeRepository& nodes, ServerNode& self, Timestamp now) {
  const auto row = nodes.lock(self.id);
  if (row && row->term != self.term) return false;
  self.seen = now;
  nodes.put(self);
  return true;
}

ClockDifference clock_difference(Timestamp asked, std::chrono::nanoseconds took, Timestamp answer) {
  using std::chrono::milliseconds;
  const auto half = std::chrono::ceil<milliseconds>(took / 2);
  return {asked + half - answer, half};
}

bool is_too_large(const ClockDifference& difference) {
  return std::chrono::abs(difference.ahead) > kLargestClockDifference + difference.bound;
}

}  // namespace vedette::membership
