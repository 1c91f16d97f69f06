#include "edge/sources/triggers.hpp"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "edge/frames/camera_settings.hpp"
#include "edge/frames/settings_reader.hpp"
#include "edge/sources/kinds.hpp"
#include "edge/sources/trigger_kinds.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Turns the edges of a line into triggers.
class LineTrigger final : public Trigger {
 public:
  LineTrigger(std::unique_ptr<EventLine> line, LineTriggerSettings settings, OpenLine reopen,
              TriggerCallback on_trigger)
      : line_(std::move(line)),
        settings_(std::move(settings)),
        reopen_(std::move(reopen)),
        on_trigger_(std::move(on_trigger)) {
    thread_ = std::thread([this] { run(); });
  }
  ~LineTrigger() override {
    is_stopping_ = true;
    wake_.wake();
    thread_.join();
  }
  LineTrigger(const LineTrigger&) = delete;
  LineTrigger& operator=(const LineTrigger&) = delete;

  [[nodiscard]] std::optional<Problem> problem() const override {
    const MutexLock lock(mutex_);
    if (lost_because_.empty()) return std::nullopt;
    return Problem{settings_.source, lost_because_};
  }

 private:
  void run() {
    while (!is_stopping_) {
      if (auto lost = follow(); !lost) {
        log::error("trigger line lost", {{"source", settings_.source}, {"reason", lost.error().message}});
        find_line(lost.error().message);
      }
    }
  }

  /// Gives the triggers of the line until the agent ends. Fails if the line is lost.
  Result<void> follow() {
    Debounce debounce(settings_.debounce);
    while (!is_stopping_) {
      const auto event = line_->wait(debounce.is_waiting() ? std::min(settings_.debounce, kWait) : kWait);
      if (!event) return event.error();
      if (*event) debounce.add(**event);
      const auto edge = debounce.settled(line_->now());
      if (!edge || edge->is_rising != settings_.is_rising) continue;
      if (auto ok = on_trigger_(settings_.source, std::string()); !ok)
        log::warning("trigger refused", {{"source", settings_.source}, {"reason", ok.error().message}});
    }
    return {};
  }

  void find_line(std::string reason) {
    line_.reset();  // The system may give a line only once.
    while (!is_stopping_) {
      set_problem(reason);
      wait_readable(wake_.descriptor(), -1, settings_.pause);
      if (is_stopping_) return;
      auto opened = reopen_();
      if (opened) {
        line_ = std::move(*opened);
        set_problem("");
        log::info("trigger line back", {{"source", settings_.source}});
        return;
      }
      reason = opened.error().message;
    }
  }

  void set_problem(const std::string& reason) {
    const MutexLock lock(mutex_);
    lost_because_ = reason;
  }

  static constexpr milliseconds kWait{200};
  std::unique_ptr<EventLine> line_;
  const LineTriggerSettings settings_;
  const OpenLine reopen_;
  const TriggerCallback on_trigger_;
  std::atomic<bool> is_stopping_ = false;
  WakeUp wake_;
  mutable Mutex mutex_;
  std::string lost_because_ GUARDED_BY(mutex_);  // empty while there is a line
  std::thread thread_;
};

}  // namespace

void Debounce::add(const LineEvent& event) {
  if (level_ == event.is_rising)
    pending_.reset();  // The line is back where it was.
  else
    pending_ = event;
}

std::optional<LineEvent> Debounce::settled(nanoseconds now) {
  if (!pending_ || now - pending_->at < time_) return {};
  level_ = pending_->is_rising;
  return std::exchange(pending_, std::nullopt);
}

std::unique_ptr<Trigger> start_line_trigger(std::unique_ptr<EventLine> line, LineTriggerSettings settings,
                                            OpenLine reopen, TriggerCallback on_trigger) {
  return std::make_unique<LineTrigger>(std::move(line), std::move(settings), std::move(reopen), std::move(on_trigger));
}

Result<std::unique_ptr<Trigger>> make_trigger(const nlohmann::json& settings, TriggerCallback on_trigger) {
  SettingsReader reader(settings, "trigger");
  const auto kind = reader.text("kind", "");
  if (kind == "socket") {
    const std::filesystem::path path = reader.text("path", "", 100);
    if (!path.is_absolute()) reader.refuse("path", "must begin with /.");
    if (auto ok = reader.finish(); !ok) return ok.error();
    return start_socket_trigger(path, std::move(on_trigger));
  }
  if (kind == "mqtt") return start_mqtt_trigger(settings, std::move(on_trigger));
  if (kind != "gpio") reader.refuse("kind", "must be gpio, mqtt or socket.");
  LineTriggerSettings line;
  line.source = reader.name("source");
  const auto chip = reader.text("chip", "/dev/gpiochip0", 256);
  const auto number = reader.integer("line", -1, 0, 100'000);
  if (!reader.has("line")) reader.refuse("line", "must be given.");
  const auto edge = reader.text("edge", "rising");
  line.is_rising = edge == "rising";
  if (edge != "rising" && edge != "falling") reader.refuse("edge", "must be rising or falling.");
  line.debounce = reader.milliseconds("debounce_ms", line.debounce, milliseconds(0), milliseconds(1000));
  if (auto ok = reader.finish(); !ok) return ok.error();
  const OpenLine open = [chip, number] { return open_gpio_line(chip, static_cast<unsigned>(number)); };
  auto opened = open();
  if (!opened) return opened.error();
  return start_line_trigger(std::move(*opened), std::move(line), open, std::move(on_trigger));
}

Result<void> check_trigger(const nlohmann::json& trigger, const std::vector<nlohmann::json>& sources) {
  const auto member = trigger.is_object() ? trigger.find("source") : trigger.end();
  if (member == trigger.end() || !member->is_string()) return {};
  const auto& name = member->get_ref<const std::string&>();
  const auto source = std::ranges::find_if(
      sources, [&](const auto& one) { return one.is_object() && one.value("name", nlohmann::json()) == name; });
  if (source == sources.end()) return invalid_input("trigger.source: there is no source with the name " + name + ".");
  if (source->value("kind", nlohmann::json()) == "folder")
    return invalid_input("trigger.source: the source " + name + " is a folder, which takes no triggers.");
  const auto camera = parse_camera_settings(*source);
  if (!camera || camera->mode == TriggerMode::software) return {};
  return invalid_input("trigger.source: the source " + name +
                       " takes no triggers: its own trigger.mode must be software.");
}

}  // namespace vedette
