#include "hosting/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

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

}  // namespace
}  // namespace vedette
