#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <thread>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/random.hpp"
#include "edge/sinks/sinks.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait{200};
constexpr milliseconds kLongestWait{15'000};
constexpr milliseconds kReadWait{60'000};

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  for (const auto byte : random_bytes(sizeof seed)) seed = seed << 8 | byte;
  return seed;
}

}  // namespace

struct SinkRunner::State {
  explicit State(Journal& a_journal) : journal(a_journal) {}

  struct Lane {
    std::unique_ptr<Sink> sink;
    std::unique_ptr<JournalReader> reader;
    SinkCounts counts;
    std::thread thread;
  };

  Journal& journal;
  std::vector<std::unique_ptr<Lane>> lanes;
  mutable Mutex mutex;  ///< guards the counts of all lanes, too
  std::condition_variable ended;
  bool ending GUARDED_BY(mutex) = false;

  void run(Lane& lane);
  /// Returns false if the runner ends.
  bool wait(milliseconds time);
};

bool SinkRunner::State::wait(milliseconds time) {
  MutexLock lock(mutex);
  ended.wait_for(lock.standard(), time, [this]() REQUIRES(mutex) { return ending; });
  return !ending;
}

void SinkRunner::State::run(Lane& lane) {
  // A receiver that goes away in the middle of a TLS connection must not end the process.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const log::Scope scope(log::Context({{"sink", lane.sink->name()}}));
  Random random(random_seed());
  auto pause = kFirstWait;
  while (wait(milliseconds(0))) {
    const auto batch = lane.reader->read(lane.sink->most_records(), kReadWait);
    if (batch && batch->records.empty()) continue;
    if (batch && batch->missing > 0)
      log::error("the sink misses records that the journal lost", {{"count", std::to_string(batch->missing)}});
    const auto delivered = batch ? lane.sink->deliver(batch->records) : Result<void>(batch.error());
    bool tell = false;
    {
      const MutexLock lock(mutex);
      if (ending && !delivered) return;
      auto& counts = lane.counts;
      tell = counts.problem.empty() != delivered.has_value();
      counts.problem = delivered ? "" : delivered.error().message;
      if (delivered) counts.delivered += batch->records.size();
      if (!delivered) ++counts.failures;
    }
    if (delivered) {
      lane.reader->commit(batch->records.back().sequence);
      if (tell) log::info("the sink delivers again");
      pause = kFirstWait;
      continue;
    }
    if (tell) log::warning("the sink does not deliver", {{"reason", delivered.error().message}});
    const auto half = static_cast<double>(pause.count()) / 2;
    if (!wait(milliseconds(static_cast<std::int64_t>(half + random.uniform() * half)))) return;
    pause = std::min(2 * pause, kLongestWait);
  }
}

Result<std::unique_ptr<SinkRunner>> SinkRunner::start(Journal& journal, std::vector<std::unique_ptr<Sink>> sinks) {
  auto state = std::make_unique<State>(journal);
  for (auto& sink : sinks) {
    auto reader = journal.reader(sink->name());
    if (!reader) return reader.error();
    auto lane = std::make_unique<State::Lane>();
    lane->counts.name = sink->name();
    lane->sink = std::move(sink);
    lane->reader = std::move(*reader);
    state->lanes.push_back(std::move(lane));
  }
  journal.sinks_are_known();
  for (auto& lane : state->lanes) lane->thread = std::thread([&s = *state, &l = *lane] { s.run(l); });
  return std::unique_ptr<SinkRunner>(new SinkRunner(std::move(state)));
}

SinkRunner::SinkRunner(std::unique_ptr<State> state) : state_(std::move(state)) {}

SinkRunner::~SinkRunner() {
  {
    const MutexLock lock(state_->mutex);
    state_->ending = true;
    state_->ended.notify_all();
  }
  for (auto& lane : state_->lanes) lane->sink->cancel();
  state_->journal.wake_readers();
  for (auto& lane : state_->lanes) lane->thread.join();
}

void SinkRunner::show_state(const StationState& state) {
  const auto counts = state_->journal.counts();
  for (auto& lane : state_->lanes) lane->sink->show_state(state, counts);
}

std::vector<SinkCounts> SinkRunner::counts() const {
  std::vector<SinkCounts> all;
  const MutexLock lock(state_->mutex);
  for (const auto& lane : state_->lanes) all.push_back(lane->counts);
  return all;
}

}  // namespace vedette
