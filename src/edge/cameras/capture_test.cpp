#include "edge/cameras/capture.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <thread>

#include "base/mutex.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;

std::int64_t wall_clock() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A camera that gives what a test puts in.
class FakeCamera final : public Camera {
 public:
  explicit FakeCamera(bool takes_triggers) : takes_triggers_(takes_triggers) {}

  Result<Capture> next(milliseconds timeout) override {
    MutexLock lock(mutex_);
    changed_.wait_for(lock.standard(), timeout, [this]() REQUIRES(mutex_) { return !captures_.empty() || is_lost_; });
    if (is_lost_) return fail(ErrorKind::unavailable, "The cable is out.");
    if (captures_.empty()) return Capture{};
    auto out = std::move(captures_.front());
    captures_.pop_front();
    return out;
  }
  [[nodiscard]] bool takes_software_triggers() const override { return takes_triggers_; }
  Result<void> trigger() override {
    ++triggers;
    put(1);
    return {};
  }
  Result<void> flush() override {
    ++flushes;
    return {};
  }
  [[nodiscard]] std::string description() const override { return "a fake"; }

  void put(std::uint8_t value) {
    Capture out{.kind = Capture::Kind::frame};
    pixels_.fill(value);
    out.frame.width = out.frame.height = 8;
    out.frame.format = PixelFormat::mono8;
    out.frame.pixels = pixels_;
    out.frame.pictured_at = wall_clock();
    put(std::move(out));
  }
  void put(Capture capture) {
    const MutexLock lock(mutex_);
    captures_.push_back(std::move(capture));
    changed_.notify_all();
  }
  void lose() {
    const MutexLock lock(mutex_);
    is_lost_ = true;
    changed_.notify_all();
  }

  std::atomic<int> triggers = 0, flushes = 0;

 private:
  const bool takes_triggers_;
  std::array<std::uint8_t, 64> pixels_{};
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<Capture> captures_ GUARDED_BY(mutex_);
  bool is_lost_ GUARDED_BY(mutex_) = false;
};

/// A camera program that runs on a thread, seen from the agent.
class Running {
 public:
  Running(const CameraSettings& settings, bool takes_triggers) : camera(takes_triggers), settings_(settings) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_.data()), 0);
    memory = *FrameMemory::create(4096);
    thread_ = std::thread([this] { ended_ = capture(camera, settings_, *memory, ends_[1]); });
  }
  ~Running() {
    if (thread_.joinable()) (void)end();
    for (const int end : ends_) ::close(end);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  Result<void> end() {
    ::shutdown(ends_[0], SHUT_RDWR);
    return wait();
  }
  Result<void> wait() {
    thread_.join();
    return ended_;
  }
  void send(CameraMessageKind kind, std::uint64_t trigger = 0, std::uint32_t slot = 0) {
    EXPECT_TRUE(send_message(ends_[0], {.kind = kind, .slot = slot, .trigger = trigger, .at = wall_clock()}));
  }
  /// Returns the next message of this kind.
  CameraMessage next(CameraMessageKind kind) {
    CameraMessage message;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline)
      if (receive_message(ends_[0], milliseconds(100), message) == Received::message && message.kind == kind)
        return message;
    ADD_FAILURE() << "no message of this kind came";
    return message;
  }

  /// Waits until the counters are as wanted, which is some seconds at most.
  template <typename Wanted>
  void wait_alive(const Wanted& wanted) {
    for (int i = 0; i < 30; ++i)
      if (wanted(next(CameraMessageKind::alive))) return;
    ADD_FAILURE() << "the counters never became as they should";
  }

  FakeCamera camera;
  std::shared_ptr<FrameMemory> memory;

 private:
  const CameraSettings settings_;
  std::array<int, 2> ends_{};
  Result<void> ended_;
  std::thread thread_;
};

CameraSettings mode(TriggerMode trigger) {
  CameraSettings out;
  out.mode = trigger;
  out.rate = 1000;
  return out;
}

