// Takes the steps of nodes/membership.hpp in a million orders: servers that start, beat, freeze, thaw, die, leave and
// come back, one of them a copy of another, over a database that is late or unreachable and whose clock jumps.
// VEDETTE_SEED=NUMBER tells one schedule.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/simulation.hpp"
#include "nodes/membership.hpp"

namespace vedette::membership {
namespace {

using simulation::Broken;
using simulation::Dice;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// What a schedule leaves out, so that a test can show that the simulation finds the fault.
enum class Omitted { nothing, wait_before_joining, term_of_beats };

class FakeNodes : public NodeRepository {
 public:
  std::optional<ServerNode> lock(const std::string& id) override {
    for (const auto& node : rows_)
      if (node.id == id) return node;
    return std::nullopt;
  }
  void put(const ServerNode& node) override {
    for (auto& row : rows_)
      if (row.id == node.id) {
        row = node;
        return;
      }
    rows_.push_back(node);
  }
  std::vector<ServerNode> list() override { return rows_; }
  [[nodiscard]] const std::vector<ServerNode>& rows() const { return rows_; }
  void remove_seen_before(Timestamp time) override {
    std::erase_if(rows_, [&](const ServerNode& node) { return node.seen < time; });
  }

 private:
  std::vector<ServerNode> rows_;
};

class World {
 public:
  World(std::uint64_t seed, Omitted omitted, bool is_told) : dice_(seed), omitted_(omitted), is_told_(is_told) {
    has_jumps_ = dice_.one_in(2);
  }

  void run() {
    for (int i = 0; i < 40; ++i) {
      time_ += dice_.up_to(seconds(3));
      disturb();
      for (std::size_t who = 0; who < servers_.size(); ++who) act(who);
    }
    is_calm_ = true;
    for (auto& server : servers_) server.frozen_until = time_;
    for (int round = 0; round < 20; ++round) {
      time_ += seconds(1);
      for (std::size_t who = 0; who < servers_.size(); ++who) act(who);
    }
    check_calm();
  }

  [[nodiscard]] const std::string& told() const { return told_; }
  struct Tally {
    int refused = 0, replaced = 0, waited = 0;
  };
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  enum class At { down, joining, member, refused, replaced };
  struct Server {
    At at = At::down;
    std::optional<Joining> joining;
    ServerNode self;
    Watch watch;
    milliseconds frozen_until{0}, next{0}, last_beat{0}, last_look{0};
  };

  // The last server is a copy of the first.
  static std::string id_of(std::size_t who) { return who % 2 == 0 ? "a" : "b"; }
  Timestamp database_time() const { return Timestamp{std::chrono::hours(24) + time_ + shift_}; }

  void tell(std::size_t who, const char* what) {
    if (is_told_)
      told_ += std::to_string(time_.count()) + " ms  server " + std::to_string(who) + " " + what + " (term " +
               std::to_string(servers_[who].self.term) + ")\n";
  }

  void start(std::size_t who) {
    auto& server = servers_[who];
    server = {};
    server.at = At::joining;
    server.next = time_;
    server.self.id = id_of(who);
    server.self.address = "http://" + std::to_string(who);
    server.joining.emplace(server.self, omitted_ == Omitted::wait_before_joining);
    tell(who, "starts");
  }

  void disturb() {
    const auto who = dice_.roll(servers_.size());
    auto& server = servers_[who];
    switch (dice_.roll(12)) {
      case 0:
      case 1:
        if (server.at != At::joining && server.at != At::member) start(who);
        break;
      case 2:
        server.frozen_until = time_ + dice_.up_to(seconds(20));
        tell(who, "freezes");
        break;
      case 3:
        server.at = At::down;
        tell(who, "dies");
        break;
      case 4:
        if (server.at == At::member && time_ >= server.frozen_until) leave(who);
        break;
      case 5:
        if (has_jumps_) shift_ += dice_.up_to(seconds(60)) - milliseconds(seconds(30));
        break;
      default:
        break;
    }
  }

  template <typename Step>
  bool ask(const Step& transaction) {
    if (!is_calm_ && dice_.one_in(12)) return false;
    transaction();
    return is_calm_ || !dice_.one_in(12);
  }

  void leave(std::size_t who) {
    auto& server = servers_[who];
    ask([&] {
      auto self = server.self;
      self.has_left = true;
      beat(nodes_, self, database_time());
    });
    server.at = At::down;
    tell(who, "leaves");
  }

  void act(std::size_t who) {
    auto& server = servers_[who];
    if (time_ < server.frozen_until || time_ < server.next) return;
    if (server.at == At::joining)
      join(who);
    else if (server.at == At::member)
      renew(who);
  }

