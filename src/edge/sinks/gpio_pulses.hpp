#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.hpp"
#include "edge/sinks/sinks.hpp"

namespace vedette::sinks {

enum class GpioLine { ok, nok, heartbeat };

/// Lines that can be switched. Only one thread at a time uses them.
class GpioLines {
 public:
  virtual ~GpioLines() = default;
  /// Does nothing for a line that is not connected.
  virtual void set(GpioLine line, bool active) = 0;
};

struct GpioTimes {
  std::chrono::milliseconds pulse{100};  ///< how long a verdict is shown
  std::chrono::milliseconds gap{
      5};  ///< how long both lines are inactive before a pulse that follows another, and the shortest pulse
  std::chrono::milliseconds heartbeat{250};  ///< after which time the heartbeat line changes
  std::chrono::milliseconds stuck{3000};     ///< from when on an agent that says nothing counts as stuck
};

/// The live output `gpio`: each verdict is a pulse on the OK line or on the NOK line. A verdict that comes during a
/// pulse ends it, but no pulse is shorter than the gap. Verdicts that come faster than that share one pulse, which is on
/// the NOK line if one of them is not good. As long as the agent has said nothing for `stuck`, and at the end, the OK line and the heartbeat line
/// are inactive, and the NOK line is active if `nok_when_stuck` says so.
class GpioPulses : public LiveOutput {
 public:
  GpioPulses(std::string name, std::unique_ptr<GpioLines> lines, GpioTimes times, bool nok_when_stuck);
  ~GpioPulses() override;
  GpioPulses(const GpioPulses&) = delete;
  GpioPulses& operator=(const GpioPulses&) = delete;
  [[nodiscard]] const std::string& name() const override { return name_; }
  void show(const VerdictRecord& record) override;
  void beat() override;

 private:
  using Moment = std::chrono::steady_clock::time_point;
  void run();
  void go_safe();

  const std::string name_;
  const std::unique_ptr<GpioLines> lines_;
  const GpioTimes times_;
  const bool nok_when_stuck_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool ending_ GUARDED_BY(mutex_) = false;
  bool heard_anything_ GUARDED_BY(mutex_) = false;
  Moment heard_ GUARDED_BY(mutex_) = {};
  std::optional<bool> next_ GUARDED_BY(mutex_);  ///< whether the verdicts that have had no pulse yet are all good
  std::thread thread_;
};

}  // namespace vedette::sinks
