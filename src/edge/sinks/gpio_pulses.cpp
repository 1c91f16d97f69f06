#include "edge/sinks/gpio_pulses.hpp"

#include <algorithm>
#include <optional>

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
  good_ = record.state == RecordState::judged && !record.is_anomalous;
  ++shown_;
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
  std::uint64_t done = 0;
  std::optional<Moment> pulse_end;
  std::optional<Moment> gap_end;
  auto next_heartbeat = std::chrono::steady_clock::now();
  MutexLock lock(mutex_);
  while (!ending_) {
    const auto now = std::chrono::steady_clock::now();
    if (!heard_anything_ || now - heard_ >= times_.stuck) {
      heard_anything_ = false;
      done = shown_;
      lock.unlock();
      if (!safe) go_safe();
      lock.lock();
      safe = true;
      pulse_end = gap_end = std::nullopt;
      if (!heard_anything_ && !ending_) changed_.wait(lock.standard());
      continue;
    }
    const auto shown = shown_;
    const bool good = good_;
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
    if (pulse_end && (now >= *pulse_end || shown != done)) {
      lines_->set(GpioLine::ok, false);
      lines_->set(GpioLine::nok, false);
      if (now < *pulse_end) gap_end = now + times_.gap;
      pulse_end.reset();
    }
    if (shown != done && (!gap_end || now >= *gap_end)) {
      gap_end.reset();
      done = shown;
      lines_->set(good ? GpioLine::ok : GpioLine::nok, true);
      pulse_end = now + times_.pulse;
    }
    auto wake_at = std::min(stuck_at, next_heartbeat);
    for (const auto& moment : {pulse_end, gap_end})
      if (moment) wake_at = std::min(wake_at, *moment);
    lock.lock();
    if (!ending_ && (shown_ == shown || gap_end)) changed_.wait_until(lock.standard(), wake_at);
  }
  lock.unlock();
  go_safe();
}

}  // namespace vedette::sinks
