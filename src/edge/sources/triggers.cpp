#include "edge/sources/triggers.hpp"

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "edge/frames/settings_reader.hpp"
#include "edge/sources/trigger_kinds.hpp"

namespace vedette {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Turns the edges of a line into triggers.
class LineTrigger final : public Trigger {
 public:
  LineTrigger(std::unique_ptr<EventLine> line, LineTriggerSettings settings, TriggerCallback on_trigger)
      : line_(std::move(line)), settings_(std::move(settings)), on_trigger_(std::move(on_trigger)) {
    thread_ = std::thread([this] { run(); });
  }
  ~LineTrigger() override {
    is_stopping_ = true;
    thread_.join();
  }
  LineTrigger(const LineTrigger&) = delete;
  LineTrigger& operator=(const LineTrigger&) = delete;

 private:
  void run() {
    Debounce debounce(settings_.debounce);
    while (!is_stopping_) {
      const auto event = line_->wait(debounce.is_waiting() ? std::min(settings_.debounce, kWait) : kWait);
      if (!event) {
        log::error("trigger line lost", {{"source", settings_.source}, {"reason", event.error().message}});
        return;
      }
      if (*event) debounce.add(**event);
      const auto edge = debounce.settled(line_->now());
      if (!edge || edge->is_rising != settings_.is_rising) continue;
      if (auto ok = on_trigger_(settings_.source, ""); !ok)
        log::warning("trigger refused", {{"source", settings_.source}, {"reason", ok.error().message}});
    }
  }

  static constexpr milliseconds kWait{200};
  std::unique_ptr<EventLine> line_;
  const LineTriggerSettings settings_;
  const TriggerCallback on_trigger_;
  std::atomic<bool> is_stopping_ = false;
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
                                            TriggerCallback on_trigger) {
  return std::make_unique<LineTrigger>(std::move(line), std::move(settings), std::move(on_trigger));
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
  if (kind != "gpio") reader.refuse("kind", "must be gpio or socket.");
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
  auto opened = open_gpio_line(chip, static_cast<unsigned>(number));
  if (!opened) return opened.error();
  return start_line_trigger(std::move(*opened), std::move(line), std::move(on_trigger));
}

}  // namespace vedette
