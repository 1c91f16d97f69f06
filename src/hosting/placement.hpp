#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/compute_pool.hpp"
#include "domain/domain.hpp"

/// Says which node hosts which model. There is no leader: every node computes the same from the same facts, and what
/// must not happen twice is decided in a transaction of the metadata. These functions are pure, so that the simulation
/// in placement_simulation_test.cpp runs what the server runs.
namespace vedette {

/// A node that is alive.
struct HostNode {
  std::string id;
  int cores = 1;
  bool is_draining = false;  ///< it is about to stop, and gets nothing new
  bool operator==(const HostNode&) const = default;
};

/// What a node has reported about one model. Most models have few such records.
struct HostRecord {
  std::string node;
  bool is_loaded = false;  ///< it judges pictures with the model; otherwise it tried of late and could not load it
};

/// Spreads the units of a model over the nodes, and returns how many each of them gets, in the order of `nodes`, whose
/// ids must differ. Draining nodes count like others. The order of the nodes does not matter.
///
/// Each node has seats for each model, in an order that depends on nothing but the model, the node and its cores; the
/// units take the first of them. So a node that comes or goes moves no unit between two others. The first seats of all
/// nodes come before their second ones: a model with several units survives the death of a node. Among them weighted
/// rendezvous hashing decides, so that models of one unit are spread in proportion to the cores. Of further seats the
/// one comes next whose node is the least full, so that no core gets a second unit while another has none.
///   Thaler & Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 1998; weighted as in Schindelhauer & Schomaker,
///   "Weighted distributed hash tables", SPAA 2005
std::vector<int> spread_units(std::string_view model, std::int64_t units, std::span<const HostNode> nodes);

/// What a node has to do about one model.
struct HostTask {
  enum class Step {
    nothing,
    load,    ///< It should have the model in memory, and has not.
    report,  ///< It has the model in memory and is needed, but has no record that says so.
    let_go,  ///< Every node that should have the model has it, so that this one may withdraw its record.
    drop,    ///< Nobody looks for the model here any more.
  };
  Step step = Step::nothing;
  /// Whether the node is one of those that should have the model.
  bool is_placed_here = false;
  /// The units that it serves with while it has the model. Together the nodes that have it always serve with all units.
  UnitRange units{0, 0};
};
/// Finds the task of the node `self` for a model that should be in service. `records` are those of any nodes; only the
/// ones of live nodes count. Nodes that drain or cannot load the model get none of it. A node that has the model keeps
/// it until all that should have it have loaded it.
HostTask task_for(std::string_view self, bool is_in_memory, std::string_view model, UnitRange units,
                  std::span<const HostNode> nodes, std::span<const HostRecord> records);

/// Returns the nodes that have the model and are alive.
std::vector<std::string> hosts_among(std::span<const HostNode> nodes, std::span<const HostRecord> records);

/// The records of one model as one transaction of the metadata sees and changes them.
class HostLedger {
 public:
  virtual ~HostLedger() = default;
  virtual std::vector<HostRecord> records() = 0;  ///< failures that are old enough to try again are left out
  virtual void put(const HostRecord& record) = 0;
  virtual void remove(const std::string& node) = 0;
  virtual void clear() = 0;
  /// Returns whether the model should be in service: it is HOSTED or about to be.
  virtual bool is_wanted() = 0;
  /// Compares and sets the status of the model. Returns false if it has another status.
  virtual bool move(ModelStatus from, ModelStatus to) = 0;
};

// Each of these functions runs in one serializable transaction. `nodes` are those alive, as this node knows them.

/// Reports that this node has loaded the model; the first to do so makes it HOSTED. Returns false, and reports nothing,
/// if the model is no longer wanted, so that this node must drop it.
bool report_loaded(HostLedger& ledger, const std::string& self);
/// Reports that this node could not load the model. If no live node has it and none is left that could, its hosting has
/// failed; returns whether it has.
bool report_failed(HostLedger& ledger, const std::string& self, std::span<const HostNode> nodes);
/// Withdraws this node's record if it still may, and returns whether it did. Two nodes never let
/// each other's last copy go, because one of the two transactions sees what the other did.
bool let_go(HostLedger& ledger, const std::string& self, std::string_view model, UnitRange units,
            std::span<const HostNode> nodes);
/// Withdraws this node's record of a model that is being stopped. When no live node has it any more the model is
/// TRAINED; returns whether this call made it so.
bool report_stopped(HostLedger& ledger, const std::string& self, std::span<const HostNode> nodes);

}  // namespace vedette
