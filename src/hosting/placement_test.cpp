#include "hosting/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/random.hpp"

namespace vedette {
namespace {

std::vector<HostNode> some_nodes(Random& random, std::size_t count) {
  std::vector<HostNode> nodes;
  for (std::size_t i = 0; i < count; ++i)
    nodes.push_back(
        {"node-" + std::to_string(random.below(1'000'000) * count + i), 1 + static_cast<int>(random.below(16)), false});
  return nodes;
}

std::map<std::string, int> by_node(const std::string& model, std::int64_t units, const std::vector<HostNode>& nodes) {
  const auto shares = spread_units(model, units, nodes);
  std::map<std::string, int> out;
  for (std::size_t i = 0; i < nodes.size(); ++i) out[nodes[i].id] = shares[i];
  return out;
}

TEST(SpreadUnits, LosesNoneAndDependsOnNoOrder) {
  Random random(1);
  for (int trial = 0; trial < 2000; ++trial) {
    auto nodes = some_nodes(random, 1 + random.below(8));
    const auto units = static_cast<std::int64_t>(random.below(200));
    const auto model = "model-" + std::to_string(trial);
    const auto shares = by_node(model, units, nodes);
    std::int64_t sum = 0;
    for (const auto& [node, share] : shares) sum += share;
    ASSERT_EQ(sum, units);
    std::reverse(nodes.begin(), nodes.end());
    ASSERT_EQ(by_node(model, units, nodes), shares);
  }
  EXPECT_EQ(spread_units("m", 5, {}), std::vector<int>{});
}

TEST(SpreadUnits, ANodeThatGoesMovesOnlyItsOwnUnits) {
  Random random(2);
  for (int trial = 0; trial < 5000; ++trial) {
    auto nodes = some_nodes(random, 2 + random.below(8));
    const auto units = static_cast<std::int64_t>(random.below(trial % 2 == 0 ? 6 : 120));
    const auto before = by_node("m" + std::to_string(trial), units, nodes);
    nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(random.below(nodes.size())));
    for (const auto& [node, share] : by_node("m" + std::to_string(trial), units, nodes))
      ASSERT_GE(share, before.at(node)) << node;
  }
}

TEST(SpreadUnits, OneMoreUnitMovesNoOther) {
  Random random(3);
  for (int trial = 0; trial < 500; ++trial) {
    const auto nodes = some_nodes(random, 1 + random.below(6));
    auto before = spread_units("m", 0, nodes);
    for (std::int64_t units = 1; units < 100; ++units) {
      const auto now = spread_units("m", units, nodes);
      for (std::size_t i = 0; i < nodes.size(); ++i) ASSERT_GE(now[i], before[i]);
      before = now;
    }
  }
}

TEST(SpreadUnits, TheFirstGoToDifferentNodesAndNoCoreGetsTwoBeforeAllHaveOne) {
  Random random(4);
  for (int trial = 0; trial < 500; ++trial) {
    const auto nodes = some_nodes(random, 1 + random.below(8));
    const auto few = spread_units("m" + std::to_string(trial), static_cast<std::int64_t>(nodes.size()), nodes);
    EXPECT_EQ(few, std::vector<int>(nodes.size(), 1));
    std::int64_t cores = 0;
    for (const auto& node : nodes) cores += node.cores;
    for (const auto units : {cores / 2, cores, 3 * cores, 3 * cores + cores / 2}) {
      const auto shares = spread_units("m" + std::to_string(trial), units, nodes);
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        ASSERT_GE(shares[i], units / cores * nodes[i].cores);
        ASSERT_LE(shares[i], (units + cores - 1) / cores * nodes[i].cores);
      }
    }
  }
}

TEST(SpreadUnits, FollowTheCores) {
  const std::vector<HostNode> nodes = {{"a", 2, false}, {"b", 4, false}, {"c", 10, false}};
  constexpr int models = 20'000;
  std::vector<double> ones(3, 0);
  for (int m = 0; m < models; ++m) {
    const auto one = spread_units("model-" + std::to_string(m), 1, nodes);
    for (std::size_t i = 0; i < 3; ++i) ones[i] += one[i];
    // A single model with many units is spread so that each node has as many per core, give or take the unit that it has
    // in advance.
    const auto many = spread_units("model-" + std::to_string(m), 12, nodes);
    for (std::size_t i = 0; i < 3; ++i) ASSERT_NEAR(many[i], 12.0 * nodes[i].cores / 16, 1.01);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const double share = nodes[i].cores / 16.0;
    // Five standard deviations of a binomial count.
    EXPECT_NEAR(ones[i] / models, share, 5 * std::sqrt(share * (1 - share) / models)) << nodes[i].id;
  }
}

