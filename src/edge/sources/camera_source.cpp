#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "edge/frames/camera_channel.hpp"
#include "edge/sources/camera_process.hpp"
#include "edge/sources/kinds.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kLongestOpening = seconds(60);      ///< until a camera must be open
constexpr auto kLongestWithoutWord = seconds(10);  ///< a camera program speaks every second
constexpr auto kSteady = seconds(60);              ///< after so long online, a failure counts as the first again
constexpr auto kTriggerGrace = seconds(3);         ///< after its timeout, until the program must have answered
constexpr int kTooFastSeconds = 3;                 ///< one after the other
constexpr std::size_t kMostWaitingTriggers = 1000;

SteadyTime steady_now() {
  return std::chrono::steady_clock::now();
}

bool is_plain_id(const std::string& id) {
  return id.size() <= kMostTriggerId && is_utf8(id) &&
         std::none_of(id.begin(), id.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

/// A camera in a program of its own. One thread starts the program, watches it, and gives what it sends to the callback.
class CameraSource final : public Source {
 public:
  CameraSource(const CameraSettings& settings, std::string text, std::filesystem::path program)
      : settings_(settings), text_(std::move(text)), program_(std::move(program)) {}
  ~CameraSource() override { end(); }
  CameraSource(const CameraSource&) = delete;
  CameraSource& operator=(const CameraSource&) = delete;

  [[nodiscard]] const std::string& name() const override { return settings_.name; }

  Result<void> start(PictureCallback on_picture, StateCallback on_state) override {
    on_picture_ = std::move(on_picture);
    on_state_ = std::move(on_state);
    thread_ = std::thread(log::carried([this] { run(); }));
    return {};
  }

  void stop() override { end(); }

  Result<void> trigger(const std::string& id) override {
    if (settings_.mode != TriggerMode::software)
      return fail(ErrorKind::unsupported, "This camera takes no triggers: its trigger mode is not software.");
    if (!is_plain_id(id))
      return invalid_input(fmt::format("The id of a trigger has at most {} bytes of plain text.", kMostTriggerId));
    const MutexLock lock(mutex_);
    if (triggers_.size() >= kMostWaitingTriggers)
      return fail(ErrorKind::throttled, "There are too many triggers for this camera.");
    triggers_.push_back({.number = 0, .id = id, .at = wall_clock_now(), .deadline = {}});
    wake_.wake();
    return {};
  }

  [[nodiscard]] SourceState state() const override {
    const MutexLock lock(mutex_);
    return state_;
  }

 private:
  struct Asked {
    std::uint64_t number;
    std::string id;
    std::int64_t at;  ///< wall clock
    SteadyTime deadline;
  };

  void end() {
    is_stopping_ = true;
    wake_.wake();
    if (thread_.joinable()) thread_.join();
  }

  void run() {
    const log::Scope scope(log::Context({{"source", settings_.name}}));
    auto pause = settings_.first_pause;
    while (!is_stopping_) {
      tell(SourceCondition::starting, "");
      online_since_.reset();
      const auto ended = supervise();
      if (is_stopping_) break;
      if (online_since_ && steady_now() - *online_since_ > kSteady) pause = settings_.first_pause;
      answer_pending(ended.error().message);
      log::warning("camera failed", {{"reason", ended.error().message}, {"pause_ms", std::to_string(pause.count())}});
      tell(SourceCondition::offline, ended.error().message);
      {
        const MutexLock lock(mutex_);
        ++state_.restarts;
        base_ = state_;
      }
      wait_out(pause, ended.error().message);
      pause = std::min(2 * pause, settings_.longest_pause);
    }
    answer_pending("the agent ends");
  }

  /// Waits until the next try. Triggers that come meanwhile have no picture.
  void wait_out(milliseconds pause, const std::string& reason) {
    const auto until = steady_now() + pause;
    while (!is_stopping_ && steady_now() < until) {
      wait_readable(wake_.descriptor(), -1, std::chrono::ceil<milliseconds>(until - steady_now()));
      wake_.clear();
      for (const auto& asked : take_triggers()) give_nothing(asked, "the camera is offline: " + reason);
    }
  }

  std::vector<Asked> take_triggers() {
    const MutexLock lock(mutex_);
    return std::exchange(triggers_, {});
  }

  void answer_pending(const std::string& reason) {
    if (pending_) give_nothing(*std::exchange(pending_, std::nullopt), reason);
    for (const auto& asked : take_triggers()) give_nothing(asked, reason);
  }

  /// Runs the camera program once. Returns why it no longer runs.
  Result<void> supervise() {
    auto memory = FrameMemory::create(settings_.frame_bytes);
    if (!memory) return memory.error();
    auto process = CameraProcess::start(program_, text_, **memory);
    if (!process) return process.error();
    FrameReceiver receiver(*memory, process->socket());
    started_ = last_word_ = last_frame_ = second_began_ = steady_now();
    frames_ = messages_ = 0;
    fast_seconds_ = 0;
    failure_.clear();
    while (!is_stopping_) {
      wait_readable(process->socket(), wake_.descriptor(), milliseconds(200));
      wake_.clear();
      // Whatever waits is heard before anything is called late: the callback may have taken its time.
      while (!is_stopping_) {
        CameraMessage message;
        const auto received = receive_message(process->socket(), milliseconds(0), message);
        if (received == Received::nothing) break;
        if (received == Received::closed) {
          const auto how = process->wait_for_end();
          return fail(ErrorKind::unavailable, failure_.empty() ? "The camera program " + how + "." : failure_);
        }
        if (received == Received::broken) return internal_error("The camera program sent what is no message.");
        if (auto ok = hear(message, receiver); !ok) return ok.error();
        ask_for_pictures(process->socket());
      }
      if (is_stopping_) break;
      ask_for_pictures(process->socket());
      if (auto ok = check(); !ok) return ok.error();
    }
    process->end_kindly();
    return {};
  }

  Result<void> hear(const CameraMessage& message, FrameReceiver& receiver) {
    last_word_ = steady_now();
    if (auto ok = count_message(); !ok) return ok.error();
    if (message.kind != CameraMessageKind::state) count(message);
    switch (message.kind) {
      case CameraMessageKind::alive:
        return {};
      case CameraMessageKind::state:
        return hear_state(message);
      case CameraMessageKind::no_picture:
        if (pending_ && pending_->number == message.trigger)
          give_nothing(*std::exchange(pending_, std::nullopt), message_text(message));
        return {};
      case CameraMessageKind::frame:
        return hear_frame(message, receiver);
      case CameraMessageKind::release:
      case CameraMessageKind::trigger:
        break;
    }
    return internal_error("The camera program sent a message of no kind.");
  }

  static std::string message_text(const CameraMessage& message) {
    auto text = message.words();
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
    return is_utf8(text) ? text : "the camera program says something unreadable";
  }

  Result<void> hear_state(const CameraMessage& message) {
    const auto text = message_text(message);
    if (message.value != 1) {
      failure_ = text;  // The program ends now.
      return {};
    }
    online_since_ = last_frame_ = steady_now();
    log::info("camera opened", {{"camera", text}});
    tell(SourceCondition::online, "");
    return {};
  }

  Result<void> hear_frame(const CameraMessage& message, FrameReceiver& receiver) {
    auto frame = receiver.accept(message);
    if (!frame) return frame.error();
    if (!online_since_) return internal_error("The camera program sent a frame before it was ready.");
    const bool is_asked_for = pending_ && pending_->number == message.trigger;
    if (settings_.mode == TriggerMode::software && !is_asked_for) return {};  // It comes too late: its trigger is over.
    // The program's clock is ours. A time that cannot be is none.
    const auto now = wall_clock_now();
    constexpr std::int64_t kOldest = 600'000'000'000;
    if (frame->pictured_at > now || frame->pictured_at < now - kOldest) frame->pictured_at = now;
    SourcePicture picture{.source = settings_.name, .trigger_id = {}, .triggered_at = 0, .content = NoPicture{}};
    if (settings_.mode == TriggerMode::software) {
      picture.trigger_id = frame->trigger_id = pending_->id;
      picture.triggered_at = frame->triggered_at = pending_->at;
      pending_.reset();
    }
    picture.pictured_at = frame->pictured_at;
    if (frame->format == PixelFormat::jpeg)
      picture.content = Bytes(frame->pixels.begin(), frame->pixels.end());
    else
      picture.content = std::move(*frame);
    give(std::move(picture));
    return {};
  }

  /// A program that sends more than its mode can need has lost its way.
  Result<void> count_message() {
    ++messages_;
    const auto now = steady_now();
    if (now - second_began_ < seconds(1)) return {};
    const double elapsed = std::chrono::duration<double>(now - second_began_).count();
    const double most = settings_.mode == TriggerMode::free ? 1.5 * settings_.rate + 15 : 2000;
    fast_seconds_ = static_cast<double>(messages_) / elapsed > most ? fast_seconds_ + 1 : 0;
    second_began_ = now;
    messages_ = 0;
    if (fast_seconds_ < kTooFastSeconds) return {};
    return fail(ErrorKind::unavailable, "The camera program sends pictures too fast.");
  }

  void count(const CameraMessage& message) {
    if (message.frames != frames_) last_frame_ = steady_now();
    frames_ = message.frames;
    const MutexLock lock(mutex_);
    state_.incomplete = base_.incomplete + message.incomplete;
    state_.unused = base_.unused + message.unused;
  }

  /// Sends the oldest waiting trigger to the camera if it waits for no other.
  void ask_for_pictures(int socket) {
    for (auto& asked : take_triggers()) {
      if (!online_since_) {
        give_nothing(asked, "the camera is not ready yet");
      } else if (pending_) {
        give_nothing(asked, "the camera has not finished the picture of the trigger before");
      } else {
        asked.number = ++triggered_;
        asked.deadline = steady_now() + settings_.timeout + kTriggerGrace;
        CameraMessage message{.kind = CameraMessageKind::trigger, .trigger = asked.number, .at = asked.at};
        message.set_text(asked.id);
        if (send_message(socket, message))
          pending_ = std::move(asked);
        else
          give_nothing(asked, "the camera program does not listen");
      }
    }
  }

  Result<void> check() {
    const auto now = steady_now();
    if (!online_since_ && now - started_ > kLongestOpening)
      return fail(ErrorKind::unavailable, "The camera did not open within 60 seconds.");
    if (online_since_ && now - last_word_ > kLongestWithoutWord)
      return fail(ErrorKind::unavailable, "The camera program hangs.");
    // A camera that waits for triggers is silent by right; all others stream.
    const bool streams = settings_.mode == TriggerMode::free ||
                         (settings_.mode == TriggerMode::software && settings_.kind != CameraKind::aravis);
    if (online_since_ && streams && now - last_frame_ > settings_.silence)
      return fail(ErrorKind::unavailable,
                  fmt::format("The camera gave no whole frame for {} ms.", settings_.silence.count()));
    if (pending_ && now > pending_->deadline)
      return fail(ErrorKind::unavailable, "The camera program did not answer a trigger.");
    return {};
  }

  void give_nothing(const Asked& asked, const std::string& reason) {
    give({.source = settings_.name, .trigger_id = asked.id, .triggered_at = asked.at, .content = NoPicture{reason}});
  }

  void give(SourcePicture picture) {
    {
      const MutexLock lock(mutex_);
      ++(std::holds_alternative<NoPicture>(picture.content) ? state_.no_pictures : state_.pictures);
    }
    if (auto ok = on_picture_(std::move(picture)); !ok)
      log::error("picture of a camera lost", {{"reason", ok.error().message}});
    // The time that the callback took is not the camera's.
    last_word_ = last_frame_ = steady_now();
  }

  void tell(SourceCondition condition, const std::string& reason) {
    SourceState told;
    {
      const MutexLock lock(mutex_);
      state_.condition = condition;
      state_.reason = reason;
      told = state_;
    }
    if (on_state_) on_state_(settings_.name, told);
  }

  const CameraSettings settings_;
  const std::string text_;
  const std::filesystem::path program_;
  PictureCallback on_picture_;
  StateCallback on_state_;
  std::thread thread_;
  std::atomic<bool> is_stopping_ = false;
  WakeUp wake_;

  // Only the thread uses these.
  std::optional<Asked> pending_;  ///< the trigger that the camera program is answering
  std::uint64_t triggered_ = 0;
  std::optional<SteadyTime> online_since_;
  SteadyTime started_{}, last_word_{}, last_frame_{}, second_began_{};
  std::uint64_t frames_ = 0, messages_ = 0;
  int fast_seconds_ = 0;
  std::string failure_;  ///< what the camera program said before it ended
  SourceState base_;     ///< the counters of the programs before

  mutable Mutex mutex_;
  std::vector<Asked> triggers_ GUARDED_BY(mutex_);
  SourceState state_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Source> make_camera_source(const CameraSettings& settings, std::string text,
                                           std::filesystem::path program) {
  return std::make_unique<CameraSource>(settings, std::move(text), std::move(program));
}

}  // namespace vedette
