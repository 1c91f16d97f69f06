#include "edge/cameras/capture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace vedette {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kAliveInterval = milliseconds(1000);
constexpr auto kLongestWait = milliseconds(500);

class Capturing {
 public:
  Capturing(Camera& camera, const CameraSettings& settings, const FrameMemory& memory, int socket)
      : camera_(camera), settings_(settings), memory_(memory), socket_(socket) {
    free_.fill(true);
  }

  Result<void> run() {
    next_alive_ = std::chrono::steady_clock::now();
    while (true) {
      // A camera that takes triggers is silent without one, so that only the agent is worth waiting for.
      const bool waits_for_agent =
          settings_.mode == TriggerMode::software && camera_.takes_software_triggers() && !pending_;
      const auto heard = hear(waits_for_agent ? until_alive() : milliseconds(0));
      if (!heard) return heard.error();
      if (!*heard) return {};
      if (auto ok = tell_alive(); !ok) return ok.error();
      if (waits_for_agent && !pending_) continue;
      auto wait = std::min(until_alive(), kLongestWait);
      if (pending_)
        wait = std::clamp(std::chrono::ceil<milliseconds>(pending_->deadline - std::chrono::steady_clock::now()),
                          milliseconds(0), wait);
      auto capture = camera_.next(wait);
      if (!capture) return capture.error();
      // A trigger that came while the frame was on its way decides about this frame.
      if (capture->kind != Capture::Kind::nothing) {
        const auto still_heard = hear(milliseconds(0));
        if (!still_heard) return still_heard.error();
        if (!*still_heard) return {};
      }
      if (auto ok = take(*capture); !ok) return ok.error();
      if (auto ok = check_deadline(); !ok) return ok.error();
    }
  }

 private:
  /// A trigger whose picture has not come yet.
  struct Pending {
    std::uint64_t number;
    std::int64_t from;  ///< the wall-clock time from which on frames show the part
    SteadyTime deadline;
  };

  [[nodiscard]] milliseconds until_alive() const {
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next_alive_ - std::chrono::steady_clock::now()));
  }

  CameraMessage message(CameraMessageKind kind) const {
    CameraMessage out{.kind = kind};
    out.frames = frames_;
    out.incomplete = incomplete_;
    out.unused = unused_;
    return out;
  }

  /// Reads whatever the agent says. Returns false once it has gone.
  Result<bool> hear(milliseconds wait) {
    while (true) {
      CameraMessage heard;
      switch (receive_message(socket_, wait, heard)) {
        case Received::nothing:
          return true;
        case Received::closed:
        case Received::broken:
          return false;
        case Received::message:
          break;
      }
      wait = milliseconds(0);
      if (heard.kind == CameraMessageKind::release && heard.slot < kFrameSlots) free_[heard.slot] = true;
      if (heard.kind == CameraMessageKind::trigger)
        if (auto ok = begin(heard); !ok) return ok.error();
    }
  }

  Result<void> begin(const CameraMessage& trigger) {
    if (settings_.mode != TriggerMode::software) return {};
    if (pending_) return give_up("another trigger came before the picture");
    pending_ = Pending{trigger.trigger, trigger.at + nanoseconds(settings_.settle).count(),
                       std::chrono::steady_clock::now() + settings_.timeout};
    if (!camera_.takes_software_triggers()) return {};
    if (auto ok = camera_.trigger(); !ok) return give_up("the camera refused the trigger: " + ok.error().message);
    return {};
  }

  /// Tells the agent that the trigger gives no picture, and makes sure that a late one cannot pass for the next.
  Result<void> give_up(const std::string& reason) {
    auto none = message(CameraMessageKind::no_picture);
    none.trigger = pending_->number;
    none.set_text(reason);
    (void)send_message(socket_, none);
    pending_.reset();
    return camera_.flush();
  }

  Result<void> tell_alive() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_alive_) return {};
    next_alive_ = now + kAliveInterval;
    (void)send_message(socket_, message(CameraMessageKind::alive));
    return {};
  }

  Result<void> check_deadline() {
    if (!pending_ || std::chrono::steady_clock::now() < pending_->deadline) return {};
    return give_up(fmt::format("no picture came within {} ms", settings_.timeout.count()));
  }

  /// Whether the mode of the camera wants this frame.
  bool wants(const Frame& frame) {
    if (settings_.mode == TriggerMode::hardware) return true;
    if (settings_.mode == TriggerMode::software) return pending_ && frame.pictured_at >= pending_->from;
    const auto now = std::chrono::steady_clock::now();
    const auto period = std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(1 / settings_.rate));
    if (now < next_due_) return false;
    // A frame that comes a little late does not delay the next one, and a long pause is not made up for.
    next_due_ += period;
    if (next_due_ <= now) next_due_ = now + period;
    return true;
  }

  Result<void> take(const Capture& capture) {
    if (capture.kind == Capture::Kind::nothing) return {};
    if (capture.kind == Capture::Kind::incomplete) {
      ++incomplete_;
      if (pending_) return give_up("the picture did not come whole: " + capture.reason);
      return {};
    }
    ++frames_;
    if (!wants(capture.frame)) {
      ++unused_;
      return {};
    }
    const auto slot = std::find(free_.begin(), free_.end(), true);
    if (slot == free_.end()) {
      ++unused_;
      if (pending_) return give_up("the agent was busy with earlier pictures");
      return {};
    }
    const auto number = static_cast<std::uint32_t>(slot - free_.begin());
    const auto& frame = capture.frame;
    if (frame.pixels.size() > memory_.slot_bytes())
      return fail(ErrorKind::unavailable,
                  fmt::format("A frame has {} bytes, more than frame_bytes allows.", frame.pixels.size()));
    std::copy(frame.pixels.begin(), frame.pixels.end(), memory_.slot(number).begin());
    auto out = message(CameraMessageKind::frame);
    out.slot = number;
    out.format = static_cast<std::uint32_t>(frame.format);
    out.width = static_cast<std::uint32_t>(frame.width);
    out.height = static_cast<std::uint32_t>(frame.height);
    out.stride = frame.stride;
    out.size = frame.pixels.size();
    out.trigger = pending_ ? pending_->number : 0;
    out.at = frame.pictured_at;
    if (send_message(socket_, out))
      *slot = false;
    else
      ++unused_;  // The agent does not read. If it hangs, its own watchers notice; if it is gone, hear() does.
    pending_.reset();
    return {};
  }

  Camera& camera_;
  const CameraSettings& settings_;
  const FrameMemory& memory_;
  const int socket_;
  std::array<bool, kFrameSlots> free_{};
  std::optional<Pending> pending_;
  std::uint64_t frames_ = 0, incomplete_ = 0, unused_ = 0;
  SteadyTime next_alive_{}, next_due_{};
};

}  // namespace

Result<void> capture(Camera& camera, const CameraSettings& settings, const FrameMemory& memory, int socket) {
  CameraMessage ready{.kind = CameraMessageKind::state, .value = 1};
  ready.set_text(camera.description());
  (void)send_message(socket, ready);
  return Capturing(camera, settings, memory, socket).run();
}

}  // namespace vedette
