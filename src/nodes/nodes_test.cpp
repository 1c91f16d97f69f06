#include "nodes/nodes.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/files.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

using std::chrono::seconds;
using Company = NodeRegistry::Company;

/// Each node has a store of its own over the same file. Nothing beats unless the test says so.
class Nodes : public testing::Test {
 protected:
  std::unique_ptr<NodeRegistry> start(const std::string& id, const std::function<void()>& pause = {}) {
    ServerNode self;
    self.id = id;
    self.version = "1.0";
    self.cores = 4;
    stores_.push_back(open_sqlite_metadata(folder_.path() / "m.sqlite", database_));
    return std::make_unique<NodeRegistry>(*stores_.back(), clock_, monotonic_, self, Company::nodes, pause);
  }
  void advance(std::chrono::milliseconds by) {
    database_.advance(by);
    clock_.advance(by);
    monotonic_.advance(by);
  }
  static std::vector<std::string> ids(const std::vector<ServerNode>& nodes) {
    std::vector<std::string> out;
    for (const auto& node : nodes) out.push_back(node.id);
    return out;
  }
  static std::vector<std::pair<std::string, NodeState>> states(const NodeRegistry& registry) {
    std::vector<std::pair<std::string, NodeState>> out;
    for (const auto& seen : registry.known()) out.emplace_back(seen.node.id, seen.state);
    return out;
  }
  using States = std::vector<std::pair<std::string, NodeState>>;

  TemporaryFolder folder_;
  FakeClock database_{Timestamp{std::chrono::hours(500'000)}}, clock_{Timestamp{std::chrono::hours(500'000)}};
  FakeMonotonicClock monotonic_;
  std::vector<std::unique_ptr<MetadataStore>> stores_;
};

TEST_F(Nodes, SeeEachOtherUntilOneDies) {
  auto a = start("a"), b = start("b");
  EXPECT_TRUE(a->live().empty()) << "nobody can be reached yet";
  EXPECT_EQ(a->live_count(), 1U);
  a->announce("http://10.0.0.1:8420");
  b->announce("http://10.0.0.2:8420");
  a->beat();
  EXPECT_EQ(ids(a->live()), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(a->live()[1].address, "http://10.0.0.2:8420");
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(a->live_count(), 2U);
    advance(seconds(1));
    a->beat();
  }
  EXPECT_EQ(ids(a->live()), std::vector<std::string>{"a"});
  EXPECT_EQ(states(*a), (States{{"a", NodeState::live}, {"b", NodeState::dead}}));
  b->beat();
  a->beat();
  EXPECT_EQ(a->live_count(), 2U) << "it was only slow";
}

TEST_F(Nodes, NobodyDiesBecauseTheDatabaseWasAwayOrItsClockWasSet) {
  auto a = start("a"), b = start("b");
  a->announce("http://a:1");
  b->announce("http://b:1");
  a->beat();
  advance(seconds(60));
  a->beat();
  EXPECT_EQ(a->live_count(), 2U) << "after a minute without the database nobody knows";
  b->beat();
  a->beat();
  database_.advance(std::chrono::hours(1));
  a->beat();
  EXPECT_EQ(a->live_count(), 2U);
}

TEST_F(Nodes, ThatLeaveAreGoneAtOnceAndForgottenAfterADay) {
  auto a = start("a"), b = start("b");
  a->announce("http://a:1");
  b->announce("http://b:1");
  b.reset();
  a->beat();
  EXPECT_EQ(ids(a->live()), std::vector<std::string>{"a"});
  EXPECT_EQ(states(*a), (States{{"a", NodeState::live}, {"b", NodeState::left}}));
  advance(membership::kForgottenAfter + seconds(1));
  const auto c = start("c");
  EXPECT_EQ(states(*c), (States{{"c", NodeState::live}}));
}

TEST_F(Nodes, ThatDrainSayThatTheyAreNotWell) {
  auto a = start("a"), b = start("b");
  a->announce("http://a:1");
  EXPECT_EQ(a->trouble(), std::nullopt);
  a->drain();
  EXPECT_EQ(a->trouble(), "this node is draining");
  b->beat();
  ASSERT_EQ(ids(b->live()), std::vector<std::string>{"a"});
  EXPECT_TRUE(b->live()[0].is_draining);
}

