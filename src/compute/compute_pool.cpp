#include "compute/compute_pool.hpp"

#include <algorithm>
#include <cmath>
#include <future>

#include "base/log.hpp"
#include "base/parallel.hpp"

namespace vedette {
namespace {

constexpr std::chrono::seconds kUnneededAfter{5};  // a lane gives up units that no demand has needed for this time
constexpr double kLearningRate = 0.1;              // the weight of the newest picture in a lane's seconds per picture

Error too_many(double seconds_until_better) {
  auto error = fail(ErrorKind::throttled, "More images arrive than the model's inference units can take.");
  error.retry_after_seconds = std::max(1, static_cast<int>(std::lround(seconds_until_better)));
  return error;
}

}  // namespace

struct ComputePool::Task {
  std::function<void(int)> work;
  std::shared_ptr<Lane> lane;
  std::promise<Result<void>> done;
  Time queued{};
  int threads = 0;
  double charged = 0;  // core seconds that the lane was charged when the picture began, before its true cost was known
};

class ComputePool::Lane {
 public:
  UnitRange units;
  int desired = 1;
  int running = 0;
  std::deque<std::shared_ptr<Task>> waiting;
  double seconds = 0;       // the core seconds that one picture is expected to take
  double virtual_time = 0;  // the core seconds per unit that the lane has received
  Time busy_since;          // the last time at which the demand needed all units
  int peak = 0;             // the highest demand since busy_since
  [[nodiscard]] int demand() const { return running + static_cast<int>(waiting.size()); }
};

ComputePool::ComputePool(ComputeOptions options) : options_(std::move(options)), free_cores_(options_.cores) {
  for (int i = 0; i < options_.cores; ++i) workers_.push_back(std::make_unique<Worker>());
  for (auto& worker : workers_) worker->thread = std::thread([this, w = worker.get()] { loop(*w); });
}

ComputePool::~ComputePool() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  for (auto& worker : workers_) worker->wake.notify_one();
  for (auto& worker : workers_) worker->thread.join();
}

std::shared_ptr<ComputePool::Lane> ComputePool::open(UnitRange units, double seconds) {
  auto lane = std::make_shared<Lane>();
  lane->units = units;
  lane->desired = units.minimum;
  lane->seconds = seconds;
  const MutexLock lock(mutex_);
  lane->busy_since = options_.now();
  lane->virtual_time = virtual_time_;
  std::erase_if(lanes_, [](const auto& l) { return l.expired(); });
  lanes_.push_back(lane);
  return lane;
}

void ComputePool::set_units(Lane& lane, UnitRange units) {
  const MutexLock lock(mutex_);
  if (lane.units == units) return;
  lane.units = units;
  scale(lane, options_.now());
  dispatch();
}

void ComputePool::scale(Lane& lane, Time now) {
  const int demand = lane.demand();
  lane.peak = std::max(lane.peak, demand);
  if (demand >= lane.desired) {
    lane.desired = demand;  // units are added at once, since they only use threads that exist already
    lane.busy_since = now;
    lane.peak = 0;
  } else if (now - lane.busy_since >= kUnneededAfter) {
    lane.desired = lane.peak;
    lane.busy_since = now;
    lane.peak = demand;
  }
  lane.desired = std::clamp(lane.desired, lane.units.minimum, lane.units.maximum);
}

double ComputePool::expected_wait(const Lane& lane) const {
  // The units of all lanes that have work share the cores. A lane without units gets one when a picture comes.
  const int own = std::max(1, lane.desired);
  double units = own;
  for (const auto& weak : lanes_)
    if (const auto other = weak.lock(); other && other.get() != &lane && other->demand() > 0) units += other->desired;
  const double share = std::min<double>(options_.cores * own / units, own * options_.unit_cores);
  return (static_cast<double>(lane.waiting.size()) + 0.5 * lane.running) * lane.seconds / share;
}

