#include "nodes/nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "base/log.hpp"

namespace vedette {
namespace {

constexpr std::chrono::milliseconds kLookEvery{500};
constexpr std::chrono::seconds kLongestWaitForBeat{5};
/// An answer that took longer says less about the database's time than an earlier one and the time that passed here.
constexpr std::chrono::seconds kLongestTold{2};

}  // namespace

NodeRegistry::NodeRegistry(MetadataStore& store, const Clock& clock, const MonotonicClock& monotonic, ServerNode self,
                           Company company, const std::function<void()>& pause)
    : store_(store), clock_(clock), monotonic_(monotonic), company_(company), self_(std::move(self)) {
  join(pause ? pause : [] { std::this_thread::sleep_for(kLookEvery); });
  beat();
}

NodeRegistry::~NodeRegistry() {
  stop();
}

void NodeRegistry::join(const std::function<void()>& pause) {
  membership::Joining joining(self(), company_ == Company::none);
  using Answer = membership::Joining::Answer;
  while (true) {
    const auto answer = store_.write([&](UnitOfWork& work) {
      work.nodes().remove_seen_before(work.now() - membership::kForgottenAfter);
      auto attempt = joining;  // The transaction may be run again.
      const auto result = attempt.step(work.nodes(), work.now());
      return std::pair(result, std::move(attempt));
    });
    joining = answer.second;
    if (answer.first == Answer::joined) break;
    if (answer.first == Answer::refused)
      throw std::runtime_error(fmt::format(
          "another server that runs has this node's id {}: it is version {} at {}, and was seen at {}. One of the two "
          "was copied from the other. Stop this one, delete the file node-id in its data folder, and start it again",
          joining.self().id, joining.other()->version,
          joining.other()->address.empty() ? "an unknown address" : joining.other()->address,
          to_extended_iso8601(joining.other()->seen)));
    pause();
  }
  const MutexLock lock(mutex_);
  self_ = joining.self();
}

void NodeRegistry::start() {
  thread_ = std::thread([this] { loop(); });
}

void NodeRegistry::stop() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(is_stopping_, true)) return;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  try {
    auto self = this->self();
    self.has_left = true;
    store_.write([&](UnitOfWork& work) {
      auto row = self;
      membership::beat(work.nodes(), row, work.now());
    });
  } catch (const std::exception& e) {
    log::warning("the other nodes were not told that this one has left", {{"reason", e.what()}});
  }
}

void NodeRegistry::announce(const std::string& address) {
  {
    const MutexLock lock(mutex_);
    self_.address = address;
  }
  beat_soon();
}

void NodeRegistry::drain() {
  {
    const MutexLock lock(mutex_);
    self_.is_draining = true;
  }
  beat_soon();
}

void NodeRegistry::beat_soon() {
  if (!thread_.joinable()) {
    beat();
    return;
  }
  MutexLock lock(mutex_);
  const auto wanted = ++wanted_;
  changed_.notify_all();
  changed_.wait_for(lock.standard(), kLongestWaitForBeat,
                    [&]() REQUIRES(mutex_) { return done_ >= wanted || is_stopping_; });
}

void NodeRegistry::loop() {
  while (true) {
    std::uint64_t wanted = 0;
    {
      MutexLock lock(mutex_);
      changed_.wait_for(lock.standard(), membership::kBeatEvery,
                        [this]() REQUIRES(mutex_) { return is_stopping_ || wanted_ > done_; });
      if (is_stopping_) return;
      wanted = wanted_;
    }
    try {
      beat();
    } catch (const std::exception& e) {
      log::warning("this node could not renew its row", {{"reason", e.what()}});
    }
    const MutexLock lock(mutex_);
    done_ = wanted;
    changed_.notify_all();
  }
}

void NodeRegistry::beat() {
  const auto self = this->self();
  const auto asked = clock_.now();
  const auto began = monotonic_.now();
  struct Beat {
    bool is_accepted = false;
    Timestamp now{};
    std::vector<ServerNode> known;
  };
  Beat result;
  if (company_ == Company::none) {
    auto work = store_.read();
    result = {true, work->now(), {self}};
    result.known.front().seen = result.now;
  } else {
    result = store_.write([&](UnitOfWork& work) {
      auto row = self;
      return Beat{membership::beat(work.nodes(), row, work.now()), work.now(), {}};
    });
  }
  const auto took = monotonic_.now() - began;
  // A transaction of its own, since two that read all rows and write one each would be in each other's way.
  if (company_ != Company::none) result.known = store_.read()->nodes().list();
  const MutexLock lock(mutex_);
  self_.seen = result.now;
  watch_.look(result.known, result.now, began - last_beat_);
  difference_ = membership::clock_difference(asked, took, result.now);
  if (!told_ || took < kLongestTold) told_ = Told{result.now, began + took / 2};
  last_beat_ = began;
  if (!result.is_accepted && !std::exchange(is_replaced_, true))
    log::error("another server has taken this node's id", {{"node", self.id}, {"cure", "restart this one"}});
}

std::vector<ServerNode> NodeRegistry::live() const {
  const MutexLock lock(mutex_);
  return watch_.live();
}

std::size_t NodeRegistry::live_count() const {
  return std::max<std::size_t>(1, live().size());
}

std::vector<membership::Watch::Seen> NodeRegistry::known() const {
  const MutexLock lock(mutex_);
  return watch_.all();
}

ServerNode NodeRegistry::self() const {
  const MutexLock lock(mutex_);
  return self_;
}

membership::ClockDifference NodeRegistry::clock_difference() const {
  const MutexLock lock(mutex_);
  return difference_;
}

Timestamp NodeRegistry::Time::now() const {
  // A server that is alone has no database with a time of its own.
  if (nodes_.company_ == Company::none) return nodes_.clock_.now();
  const auto now = nodes_.monotonic_.now();
  const MutexLock lock(nodes_.mutex_);
  if (!nodes_.told_) return nodes_.clock_.now();
  return nodes_.told_->time + std::chrono::floor<std::chrono::milliseconds>(now - nodes_.told_->at);
}

std::optional<std::string> NodeRegistry::trouble() const {
  const auto now = monotonic_.now();
  const MutexLock lock(mutex_);
  if (is_replaced_) return "another server has taken the id of this node; restart this one";
  // The others think that this node is dead.
  if (company_ == Company::nodes && now - last_beat_ >= membership::kAliveFor) return "the database does not answer";
  if (membership::is_too_large(difference_))
    return fmt::format("the clock of this node is {:.1f} s {} the database's",
                       std::abs(static_cast<double>(difference_.ahead.count())) / 1000,
                       difference_.ahead.count() > 0 ? "ahead of" : "behind");
  if (self_.is_draining) return "this node is draining";
  return std::nullopt;
}

std::string NodeRegistry::to_prometheus() const {
  return fmt::format(
      "# HELP vedette_nodes_live Nodes of the installation that live, as this one sees it\n"
      "# TYPE vedette_nodes_live gauge\nvedette_nodes_live {}\n"
      "# HELP vedette_clock_difference_seconds How much the clock of this node is ahead of the database's\n"
      "# TYPE vedette_clock_difference_seconds gauge\nvedette_clock_difference_seconds {:.3f}\n",
      live_count(), static_cast<double>(clock_difference().ahead.count()) / 1000);
}

}  // namespace vedette
