#include "hosting/placement.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/random.hpp"

namespace vedette {
namespace {

/// Hashes with FNV-1a, mixed by SplitMix64. Nodes of two releases run side by side, so this never changes.
std::uint64_t hash_of(std::string_view model, std::string_view node) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  const auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001B3ULL; };
  for (const char c : model) add(static_cast<unsigned char>(c));
  add(0xFF);  // occurs in no id
  for (const char c : node) add(static_cast<unsigned char>(c));
  return hash;
}

int cores_of(const HostNode& node) {
  return std::max(1, node.cores);
}

const HostNode* find(std::span<const HostNode> nodes, std::string_view id) {
  const auto it = std::ranges::find(nodes, id, &HostNode::id);
  return it == nodes.end() ? nullptr : &*it;
}

/// Returns the nodes for which `is_wanted` holds.
template <typename Predicate>
std::vector<HostNode> only(std::span<const HostNode> nodes, Predicate is_wanted) {
  std::vector<HostNode> out;
  std::ranges::copy_if(nodes, std::back_inserter(out), is_wanted);
  return out;
}

bool has_record(std::span<const HostRecord> records, std::string_view node, bool is_loaded) {
  return std::ranges::any_of(records, [&](const auto& r) { return r.node == node && r.is_loaded == is_loaded; });
}

/// Returns the units of the node among those that share them.
UnitRange share_of(std::string_view self, std::string_view model, UnitRange units, std::span<const HostNode> nodes) {
  const auto* node = find(nodes, self);
  if (node == nullptr) return {0, 0};
  const auto at = static_cast<std::size_t>(node - nodes.data());
  const int most = spread_units(model, units.maximum, nodes)[at];
  return {units.minimum == units.maximum ? most : spread_units(model, units.minimum, nodes)[at], most};
}

}  // namespace

std::vector<int> spread_units(std::string_view model, std::int64_t units, std::span<const HostNode> nodes) {
  std::vector<int> out(nodes.size(), 0);
  std::int64_t all_cores = 0;
  for (const auto& node : nodes) all_cores += cores_of(node);
  if (all_cores == 0 || units <= 0) return out;
  // Whole rounds over all cores need no order.
  const auto rounds = units / all_cores;
  for (std::size_t i = 0; i < nodes.size(); ++i) out[i] = static_cast<int>(rounds * cores_of(nodes[i]));
  auto left = units % all_cores;
  if (left == 0) return out;

  struct Seat {
    bool is_later;  ///< not the node's first seat
    double order;   ///< among those of the same kind, the smallest comes first
    std::size_t node;
    int number;  ///< 0 … cores − 1
    double luck;
  };
  std::vector<Seat> next;  // the next seat of each node; a heap whose front comes first
  const auto comes_later = [&](const Seat& a, const Seat& b) {
    return std::tie(a.is_later, a.order, nodes[a.node].id) > std::tie(b.is_later, b.order, nodes[b.node].id);
  };
  const auto later_order = [&](std::size_t node, int number, double luck) {
    return (number + luck) / cores_of(nodes[node]);
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Random random(hash_of(model, nodes[i].id));
    // 1 - uniform() is never zero. The smallest of exponential numbers with rates c is the i-th with probability
    // c_i / Σ c.
    const double first = -std::log(1.0 - random.uniform()) / cores_of(nodes[i]);
    const double luck = random.uniform();
    const bool is_later = rounds > 0;
    next.push_back({is_later, is_later ? later_order(i, 0, luck) : first, i, 0, luck});
  }
  std::ranges::make_heap(next, comes_later);
  for (; left > 0; --left) {
    std::ranges::pop_heap(next, comes_later);
    auto& seat = next.back();
    ++out[seat.node];
    if (++seat.number == cores_of(nodes[seat.node])) {
      next.pop_back();  // its further seats belong to the next round
    } else {
      seat.is_later = true;
      seat.order = later_order(seat.node, seat.number, seat.luck);
      std::ranges::push_heap(next, comes_later);
    }
  }
  return out;
}

HostTask task_for(std::string_view self, bool is_in_memory, std::string_view model, UnitRange units,
                  std::span<const HostNode> nodes, std::span<const HostRecord> records) {
  using Step = HostTask::Step;
  HostTask task;
  const auto able = only(nodes, [&](const auto& n) { return !n.is_draining && !has_record(records, n.id, false); });
  const auto shares = spread_units(model, units.maximum, able);
  bool are_all_loaded = !able.empty();
  for (std::size_t i = 0; i < able.size(); ++i) {
    if (shares[i] == 0) continue;
    if (able[i].id == self) task.is_placed_here = true;
    are_all_loaded = are_all_loaded && has_record(records, able[i].id, true);
  }
  const bool is_recorded = has_record(records, self, true);
  if (!is_in_memory) {
    if (task.is_placed_here) task.step = Step::load;
  } else if (task.is_placed_here || !are_all_loaded) {
    if (!is_recorded) task.step = Step::report;
  } else {
    task.step = is_recorded ? Step::let_go : Step::drop;
  }
  const auto have_it = [&](const auto& n) { return has_record(records, n.id, true); };
  task.units = share_of(self, model, units, are_all_loaded ? able : only(nodes, have_it));
  return task;
}

std::vector<std::string> hosts_among(std::span<const HostNode> nodes, std::span<const HostRecord> records) {
  std::vector<std::string> out;
  for (const auto& record : records)
    if (record.is_loaded && find(nodes, record.node) != nullptr) out.push_back(record.node);
  return out;
}

bool report_loaded(HostLedger& ledger, const std::string& self) {
  if (!ledger.is_wanted()) return false;
  ledger.put({self, true});
  ledger.move(ModelStatus::starting_hosting, ModelStatus::hosted);
  return true;
}

bool report_failed(HostLedger& ledger, const std::string& self, std::span<const HostNode> nodes) {
  if (!ledger.is_wanted()) return false;
  ledger.put({self, false});
  const auto records = ledger.records();
  if (!hosts_among(nodes, records).empty()) return false;
  const bool is_any_left =
      std::ranges::any_of(nodes, [&](const auto& n) { return !n.is_draining && !has_record(records, n.id, false); });
  if (is_any_left) return false;
  ledger.clear();
  return ledger.move(ModelStatus::starting_hosting, ModelStatus::hosting_failed) ||
         ledger.move(ModelStatus::hosted, ModelStatus::hosting_failed);
}

bool let_go(HostLedger& ledger, const std::string& self, std::string_view model, UnitRange units,
            std::span<const HostNode> nodes) {
  if (task_for(self, true, model, units, nodes, ledger.records()).step != HostTask::Step::let_go) return false;
  ledger.remove(self);
  return true;
}

bool report_stopped(HostLedger& ledger, const std::string& self, std::span<const HostNode> nodes) {
  ledger.remove(self);
  if (!hosts_among(nodes, ledger.records()).empty()) return false;
  ledger.clear();
  return ledger.move(ModelStatus::stopping_hosting, ModelStatus::trained);
}

}  // namespace vedette
