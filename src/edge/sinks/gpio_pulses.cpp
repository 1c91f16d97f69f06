#include "edge/sinks/gpio_pulses.hpp"

#include <algorithm>
#include <utility>

namespace vedette::sinks {

GpioPulses::GpioPulses(std::string name, std::unique_ptr<GpioLines> lines, GpioTimes times, bool nok_when_stuck)
    : name_(std::move(name)), lines_(std::move(lines)), times_(times), nok_when_stuck_(nok_when_stuck) {
  thread_ = std::thread([this] { run(); });
}

GpioPulses::~GpioPulses() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void GpioPulses::show(const VerdictRecord& record) {
  const MutexLock lock(mutex_);
  const bool good = record.state == RecordState::judged && !record.is_anomalous;
  next_ = good && next_.value_or(true);
  heard_ = std::chrono::steady_clock::now();
  heard_anything_ = true;
  changed_.notify_all();
}

void GpioPulses::beat() {
  const MutexLock lock(mutex_);
  heard_ = std::chrono::steady_clock::now();
  const bool wakes = !heard_anything_;
  heard_anything_ = true;
  if (wakes) changed_.notify_all();
}

void GpioPulses::go_safe() {
  lines_->set(GpioLine::ok, false);
  lines_->set(GpioLine::heartbeat, false);
  lines_->set(GpioLine::nok, nok_when_stuck_);
}

/// The lines are switched without the lock, so that no caller waits for a driver.
void GpioPulses::run() {
  go_safe();
  bool safe = true;
  bool heartbeat = false;
  std::optional<Moment> pulse_end;
  Moment pulse_least{};
  std::optional<Moment> gap_end;
  auto next_heartbeat = std::chrono::steady_clock::now();
  MutexLock lock(mutex_);
  while (!ending_) {
    const auto now = std::chrono::steady_clock::now();
    if (!heard_anything_ || now - heard_ >= times_.stuck) {
      heard_anything_ = false;
      next_.reset();
      lock.unlock();
      if (!safe) go_safe();
      lock.lock();
      safe = true;
      pulse_end = gap_end = std::nullopt;
      if (!heard_anything_ && !ending_) changed_.wait(lock.standard());
      continue;
    }
    std::optional<bool> starts;  // the pulse that starts now
    if (next_ && !pulse_end && (!gap_end || now >= *gap_end)) starts = std::exchange(next_, std::nullopt);
    const bool waits = next_.has_value();
    const auto stuck_at = heard_ + times_.stuck;
    lock.unlock();
    if (safe) {
      safe = false;
      lines_->set(GpioLine::nok, false);
      next_heartbeat = now;
    }
    if (now >= next_heartbeat) {
      lines_->set(GpioLine::heartbeat, heartbeat = !heartbeat);
      next_heartbeat = now + times_.heartbeat;
    }
    if (starts) {
      gap_end.reset();
      lines_->set(*starts ? GpioLine::ok : GpioLine::nok, true);
      // The driver may be slow: the pulse counts from here.
      const auto active = std::chrono::steady_clock::now();
      pulse_end = active + times_.pulse;
      pulse_least = active + std::min(times_.gap, times_.pulse);
    } else if (pulse_end && (now >= *pulse_end || (waits && now >= pulse_least))) {
      lines_->set(GpioLine::ok, false);
      lines_->set(GpioLine::nok, false);
      gap_end = std::chrono::steady_clock::now() + times_.gap;
      pulse_end.reset();
    } else if (gap_end && now >= *gap_end) {
      gap_end.reset();
    }
    auto wake_at = std::min(stuck_at, next_heartbeat);
    if (pulse_end) wake_at = std::min(wake_at, waits ? pulse_least : *pulse_end);
    if (gap_end) wake_at = std::min(wake_at, *gap_end);
    lock.lock();
    // What came meanwhile changes when to wake.
    if (!ending_ && next_.has_value() == waits) changed_.wait_until(lock.standard(), wake_at);
  }
  lock.unlock();
  go_safe();
}

}  // namespace vedette::sinks
