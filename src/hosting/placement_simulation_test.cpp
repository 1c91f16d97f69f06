// Takes the steps of hosting/placement.hpp in a million orders: nodes that load, fail, freeze, drain, die and come
// back, while models are started, stopped and given other units. VEDETTE_SEED=NUMBER tells one schedule, and
// VEDETTE_SCHEDULES says how many are run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/simulation.hpp"
#include "hosting/placement.hpp"

namespace vedette {
namespace {

using simulation::Broken;
using simulation::Dice;

/// What a schedule leaves out, so that a test can show that the simulation finds the fault.
enum class Omitted { nothing, wait_for_the_others };

/// Runs nodes against metadata that lie in memory, one step of one of them at a time, in an order that the seed decides.
/// A node sees the metadata when its pass begins, and acts on what it saw while others go on. Its loads take long and
/// may fail; it may die, freeze, drain and come back.
class World {
 public:
  World(std::uint64_t seed, Omitted omitted, bool is_told) : dice_(seed), omitted_(omitted), is_told_(is_told) {
    const auto nodes = 2 + dice_.roll(4), models = 1 + dice_.roll(3);
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_.emplace_back();
      nodes_.back().host = {std::string(1, static_cast<char>('a' + i)), 1 + static_cast<int>(dice_.roll(4)), false};
      nodes_.back().held.resize(models);
      if (dice_.roll(3) > 0) join(nodes_.back());
    }
    models_.resize(models);
    for (std::size_t m = 0; m < models; ++m)
      models_[m].uid = std::string(1, static_cast<char>('A' + m)) + std::to_string(seed % 97);
  }

  void run() {
    for (int i = 0; i < 80; ++i) {
      if (dice_.roll(6) == 0) {
        disturb();
      } else {
        step(nodes_[dice_.roll(nodes_.size())]);
      }
      for (std::size_t m = 0; m < models_.size(); ++m)
        require(models_[m].status != ModelStatus::hosted || models_[m].has_lost_a_node || is_really_hosted(m),
                "no node has a model that is HOSTED");
    }
    settle();
  }
  [[nodiscard]] const std::string& told() const { return told_; }
  [[nodiscard]] int moves() const { return moves_; }

 private:
  struct Held {
    bool is_loaded = false, is_reported = false;
    UnitRange units{0, 0};
    int load_steps = 0;  ///< that are left; 0: it does not load
  };
  struct Node {
    HostNode host;
    bool is_alive = false, is_frozen = false;
    bool is_believed_alive = false;  ///< by the others; later than the truth
    bool fails = false;              ///< to load
    std::vector<Held> held;
    // The pass in hand: what was seen when it began.
    std::size_t at = 0;
    bool is_in_pass = false;
    std::vector<HostNode> nodes;
  };
  struct WorldModel {
    std::string uid;
    ModelStatus status = ModelStatus::trained;
    UnitRange units{1, 1};
    std::vector<HostRecord> records;
    bool has_lost_a_node = false;  ///< one that had the model is known to be dead, and no node has loaded it since
  };
  class Ledger : public HostLedger {
   public:
    Ledger(World& world, WorldModel& model) : world_(world), model_(model) {}
    std::vector<HostRecord> records() override { return model_.records; }
    void put(const HostRecord& record) override {
      remove(record.node);
      model_.records.push_back(record);
    }
    void remove(const std::string& node) override {
      std::erase_if(model_.records, [&](const auto& r) { return r.node == node; });
    }
    void clear() override { model_.records.clear(); }
    bool is_wanted() override {
      return model_.status == ModelStatus::hosted || model_.status == ModelStatus::starting_hosting;
    }
    bool move(ModelStatus from, ModelStatus to) override {
      if (model_.status != from) return false;
      model_.status = to;
      ++world_.moves_;
      return true;
    }

   private:
    World& world_;
    WorldModel& model_;
  };

  static void require(bool is_so, const char* otherwise) {
    if (!is_so) throw Broken(otherwise);
  }
  void tell(const Node& node, std::size_t m, const char* what) {
    if (is_told_) told_ += node.host.id + " " + what + " " + models_[m].uid + "\n";
  }