TEST(SpreadUnits, NeverChangesBetweenReleases) {
  const std::vector<HostNode> nodes = {{"a", 2, false}, {"b", 4, false}, {"c", 3, false}};
  std::string all;
  for (int m = 0; m < 6; ++m)
    for (const auto units : {1, 2, 5, 14})
      for (const auto share : spread_units("model-" + std::to_string(m), units, nodes)) all += std::to_string(share);
  EXPECT_EQ(all, "010011122365010011122365001011122365001011122365100101122365001011122365");
}

TEST(HostTask, AModelMovesOnlyWhenItsNewNodeHasLoadedIt) {
  const std::vector<HostNode> two = {{"a", 2, false}, {"b", 2, false}};
  std::string model = "m";
  while (spread_units(model, 1, two)[0] != 1) model += "m";  // a model whose place is on a
  using Step = HostTask::Step;
  const auto task = [&](const char* self, bool has_it, const std::vector<HostNode>& nodes,
                        const std::vector<HostRecord>& records,
                        UnitRange units = {1, 1}) { return task_for(self, has_it, model, units, nodes, records); };
  const std::vector<HostRecord> old = {{"b", true}};  // it began on b, when a was not there
  EXPECT_EQ(task("a", false, two, old).step, Step::load);
  EXPECT_EQ(task("a", false, two, old).units, (UnitRange{0, 0}));
  EXPECT_EQ(task("b", true, two, old).step, Step::nothing);
  EXPECT_EQ(task("b", true, two, old).units, (UnitRange{1, 1}));
  const std::vector<HostRecord> both = {{"a", true}, {"b", true}};
  EXPECT_EQ(task("a", true, two, both).units, (UnitRange{1, 1}));
  EXPECT_EQ(task("b", true, two, both).step, Step::let_go);
  EXPECT_EQ(task("b", true, two, both).units, (UnitRange{0, 0}));
  const std::vector<HostRecord> moved = {{"a", true}};
  EXPECT_EQ(task("b", true, two, moved).step, Step::drop);
  EXPECT_EQ(task("b", false, two, moved).step, Step::nothing);
  EXPECT_EQ(task("a", true, two, {}).step, Step::report);
  // While a drains, b is where it should be; a keeps it until b has it.
  const std::vector<HostNode> draining = {{"a", 2, true}, {"b", 2, false}};
  EXPECT_EQ(task("a", true, draining, moved).step, Step::nothing);
  EXPECT_EQ(task("b", false, draining, moved).step, Step::load);
  EXPECT_EQ(task("a", true, draining, both).step, Step::let_go);
  // A node that cannot load it counts as one that is not there, and the last node keeps what it has.
  EXPECT_EQ(task("b", false, two, {{"a", false}}).step, Step::load);
  const std::vector<HostNode> last = {{"a", 2, true}};
  EXPECT_EQ(task("a", true, last, both).step, Step::nothing);
  EXPECT_EQ(task("a", true, last, both, {2, 5}).units, (UnitRange{2, 5}));
}

