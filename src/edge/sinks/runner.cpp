#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <optional>
#include <thread>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/random.hpp"
#include "edge/journal/refused_records.hpp"
#include "edge/sinks/sinks.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait{200};
constexpr milliseconds kLongestWait{15'000};
/// How long a sink waits for records before it looks for those that are to be sent again.
constexpr milliseconds kReadWait{2'000};

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
    std::unique_ptr<RefusedRecords> refused;
    std::size_t one_by_one = 0;  ///< how many records of the journal are delivered alone before batches come again
    bool tells_refusal = true;   ///< whether the log is to tell of the next record that is set aside
    SinkCounts counts;
    std::thread thread;
  };

  Journal& journal;
  std::vector<std::unique_ptr<Lane>> lanes;
  mutable Mutex mutex;  ///< guards the counts of all lanes, too
  std::condition_variable ended;
  bool ending GUARDED_BY(mutex) = false;

  void run(Lane& lane);
  /// Delivers what is next. Returns how many records the other side took, or why it took none; nothing if there was none,
  /// or if a batch was refused, whose records are then tried one by one.
  std::optional<Result<std::size_t>> deliver_some(Lane& lane);
  std::optional<Result<std::size_t>> deliver_or_set_aside(Lane& lane, std::span<const VerdictRecord> records);
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
    const auto done = deliver_some(lane);
    if (!done) continue;
    const auto& delivered = *done;
    bool tell = false;
    {
      const MutexLock lock(mutex);
      if (ending && !delivered) return;
      auto& counts = lane.counts;
      tell = counts.problem.empty() != delivered.has_value();
      counts.problem = delivered ? "" : delivered.error().message;
      if (delivered) counts.delivered += *delivered;
      if (!delivered) ++counts.failures;
      counts.refused = lane.refused->count();
    }
    if (delivered) {
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

std::optional<Result<std::size_t>> SinkRunner::State::deliver_some(Lane& lane) {
  if (const auto again = lane.refused->next_again()) {
    lane.tells_refusal = true;
    auto delivered = deliver_or_set_aside(lane, {&*again, 1});
    if (delivered && *delivered) lane.refused->pass_again();
    return delivered;
  }
  const auto batch = lane.reader->read(lane.one_by_one > 0 ? 1 : lane.sink->most_records(), kReadWait);
  if (!batch) return batch.error();
  if (batch->records.empty()) return std::nullopt;
  if (batch->missing > 0)
    log::error("the sink misses records that the journal lost", {{"count", std::to_string(batch->missing)}});
  auto delivered = deliver_or_set_aside(lane, batch->records);
  if (delivered && *delivered) {
    if (lane.one_by_one > 0) --lane.one_by_one;
    lane.reader->commit(batch->records.back().sequence);
  }
  return delivered;
}

std::optional<Result<std::size_t>> SinkRunner::State::deliver_or_set_aside(Lane& lane,
                                                                           std::span<const VerdictRecord> records) {
  const auto delivered = lane.sink->deliver(records);
  if (delivered) return records.size();
  if (delivered.error().kind != ErrorKind::unsupported) return delivered.error();
  if (records.size() > 1) {
    lane.one_by_one = records.size();
    return std::nullopt;
  }
  // If there is no room for it, it stays where it is and holds up the sink, so that it is not lost.
  if (const auto kept = lane.refused->add(records.front()); !kept)
    return fail(ErrorKind::unavailable, delivered.error().message + " " + kept.error().message);
  if (lane.tells_refusal)
    log::error("a record was refused and set aside; further ones are counted",
               {{"sequence", std::to_string(records.front().sequence)}, {"reason", delivered.error().message}});
  lane.tells_refusal = false;
  return 0;
}

Result<std::unique_ptr<SinkRunner>> SinkRunner::start(Journal& journal, std::vector<std::unique_ptr<Sink>> sinks) {
  auto state = std::make_unique<State>(journal);
  for (auto& sink : sinks) {
    auto reader = journal.reader(sink->name());
    if (!reader) return reader.error();
    auto lane = std::make_unique<State::Lane>();
    lane->counts.name = sink->name();
    lane->refused = std::make_unique<RefusedRecords>(journal.folder(), sink->name());
    lane->counts.refused = lane->refused->count();
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

void SinkRunner::show_state(StationState state) {
  const auto counts = state_->journal.counts();
  for (const auto& sink : this->counts()) state.sinks.push_back({sink.name, sink.problem, sink.refused});
  for (auto& lane : state_->lanes) lane->sink->show_state(state, counts);
}

std::vector<SinkCounts> SinkRunner::counts() const {
  std::vector<SinkCounts> all;
  const MutexLock lock(state_->mutex);
  for (const auto& lane : state_->lanes) all.push_back(lane->counts);
  return all;
}

}  // namespace vedette