  /// Lets everybody work undisturbed until nobody has anything to do, and checks where that led.
  void settle() {
    for (auto& node : nodes_) {
      if (node.is_frozen) node.is_frozen = false;
      node.is_believed_alive = node.is_alive;  // by now every death was noticed
      node.fails = false;
    }
    if (live().empty()) join(nodes_.front());
    for (auto& model : models_) std::erase_if(model.records, [](const auto& r) { return !r.is_loaded; });
    for (auto& node : nodes_)
      while (node.is_alive && node.is_in_pass) step(node);
    // From now on a node that should have a model loads it once, and no more.
    loads_ = 0;
    std::size_t most = 0;
    for (auto& node : nodes_)
      if (node.is_alive && !node.host.is_draining) most += models_.size();
    changed_ = true;
    for (int round = 0; changed_; ++round) {
      require(round < 60, "it never comes to rest");
      changed_ = false;
      for (auto& node : nodes_)
        for (std::size_t i = 0; i < 6 * models_.size() + 2; ++i) step(node);
    }
    require(loads_ <= most, "a node loads a model twice though nothing happens");
    const auto nodes = live();
    std::vector<HostNode> able;
    for (const auto& node : nodes)
      if (!node.is_draining) able.push_back(node);
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const auto& model = models_[m];
      require(model.status != ModelStatus::stopping_hosting, "a model never stops");
      if (able.empty()) continue;  // whoever drains keeps what it has, and nobody loads anything
      require(model.status != ModelStatus::starting_hosting, "a model never starts");
      const bool is_hosted = model.status == ModelStatus::hosted;
      const auto minimum = spread_units(model.uid, is_hosted ? model.units.minimum : 0, able);
      const auto maximum = spread_units(model.uid, is_hosted ? model.units.maximum : 0, able);
      std::size_t expected = 0;
      for (std::size_t i = 0; i < able.size(); ++i)
        if (maximum[i] > 0) ++expected;
      std::size_t found = 0;
      for (const auto& node : nodes_) {
        if (!node.is_alive || !node.held[m].is_loaded) continue;
        ++found;
        const auto at = std::ranges::find(able, node.host.id, &HostNode::id);
        require(at != able.end(), "a node that drains keeps a model that others have");
        const auto i = static_cast<std::size_t>(at - able.begin());
        require(maximum[i] > 0 && node.held[m].units == UnitRange{minimum[i], maximum[i]},
                "a node serves with other units than its own");
      }
      require(found == expected, "a node does not have its model");
      require(hosts_among(nodes, model.records).size() == expected, "the records are not what the nodes have");
    }
  }

  std::vector<HostNode> live() const {
    std::vector<HostNode> out;
    for (const auto& node : nodes_)
      if (node.is_believed_alive) out.push_back(node.host);
    return out;
  }
  /// Returns whether a node that is not known to be dead has the model and has said so.
  bool is_really_hosted(std::size_t m) const {
    for (const auto& node : nodes_)
      if (node.held[m].is_loaded && node.held[m].is_reported) return true;
    return false;
  }

  /// Notes what is lost with a dead node. Until then the others count on what it had.
  void bury(Node& node) {
    if (is_told_) told_ += node.host.id + " has lost what it had\n";
    for (std::size_t m = 0; m < models_.size(); ++m)
      if (node.held[m].is_reported) models_[m].has_lost_a_node = true;
    for (auto& held : node.held) held = {};
  }

  void join(Node& node) {
    // It begins with empty memory, and withdraws what its former self had reported.
    bury(node);
    for (auto& model : models_) Ledger(*this, model).remove(node.host.id);
    node.is_alive = node.is_believed_alive = true;
    node.is_frozen = node.host.is_draining = node.is_in_pass = false;
    node.fails = dice_.roll(8) == 0;
  }

  void disturb() {
    auto& node = nodes_[dice_.roll(nodes_.size())];
    const auto m = dice_.roll(models_.size());
    auto& model = models_[m];
    switch (dice_.roll(8)) {
      case 0:
        if (!node.is_alive) join(node);
        break;
      case 1:  // it dies, which the others notice later
        if (dice_.roll(2) == 0) node.is_alive = false;
        break;
      case 2:  // the others notice what has happened
        node.is_believed_alive = node.is_alive && !node.is_frozen;
        if (!node.is_alive) bury(node);
        break;
      case 3:
        node.is_frozen = !node.is_frozen && dice_.roll(2) == 0;
        if (!node.is_frozen && node.is_alive) node.is_believed_alive = true;
        break;
      case 4:
        if (dice_.roll(3) == 0) node.host.is_draining = true;
        break;
      case 5:  // StartModel
        if (model.status == ModelStatus::trained || model.status == ModelStatus::hosting_failed) {
          model.records.clear();
          model.status = ModelStatus::starting_hosting;
          if (is_told_) told_ += "StartModel " + model.uid + "\n";
          model.units.minimum = 1 + static_cast<int>(dice_.roll(5));
          model.units.maximum = model.units.minimum + static_cast<int>(dice_.roll(3));
        }
        break;
      case 6:  // StopModel
        if (dice_.roll(2) == 0 && model.status == ModelStatus::hosted) model.status = ModelStatus::stopping_hosting;
        break;
      default:  // UpdateModelUnits
        model.units.minimum = 1 + static_cast<int>(dice_.roll(5));
        model.units.maximum = model.units.minimum + static_cast<int>(dice_.roll(3));
    }
  }

