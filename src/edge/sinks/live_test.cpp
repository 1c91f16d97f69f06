#include <gtest/gtest.h>

#include <array>
#include <condition_variable>

#include "base/mutex.hpp"
#include "edge/sinks/gpio_pulses.hpp"

namespace vedette::sinks {
namespace {

using std::chrono::milliseconds;

/// What happened on the lines: "ok+" when the OK line becomes active, "ok-" when it becomes inactive.
struct Wire {
  Mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> events GUARDED_BY(mutex);
  std::array<bool, 3> active GUARDED_BY(mutex){};

  void forget() {
    const MutexLock lock(mutex);
    events.clear();
  }
  [[nodiscard]] std::size_t count() {
    const MutexLock lock(mutex);
    return events.size();
  }
  /// Waits until the events end with these.
  void wait_for_end(const std::vector<std::string>& end) {
    MutexLock lock(mutex);
    changed.wait(lock.standard(), [&]() REQUIRES(mutex) {
      return events.size() >= end.size() && std::equal(end.rbegin(), end.rend(), events.rbegin());
    });
  }
};

class FakeLines : public GpioLines {
 public:
  explicit FakeLines(Wire& wire) : wire_(wire) {}
  void set(GpioLine line, bool active) override {
    const MutexLock lock(wire_.mutex);
    const auto index = static_cast<std::size_t>(line);
    if (line == GpioLine::heartbeat || wire_.active.at(index) == active) return;
    wire_.active.at(index) = active;
    wire_.events.push_back(std::string(line == GpioLine::ok ? "ok" : "nok") + (active ? "+" : "-"));
    wire_.changed.notify_all();
  }

 private:
  Wire& wire_;
};

VerdictRecord verdict(RecordState state, bool is_anomalous) {
  VerdictRecord record;
  record.state = state;
  record.is_anomalous = is_anomalous;
  return record;
}

constexpr GpioTimes kNeverStuck{.pulse = milliseconds(1), .stuck = milliseconds(1'000'000)};

TEST(Gpio, EachVerdictIsAPulseAndOnlyJudgedNormalPartsAreGood) {
  Wire wire;
  GpioPulses gpio("lights", std::make_unique<FakeLines>(wire), kNeverStuck, true);
  wire.wait_for_end({"nok+"});
  gpio.beat();
  wire.wait_for_end({"nok+", "nok-"});
  gpio.show(verdict(RecordState::judged, false));
  wire.wait_for_end({"ok+", "ok-"});
  gpio.show(verdict(RecordState::judged, true));
  wire.wait_for_end({"ok+", "ok-", "nok+", "nok-"});
  for (int state = 1; state <= static_cast<int>(RecordState::failed); ++state) {
    wire.forget();
    // Even a record that contradicts itself is not good.
    gpio.show(verdict(static_cast<RecordState>(state), false));
    wire.wait_for_end({"nok+", "nok-"});
    EXPECT_EQ(wire.count(), 2);
  }
}

TEST(Gpio, AVerdictEndsThePulseBeforeIt) {
  Wire wire;
  GpioPulses gpio("lights", std::make_unique<FakeLines>(wire),
                  {.pulse = milliseconds(1'000'000), .gap = milliseconds(1), .stuck = milliseconds(1'000'000)}, false);
  gpio.show(verdict(RecordState::judged, false));
  wire.wait_for_end({"ok+"});
  gpio.show(verdict(RecordState::judged, true));
  wire.wait_for_end({"ok+", "ok-", "nok+"});
}

TEST(Gpio, AVerdictThatIsNotGoodIsNeverLostBehindAGoodOne) {
  Wire wire;
  GpioPulses gpio("lights", std::make_unique<FakeLines>(wire),
                  {.pulse = milliseconds(1'000'000), .gap = milliseconds(200), .stuck = milliseconds(1'000'000)},
                  false);
  gpio.show(verdict(RecordState::judged, false));
  wire.wait_for_end({"ok+"});
  // All of these come within the shortest pulse or the gap behind it: they share the next pulse.
  gpio.show(verdict(RecordState::judged, false));
  gpio.show(verdict(RecordState::judged, true));
  gpio.show(verdict(RecordState::judged, false));
  wire.wait_for_end({"ok+", "ok-", "nok+"});
}

TEST(Gpio, TheLinesAreSafeWhenTheAgentIsStuckAndAtTheEnd) {
  Wire wire;
  {
    GpioPulses gpio("lights", std::make_unique<FakeLines>(wire),
                    {.pulse = milliseconds(1'000'000), .stuck = milliseconds(20)}, true);
    wire.wait_for_end({"nok+"});
    gpio.show(verdict(RecordState::judged, false));
    wire.wait_for_end({"nok+", "nok-", "ok+", "ok-", "nok+"});
    gpio.show(verdict(RecordState::judged, false));
    wire.wait_for_end({"nok-", "ok+"});
  }
  const MutexLock lock(wire.mutex);
  EXPECT_FALSE(wire.active.at(static_cast<std::size_t>(GpioLine::ok)));
  EXPECT_TRUE(wire.active.at(static_cast<std::size_t>(GpioLine::nok)));
}

}  // namespace
}  // namespace vedette::sinks