TEST(Capture, FramesGoIntoFreeSlotsAndAreDroppedWhileThereIsNone) {
  Running program(mode(TriggerMode::hardware), false);
  EXPECT_EQ(program.next(CameraMessageKind::state).words(), "a fake");
  std::array<bool, kFrameSlots> seen{};
  for (int i = 0; i < kFrameSlots; ++i) {
    program.camera.put(static_cast<std::uint8_t>(40 + i));
    const auto message = program.next(CameraMessageKind::frame);
    ASSERT_LT(message.slot, static_cast<std::uint32_t>(kFrameSlots));
    EXPECT_FALSE(seen[message.slot]);
    seen[message.slot] = true;
    EXPECT_EQ(program.memory->slot(message.slot)[63], 40 + i);
    EXPECT_EQ(message.size, 64U);
    EXPECT_EQ(message.width, 8U);
  }
  program.camera.put(99);  // No slot is free.
  program.wait_alive([](const CameraMessage& m) { return m.unused > 0; });
  program.send(CameraMessageKind::release, 0, 2);
  program.camera.put(50);
  const auto message = program.next(CameraMessageKind::frame);
  EXPECT_EQ(message.slot, 2U);
  EXPECT_EQ(program.memory->slot(2)[0], 50);
  EXPECT_EQ(message.frames, kFrameSlots + 2U);
  EXPECT_TRUE(program.end());
}

TEST(Capture, ATriggerHasTheCameraTakeItsPicture) {
  Running program(mode(TriggerMode::software), true);
  program.next(CameraMessageKind::state);
  for (const std::uint64_t number : {7U, 8U}) {
    program.send(CameraMessageKind::trigger, number);
    const auto message = program.next(CameraMessageKind::frame);
    EXPECT_EQ(message.trigger, number);
    program.send(CameraMessageKind::release, 0, message.slot);
  }
  EXPECT_EQ(program.camera.triggers, 2);
  EXPECT_EQ(program.camera.flushes, 0);
}

TEST(Capture, AStreamingCameraAnswersATriggerWithTheFirstFrameAfterIt) {
  Running program(mode(TriggerMode::software), false);
  program.next(CameraMessageKind::state);
  program.camera.put(1);  // Nobody has asked for it.
  program.wait_alive([](const CameraMessage& m) { return m.unused > 0; });
  Capture old{.kind = Capture::Kind::frame};
  old.frame.width = old.frame.height = 8;
  old.frame.format = PixelFormat::mono8;
  const std::vector<std::uint8_t> pixels(64, 2);
  old.frame.pixels = pixels;
  old.frame.pictured_at = wall_clock();
  program.send(CameraMessageKind::trigger, 1);
  program.camera.put(std::move(old));  // It was whole before the trigger came.
  // The trigger has been heard once the old frame is counted as unused.
  program.wait_alive([](const CameraMessage& m) { return m.frames >= 2; });
  program.camera.put(3);
  const auto message = program.next(CameraMessageKind::frame);
  EXPECT_EQ(message.trigger, 1U);
  EXPECT_EQ(program.memory->slot(message.slot)[0], 3);
}

TEST(Capture, AnIncompleteFrameIsTheEndOfItsTrigger) {
  Running program(mode(TriggerMode::software), false);
  program.next(CameraMessageKind::state);
  program.send(CameraMessageKind::trigger, 1);
  program.camera.put(Capture{.kind = Capture::Kind::incomplete, .reason = "packets are missing"});
  auto message = program.next(CameraMessageKind::no_picture);
  EXPECT_EQ(message.trigger, 1U);
  EXPECT_EQ(message.incomplete, 1U);
  EXPECT_NE(message.words().find("packets are missing"), std::string::npos);
  EXPECT_TRUE(program.end());
  EXPECT_EQ(program.camera.flushes, 1);
}

TEST(Capture, ATriggerWithoutAPictureInTimeIsAnsweredAndFlushed) {
  auto settings = mode(TriggerMode::software);
  settings.timeout = milliseconds(10);
  Running program(settings, false);
  program.next(CameraMessageKind::state);
  program.send(CameraMessageKind::trigger, 5);
  const auto message = program.next(CameraMessageKind::no_picture);
  EXPECT_EQ(message.trigger, 5U);
  EXPECT_EQ(message.words(), "no picture came within 10 ms");
  EXPECT_TRUE(program.end());
  EXPECT_EQ(program.camera.flushes, 1);
}

TEST(Capture, FreeRunningKeepsToItsRate) {
  auto settings = mode(TriggerMode::free);
  settings.rate = 0.001;
  Running program(settings, false);
  program.next(CameraMessageKind::state);
  program.camera.put(1);
  program.next(CameraMessageKind::frame);
  program.camera.put(2);
  program.wait_alive([](const CameraMessage& m) { return m.unused > 0; });
}

TEST(Capture, ALostCameraEndsIt) {
  Running program(mode(TriggerMode::free), false);
  program.next(CameraMessageKind::state);
  program.camera.lose();
  const auto ended = program.wait();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message, "The cable is out.");
}

}  // namespace
}  // namespace vedette
