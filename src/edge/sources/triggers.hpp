#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

/// What may ask a source for a picture, besides a call of Source::trigger: a line of a GPIO chip, a message over MQTT,
/// and the command `vedette-edge trigger`.
namespace vedette {

/// Asks the source of this name for the picture of a part. The id is an error if a part is there but its id cannot be
/// read: then no picture is taken, and the call fails with this error. Fails with not_found if there is no such source, or
/// as Source::trigger does.
using TriggerCallback = std::function<Result<void>(const std::string& source, const Result<std::string>& id)>;

/// Something that gives triggers from a thread of its own until it is destroyed.
class Trigger {
 public:
  virtual ~Trigger() = default;
  /// What is wrong with the triggers of one source.
  struct Problem {
    std::string source;
    std::string reason;  ///< for people
  };
  /// Returns what is wrong now; nothing if the trigger works. Any thread.
  [[nodiscard]] virtual std::optional<Problem> problem() const { return std::nullopt; }
};

/// Makes one trigger from a member of "triggers" in the configuration, and starts it:
///   {"kind": "gpio", "source": "cam-1", "chip": "/dev/gpiochip0", "line": 17, "edge": "rising", "debounce_ms": 5}
///   {"kind": "mqtt", "source": "cam-1", "host": "broker.plant", "topic": "line-1/part", "id_member": "serial"}
///   {"kind": "socket", "path": "/run/vedette/trigger.sock"}
/// Fails with invalid_input, which names the member at fault, and with unavailable if the line or the socket cannot be
/// had. A broker may be away.
Result<std::unique_ptr<Trigger>> make_trigger(const nlohmann::json& settings, TriggerCallback on_trigger);

/// Fails with invalid_input if a trigger asks for pictures of a source that is not among these members of "sources", or
/// that takes no triggers. Opens nothing, and says nothing of other faults.
Result<void> check_trigger(const nlohmann::json& trigger, const std::vector<nlohmann::json>& sources);

/// Sends a trigger to an agent's socket, and returns when the agent has taken it (not: when the picture is there).
/// Fails with what the agent answers, or with unavailable if no agent listens there.
Result<void> send_trigger(const std::filesystem::path& socket, const std::string& source, const std::string& id);

/// One change of a GPIO line.
struct LineEvent {
  bool is_rising = false;
  std::chrono::nanoseconds at{};  ///< by a steady clock of the kernel
};

/// A line of a GPIO chip that reports its changes. A test has its own.
class EventLine {
 public:
  virtual ~EventLine() = default;
  /// Waits for the next change; nothing if none came in this time. Fails with unavailable once the line is gone.
  virtual Result<std::optional<LineEvent>> wait(std::chrono::milliseconds timeout) = 0;
  /// Returns the time by the clock of LineEvent::at.
  [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;
};

/// Tells true edges from the bouncing of a contact: an edge counts if the line has kept its new level for the whole
/// time of the debounce. A value; not thread-safe.
class Debounce {
 public:
  explicit Debounce(std::chrono::nanoseconds time) : time_(time) {}
  void add(const LineEvent& event);
  /// Returns the edge that has been stable for the time by now, once; nothing if there is none.
  std::optional<LineEvent> settled(std::chrono::nanoseconds now);
  /// Whether an edge waits for its time to pass.
  [[nodiscard]] bool is_waiting() const { return pending_.has_value(); }

 private:
  std::chrono::nanoseconds time_;
  std::optional<LineEvent> pending_;
  std::optional<bool> level_;  ///< the level that the last edge which counted led to
};

}  // namespace vedette