Result<void> ComputePool::run(const std::shared_ptr<Lane>& lane, std::function<void(int)> work,
                              std::stop_token abandoned) {
  auto task = std::make_shared<Task>(Task{log::carried(std::move(work)), lane, {}});
  auto done = task->done.get_future();
  {
    const MutexLock lock(mutex_);
    if (stopping_) return fail(ErrorKind::unavailable, "The server is stopping.");
    const double wait = expected_wait(*lane), longest = std::chrono::duration<double>(options_.longest_wait).count();
    if (waiting_ >= options_.most_waiting || wait > longest) return too_many(wait - longest);
    // A lane that had nothing to do must not save up core time for later.
    if (lane->demand() == 0) lane->virtual_time = std::max(lane->virtual_time, virtual_time_);
    task->queued = options_.now();
    lane->waiting.push_back(task);
    ++waiting_;
    scale(*lane, options_.now());
    dispatch();
  }
  const auto withdraw = [&](auto answer) {
    const MutexLock lock(mutex_);
    const auto place = std::find(lane->waiting.begin(), lane->waiting.end(), task);
    if (place == lane->waiting.end()) return;
    lane->waiting.erase(place);
    --waiting_;
    const auto now = options_.now();
    waits_.add(now, now - task->queued);
    task->done.set_value(answer());
  };
  // A caller who hangs up gives up the place in the queue.
  const auto hang_up = [&] {
    withdraw([] { return fail(ErrorKind::unavailable, "The caller did not wait for the answer."); });
  };
  const std::stop_callback on_hang_up(std::move(abandoned), hang_up);
  // The wait was expected to be short enough when the picture was queued, but the pictures before it can take longer
  // than before.
  if (done.wait_for(options_.longest_wait) != std::future_status::ready)
    withdraw([&]() REQUIRES(mutex_) { return too_many(expected_wait(*lane)); });
  return done.get();
}

ComputePool::LaneState ComputePool::state(Lane& lane) {
  const MutexLock lock(mutex_);
  scale(lane, options_.now());
  return {lane.desired, std::min(lane.desired, options_.cores), lane.running, lane.waiting.size(), lane.seconds};
}

double ComputePool::mean_wait_milliseconds() const {
  const MutexLock lock(mutex_);
  return waits_.milliseconds(options_.now());
}

std::shared_ptr<ComputePool::Task> ComputePool::next() {
  if (free_cores_ == 0) return nullptr;
  std::shared_ptr<Lane> best;
  int ready = 0;  // the number of pictures that could begin now
  for (const auto& weak : lanes_) {
    const auto lane = weak.lock();
    if (!lane) continue;
    const int able = std::min(static_cast<int>(lane->waiting.size()), lane->desired - lane->running);
    if (able <= 0) continue;
    ready += able;
    if (!best || lane->virtual_time < best->virtual_time) best = lane;
  }
  if (!best) return nullptr;
  auto task = std::move(best->waiting.front());
  task->threads = std::clamp(free_cores_ / ready, 1, options_.unit_cores);
  best->waiting.pop_front();
  const auto now = options_.now();
  waits_.add(now, now - task->queued);
  --waiting_;
  ++best->running;
  free_cores_ -= task->threads;
  virtual_time_ = best->virtual_time;
  task->charged = best->seconds;
  best->virtual_time += task->charged / best->desired;
  return task;
}

void ComputePool::dispatch() {
  const auto is_idle = [](const auto& worker) { return worker->is_idle; };
  while (auto task = next()) {
    // Each idle worker stands for a free core. A worker that uses several cores keeps the helping threads that OpenMP
    // made for it, and once there are more such threads than cores, OpenMP lets all of them wait less keenly. So work
    // on several cores goes to the first idle workers of the list, and work on one core to the last ones.
    auto& worker = task->threads > 1 ? *std::find_if(workers_.begin(), workers_.end(), is_idle)
                                     : *std::find_if(workers_.rbegin(), workers_.rend(), is_idle);
    worker->is_idle = false;
    worker->task = std::move(task);
    worker->wake.notify_one();
  }
}

void ComputePool::loop(Worker& worker) {
  MutexLock lock(mutex_);
  while (true) {
    // While the pool is being destroyed, workers that become idle still take the waiting pictures; a worker ends when
    // no picture is left.
    worker.wake.wait(lock.standard(), [&]() REQUIRES(mutex_) { return worker.task || (stopping_ && waiting_ == 0); });
    auto task = std::move(worker.task);
    if (!task) return;
    lock.unlock();
    const auto start = options_.now();
    Result<void> outcome;
    try {
      const ThreadCount count(task->threads);
      task->work(task->threads);
    } catch (const std::exception& e) {
      outcome = internal_error(e.what());
    }
    task->work = nullptr;  // the function can hold the last reference to a model
    const double seconds = std::chrono::duration<double>(options_.now() - start).count() * task->threads;
    lock.lock();
    auto& lane = *task->lane;
    --lane.running;
    free_cores_ += task->threads;
    lane.virtual_time += (seconds - task->charged) / std::max(1, lane.desired);
    lane.seconds += kLearningRate * (seconds - lane.seconds);
    task->done.set_value(std::move(outcome));
    worker.is_idle = true;
    dispatch();
    if (stopping_ && waiting_ == 0)
      for (auto& other : workers_) other->wake.notify_one();
  }
}

}  // namespace vedette