/// Runs nodes against metadata that lie in memory, one step of one of them at a time, in an order that the seed decides.
/// A node sees the metadata when its pass begins, and acts on what it saw while others go on. Its loads take long and
/// may fail; it may die, freeze, drain and come back.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    const auto nodes = 2 + random_.below(4), models = 1 + random_.below(3);
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_.emplace_back();
      nodes_.back().host = {std::string(1, static_cast<char>('a' + i)), 1 + static_cast<int>(random_.below(4)), false};
      nodes_.back().held.resize(models);
      if (random_.below(3) > 0) join(nodes_.back());
    }
    models_.resize(models);
    for (std::size_t m = 0; m < models; ++m)
      models_[m].uid = std::string(1, static_cast<char>('A' + m)) + std::to_string(seed % 97);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (random_.below(6) == 0) {
        disturb();
      } else {
        step(nodes_[random_.below(nodes_.size())]);
      }
      for (std::size_t m = 0; m < models_.size(); ++m)
        EXPECT_TRUE(models_[m].status != ModelStatus::hosted || models_[m].has_lost_a_node || is_really_hosted(m));
    }
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
      ASSERT_LT(round, 60) << "it never comes to rest";
      changed_ = false;
      for (auto& node : nodes_)
        for (std::size_t i = 0; i < 6 * models_.size() + 2; ++i) step(node);
    }
    EXPECT_LE(loads_, most);
    const auto nodes = live();
    std::vector<HostNode> able;
    for (const auto& node : nodes)
      if (!node.is_draining) able.push_back(node);
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const auto& model = models_[m];
      EXPECT_NE(model.status, ModelStatus::stopping_hosting);
      if (able.empty()) continue;  // whoever drains keeps what it has, and nobody loads anything
      EXPECT_NE(model.status, ModelStatus::starting_hosting);
      const bool is_hosted = model.status == ModelStatus::hosted;
      const auto minimum = spread_units(model.uid, is_hosted ? model.units.minimum : 0, able);
      const auto maximum = spread_units(model.uid, is_hosted ? model.units.maximum : 0, able);
      std::map<std::string, UnitRange> expected, found;
      for (std::size_t i = 0; i < able.size(); ++i)
        if (maximum[i] > 0) expected[able[i].id] = {minimum[i], maximum[i]};
      for (const auto& node : nodes_)
        if (node.is_alive && node.held[m].is_loaded) found[node.host.id] = node.held[m].units;
      EXPECT_TRUE(expected == found) << model.uid << " " << expected.size() << " " << found.size();
      std::set<std::string> recorded;
      for (const auto& id : hosts_among(nodes, model.records)) recorded.insert(id);
      EXPECT_EQ(recorded.size(), expected.size());
    }
  }
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
    node.fails = random_.below(8) == 0;
  }

  void disturb() {
    auto& node = nodes_[random_.below(nodes_.size())];
    const auto m = random_.below(models_.size());
    auto& model = models_[m];
    switch (random_.below(8)) {
      case 0:
        if (!node.is_alive) join(node);
        break;
      case 1:  // it dies, which the others notice later
        if (random_.below(2) == 0) node.is_alive = false;
        break;
      case 2:  // the others notice what has happened
        node.is_believed_alive = node.is_alive && !node.is_frozen;
        if (!node.is_alive) bury(node);
        break;
      case 3:
        node.is_frozen = !node.is_frozen && random_.below(2) == 0;
        if (!node.is_frozen && node.is_alive) node.is_believed_alive = true;
        break;
      case 4:
        if (random_.below(3) == 0) node.host.is_draining = true;
        break;
      case 5:  // StartModel
        if (model.status == ModelStatus::trained || model.status == ModelStatus::hosting_failed) {
          model.records.clear();
          model.status = ModelStatus::starting_hosting;
          model.units.minimum = 1 + static_cast<int>(random_.below(5));
          model.units.maximum = model.units.minimum + static_cast<int>(random_.below(3));
        }
        break;
      case 6:  // StopModel
        if (random_.below(2) == 0 && model.status == ModelStatus::hosted) model.status = ModelStatus::stopping_hosting;
        break;
      default:  // UpdateModelUnits
        model.units.minimum = 1 + static_cast<int>(random_.below(5));
        model.units.maximum = model.units.minimum + static_cast<int>(random_.below(3));
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

  void look_at(Node& node, std::size_t m) {
    auto& model = models_[m];
    auto& held = node.held[m];
    Ledger ledger(*this, model);
    const auto& self = node.host.id;
    if (held.load_steps > 0) {
      if (--held.load_steps > 0) return;
      changed_ = true;
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
    if (task.step == Step::load) {
      held.load_steps = 1 + static_cast<int>(random_.below(3));
      ++loads_;
    } else if (task.step == Step::report) {
      held.is_reported = report_loaded(ledger, self);
      if (held.is_reported) model.has_lost_a_node = false;
    } else if (task.step == Step::let_go && let_go(ledger, self, model.uid, model.units, node.nodes)) {
      // Of the others that it believes to be alive one has the model, so that calls find one.
      EXPECT_FALSE(hosts_among(node.nodes, model.records).empty());
      held.is_reported = false;
    } else if (task.step == Step::drop) {
      held = {};
    }
  }

  Random random_;
  std::vector<Node> nodes_;
  std::vector<WorldModel> models_;
  int moves_ = 0;
  std::size_t loads_ = 0;
  bool changed_ = false;
};

TEST(HostingSimulation, AlwaysEndsWhereThePlacementSays) {
  const char* given = std::getenv("VEDETTE_SCHEDULES");
  const long schedules = given != nullptr ? std::atol(given) : 100'000;
  long moves = 0;
  for (long seed = 1; seed <= schedules; ++seed) {
    World world(static_cast<std::uint64_t>(seed));
    world.run(80);
    world.settle();
    moves += world.moves();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(moves, schedules);  // The schedules do start and stop models.
}

}  // namespace
}  // namespace vedette