TEST_F(Nodes, ACopyOfAMachineIsRefused) {
  const auto first = start("a");
  first->announce("http://10.0.0.1:8420");
  int looks = 0;
  const auto pause = [&] {
    ++looks;
    advance(seconds(1));
    first->beat();
  };
  try {
    start("a", pause);
    FAIL() << "the copy has joined";
  } catch (const std::runtime_error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("http://10.0.0.1:8420"), std::string::npos) << message;
    EXPECT_NE(message.find("delete the file node-id"), std::string::npos) << message;
  }
  EXPECT_EQ(looks, 1);
  first->beat();
  EXPECT_EQ(first->trouble(), std::nullopt);
}

TEST_F(Nodes, ThatWereKilledComeBackWhenTheirOldRowIsStale) {
  const auto killed = start("a");
  killed->announce("http://a:1");
  int looks = 0;
  const auto again = start("a", [&] {
    ++looks;
    advance(seconds(1));
  });
  EXPECT_EQ(looks, 6);
  EXPECT_EQ(again->self().term, killed->self().term + 1);
  // The first was not killed but away: it notices, and takes no part any more.
  killed->beat();
  EXPECT_EQ(killed->trouble(), "another server has taken the id of this node; restart this one");
  again->beat();
  EXPECT_EQ(again->trouble(), std::nullopt);
}

TEST_F(Nodes, ThatWereStoppedComeBackAtOnce) {
  auto first = start("a");
  first->stop();
  start("a", [] { FAIL() << "nobody needs to wait"; });
}

TEST_F(Nodes, AServerThatIsAloneNeitherWaitsNorWritesItsRowAgain) {
  ServerNode self;
  self.id = "a";
  const auto store = open_sqlite_metadata(folder_.path() / "m.sqlite", database_);
  const auto pause = [] { FAIL() << "nobody needs to wait"; };
  const NodeRegistry killed(*store, clock_, monotonic_, self, Company::none, pause);
  NodeRegistry node(*store, clock_, monotonic_, self, Company::none, pause);
  node.announce("http://a:1");
  const auto joined = store->read()->nodes().list().at(0).seen;
  advance(seconds(60));
  node.beat();
  EXPECT_EQ(store->read()->nodes().list().at(0).seen, joined);
  EXPECT_EQ(ids(node.live()), std::vector<std::string>{"a"});
  EXPECT_EQ(node.trouble(), std::nullopt);
  clock_.advance(seconds(60));
  EXPECT_EQ(node.time().now(), clock_.now());
}

TEST_F(Nodes, WhoseClocksAreWrongTakeNoPart) {
  const auto a = start("a");
  clock_.advance(seconds(10));
  a->beat();
  EXPECT_EQ(a->trouble(), std::nullopt);
  EXPECT_EQ(a->clock_difference().ahead, seconds(10));
  clock_.advance(seconds(1));
  a->beat();
  EXPECT_EQ(a->trouble(), "the clock of this node is 11.0 s ahead of the database's");
  clock_.advance(-seconds(22));
  a->beat();
  EXPECT_EQ(a->trouble(), "the clock of this node is 11.0 s behind the database's");
}

TEST_F(Nodes, AgreeOnTheDatabasesTimeWhenTheirOwnClocksAreSet) {
  const auto a = start("a");
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(a->time().now(), database_.now()) << "no beat has noticed yet";
  advance(seconds(5));
  EXPECT_EQ(a->time().now(), database_.now());
  a->beat();
  EXPECT_EQ(a->time().now(), database_.now());
  database_.advance(seconds(3));
  a->beat();
  EXPECT_EQ(a->time().now(), database_.now());
}

TEST_F(Nodes, ThatCannotReachTheDatabaseSaySo) {
  const auto a = start("a");
  monotonic_.advance(membership::kAliveFor);
  EXPECT_EQ(a->trouble(), "the database does not answer");
  a->beat();
  EXPECT_EQ(a->trouble(), std::nullopt);
}

TEST(ClockDifference, IsBoundByHalfOfTheRoundTrip) {
  const Timestamp asked{seconds(100)};
  const auto difference = membership::clock_difference(asked, seconds(6), Timestamp{seconds(90)});
  EXPECT_EQ(difference.ahead, seconds(13));
  EXPECT_EQ(difference.bound, seconds(3));
  EXPECT_FALSE(membership::is_too_large(difference)) << "it may be 10 s";
  EXPECT_TRUE(membership::is_too_large(membership::clock_difference(asked, seconds(0), Timestamp{seconds(89)})));
}

}  // namespace
}  // namespace vedette