  /// Lets the node do the next thing: begin a pass, or look at the next model of the pass.
  void step(Node& node) {
    if (!node.is_alive || node.is_frozen) return;
    if (!node.is_in_pass) {
      node.nodes = live();
      node.at = 0;
      node.is_in_pass = true;
      return;
    }
    if (node.at == models_.size()) {
      node.is_in_pass = false;
      return;
    }
    look_at(node, node.at);
    if (node.held[node.at].load_steps == 0) ++node.at;
  }

  /// Withdraws the node's record if it may. Returns whether it did.
  bool try_to_let_go(Ledger& ledger, const Node& node, const WorldModel& model) {
    if (!let_go(ledger, node.host.id, model.uid, model.units, node.nodes)) return false;
    // Of the others that it believes to be alive one has the model, so that calls find one.
    require(!hosts_among(node.nodes, model.records).empty(), "the last copy was let go");
    return true;
  }

  void look_at(Node& node, std::size_t m) {
    auto& model = models_[m];
    auto& held = node.held[m];
    Ledger ledger(*this, model);
    const auto& self = node.host.id;
    if (held.load_steps > 0) {
      if (--held.load_steps > 0) return;
      changed_ = true;
      tell(node, m, node.fails ? "cannot load" : "has loaded");
      if (node.fails) {
        report_failed(ledger, self, node.nodes);
        return;
      }
      held.is_loaded = true;
      held.is_reported = report_loaded(ledger, self);
      if (held.is_reported) {
        model.has_lost_a_node = false;
      } else {
        held = {};
      }
      return;
    }
    if (model.status == ModelStatus::stopping_hosting) {
      changed_ = true;
      held = {};
      report_stopped(ledger, self, node.nodes);
      return;
    }
    if (!ledger.is_wanted()) {
      held = {};
      ledger.remove(self);
      return;
    }
    using Step = HostTask::Step;
    const auto task = task_for(self, held.is_loaded, model.uid, model.units, node.nodes, model.records);
    if (held.is_loaded) {
      if (!(held.units == task.units)) changed_ = true;
      held.units = task.units;
    }
    if (task.step != Step::nothing) changed_ = true;
    if (omitted_ == Omitted::wait_for_the_others && held.is_reported && !task.is_placed_here) {
      ledger.remove(self);
      held.is_reported = false;
      tell(node, m, "at once lets go of");
      return;
    }
    if (task.step == Step::load) {
      held.load_steps = 1 + static_cast<int>(dice_.roll(3));
      ++loads_;
      tell(node, m, "begins to load");
    } else if (task.step == Step::report) {
      held.is_reported = report_loaded(ledger, self);
      if (held.is_reported) model.has_lost_a_node = false;
    } else if (task.step == Step::let_go && try_to_let_go(ledger, node, model)) {
      held.is_reported = false;
      tell(node, m, "lets go of");
    } else if (task.step == Step::drop) {
      held = {};
      tell(node, m, "drops");
    }
  }

  Dice dice_;
  const Omitted omitted_;
  const bool is_told_;
  std::string told_;
  std::vector<Node> nodes_;
  std::vector<WorldModel> models_;
  int moves_ = 0;
  std::size_t loads_ = 0;
  bool changed_ = false;
};

TEST(HostingSimulation, AlwaysEndsWhereThePlacementSays) {
  const char* given = std::getenv("VEDETTE_SCHEDULES");
  const auto broken = simulation::first_broken<World>(given != nullptr ? std::strtoull(given, nullptr, 10) : 1'000'000,
                                                      Omitted::nothing);
  EXPECT_FALSE(broken) << *broken;
}

TEST(HostingSimulation, SchedulesStartAndStopModels) {
  int moves = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    World world(seed, Omitted::nothing, false);
    world.run();
    moves += world.moves();
  }
  EXPECT_GT(moves, 2000);
}

TEST(HostingSimulation, ANodeThatDoesNotWaitForTheOthersLeavesAModelNowhere) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::wait_for_the_others, "no node has a model that is HOSTED"));
}

}  // namespace
}  // namespace vedette
