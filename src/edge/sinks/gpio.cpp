#include <fmt/format.h>
#include <gpiod.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "edge/sinks/gpio_pulses.hpp"
#include "edge/sinks/kinds.hpp"

/// The lines of a GPIO chip, through libgpiod.
namespace vedette::sinks {
namespace {

struct Free {
  void operator()(gpiod_chip* chip) const { gpiod_chip_close(chip); }
};

struct LineSettings {
  bool used = false;
  unsigned offset = 0;
  bool active_low = false;
};

class ChipLines : public GpioLines {
 public:
  explicit ChipLines(gpiod_chip* chip) : chip_(chip) {}
  /// Takes a line as an output. Returns false, with errno, if it cannot be had.
  bool take(GpioLine which, const LineSettings& settings, bool active) {
    auto* line = gpiod_chip_get_line(chip_.get(), settings.offset);
    if (line == nullptr) return false;
    const auto flags = settings.active_low ? static_cast<int>(GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW) : 0;
    if (gpiod_line_request_output_flags(line, "vedette-edge", flags, active ? 1 : 0) != 0) return false;
    lines_.at(static_cast<std::size_t>(which)) = line;
    return true;
  }
  void set(GpioLine which, bool active) override {
    if (auto* line = lines_.at(static_cast<std::size_t>(which)); line != nullptr)
      gpiod_line_set_value(line, active ? 1 : 0);
  }

 private:
  std::unique_ptr<gpiod_chip, Free> chip_;
  std::array<gpiod_line*, 3> lines_{};
};

LineSettings read_line(Settings& settings, const char* name) {
  LineSettings line;
  const auto* object = settings.object(name);
  if (object == nullptr) return line;
  Settings inner(*object, std::string(name) + " of " + settings.where());
  line.used = true;
  line.offset = static_cast<unsigned>(inner.number("line", 0, 10'000, 10'001));
  if (line.offset > 10'000) inner.complain("line", "is missing");
  line.active_low = inner.boolean("active_low", false);
  if (const auto finished = inner.finish(); !finished) settings.complain(name, "is wrong. " + finished.error().message);
  return line;
}

}  // namespace

MadeOutput make_gpio(Settings& settings, std::string name) {
  const auto path = settings.text("chip", true, 256);
  const std::array<std::pair<GpioLine, LineSettings>, 3> lines{
      {{GpioLine::ok, read_line(settings, "ok")},
       {GpioLine::nok, read_line(settings, "nok")},
       {GpioLine::heartbeat, read_line(settings, "heartbeat")}}};
  if (!lines[0].second.used && !lines[1].second.used) settings.complain("ok", "and nok are missing: one must be there");
  GpioTimes times;
  times.pulse = std::chrono::milliseconds(settings.number("pulse_ms", 1, 60'000, 100));
  times.heartbeat = std::chrono::milliseconds(settings.number("heartbeat_ms", 10, 60'000, 250));
  const bool nok_when_stuck = settings.choice("nok_when_stuck", {"active", "inactive"}, "active") == "active";
  if (auto finished = settings.finish(); !finished) return finished.error();
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorKind::unavailable,
                fmt::format("The output {} cannot have {}: {}.", name, what, std::generic_category().message(errno)));
  };
  auto* chip = gpiod_chip_open(path.c_str());
  if (chip == nullptr) return refuse(path);
  auto taken = std::make_unique<ChipLines>(chip);
  for (const auto& [line, line_settings] : lines)
    if (line_settings.used && !taken->take(line, line_settings, line == GpioLine::nok && nok_when_stuck))
      return refuse(fmt::format("the line {} of {}", line_settings.offset, path));
  return std::unique_ptr<LiveOutput>(
      std::make_unique<GpioPulses>(std::move(name), std::move(taken), times, nok_when_stuck));
}

}  // namespace vedette::sinks