  void join(std::size_t who) {
    auto& server = servers_[who];
    server.next = time_ + milliseconds(500);
    auto answer = Joining::Answer::wait;
    const bool is_heard = ask([&] {
      auto attempt = *server.joining;
      answer = attempt.step(nodes_, database_time());
      if (answer != Joining::Answer::joined) {
        server.joining = attempt;
        return;
      }
      check_joining(who);
      newest_term_[id_of(who)] = attempt.self().term;
      joined_ = attempt;
    });
    if (!is_heard) return;
    if (answer == Joining::Answer::wait) ++tally_.waited;
    if (answer == Joining::Answer::refused) {
      server.at = At::refused;
      ++tally_.refused;
      tell(who, "is refused");
    }
    if (answer == Joining::Answer::joined) {
      server.self = joined_->self();
      server.at = At::member;
      server.last_beat = time_;
      tell(who, "joins");
    }
  }

  /// Nobody may take the id of a server that beats as it should.
  void check_joining(std::size_t who) const {
    if (has_jumps_) return;
    for (std::size_t other = 0; other < servers_.size(); ++other)
      if (other != who && id_of(other) == id_of(who) && servers_[other].at == At::member &&
          time_ - servers_[other].last_beat < kAliveFor)
        throw Broken("the id of a server that lives was taken");
  }

  void renew(std::size_t who) {
    auto& server = servers_[who];
    server.next = time_ + milliseconds(kBeatEvery);
    bool is_accepted = false;
    const bool is_heard = ask([&] {
      auto self = server.self;
      if (omitted_ == Omitted::term_of_beats) {
        self.seen = database_time();
        nodes_.put(self);
        is_accepted = true;
      } else {
        is_accepted = beat(nodes_, self, database_time());
      }
      if (is_accepted && self.term < newest_term_[self.id]) throw Broken("a beat of an old term was accepted");
      if (is_accepted) server.last_beat = time_;
    });
    if (is_heard && is_accepted) {
      look(server);
    }
    if (!is_heard || is_accepted) return;
    server.at = At::replaced;
    ++tally_.replaced;
    tell(who, "has been replaced");
  }

  /// In calm times everybody knows who lives: the servers that run, one for each id.
  void check_calm() {
    std::map<std::string, std::size_t> members;
    for (std::size_t who = 0; who < servers_.size(); ++who) {
      if (servers_[who].at == At::joining) throw Broken("a server that starts waits for ever");
      if (servers_[who].at != At::member) continue;
      if (!members.emplace(id_of(who), who).second) throw Broken("two servers are the same node");
    }
    for (const auto& [id, who] : members) {
      const auto live = servers_[who].watch.live();
      if (live.size() != members.size()) throw Broken("the list of live nodes is wrong");
      for (const auto& node : live)
        if (!members.contains(node.id) || node.address != servers_[members[node.id]].self.address)
          throw Broken("the list of live nodes is wrong");
    }
  }

  /// Nobody that lived at the last look is thought dead before it was silent for long enough, whatever the clocks do.
  void look(Server& server) {
    std::string lived;  // ids have one letter
    for (const auto& seen : server.watch.all())
      if (seen.state == NodeState::live) lived += seen.node.id;
    server.watch.look(nodes_.rows(), database_time(), time_ - server.last_look);
    server.last_look = time_;
    for (const auto& seen : server.watch.all())
      if (seen.state == NodeState::dead && lived.find(seen.node.id) != std::string::npos)
        for (const auto& other : servers_)
          if (other.at == At::member && other.self.id == seen.node.id && other.self.term == seen.node.term &&
              time_ - other.last_beat < kAliveFor)
            throw Broken("a node that lives is thought dead");
  }

  Dice dice_;
  const Omitted omitted_;
  const bool is_told_;
  std::string told_;
  Tally tally_;
  FakeNodes nodes_;
  std::array<Server, 3> servers_;
  std::map<std::string, std::int64_t> newest_term_;
  std::optional<Joining> joined_;
  bool has_jumps_ = false, is_calm_ = false;
  milliseconds time_{0}, shift_{0};
};

TEST(MembershipSimulation, NoScheduleBreaksAPromise) {
  const auto broken = simulation::first_broken<World>(1'000'000, Omitted::nothing);
  EXPECT_FALSE(broken) << *broken;
}

TEST(MembershipSimulation, SchedulesDoWhatTheRulesAreFor) {
  World::Tally all;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    World world(seed, Omitted::nothing, false);
    world.run();
    all.refused += world.tally().refused;
    all.replaced += world.tally().replaced;
    all.waited += world.tally().waited;
  }
  EXPECT_GT(all.refused, 100);
  EXPECT_GT(all.replaced, 100);
  EXPECT_GT(all.waited, 100);
}

TEST(MembershipSimulation, WithoutAWaitACopyTakesTheIdOfALivingServer) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::wait_before_joining, "the id of a server that lives was taken"));
}

TEST(MembershipSimulation, WithoutTermsAServerThatWasReplacedBeatsOn) {
  EXPECT_TRUE(simulation::finds<World>(Omitted::term_of_beats, "a beat of an old term was accepted"));
}

}  // namespace
}  // namespace vedette::membership
