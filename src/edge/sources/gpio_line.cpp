#include <gpiod.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "edge/sources/trigger_kinds.hpp"

namespace vedette {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

struct ChipDeleter {
  void operator()(gpiod_chip* chip) const { gpiod_chip_close(chip); }  // also gives its lines back
};

/// A line by libgpiod. The kernel stamps events by its monotonic clock (since Linux 5.7), which is also that of
/// std::chrono::steady_clock.
class GpioLine final : public EventLine {
 public:
  GpioLine(std::unique_ptr<gpiod_chip, ChipDeleter> chip, gpiod_line* line) : chip_(std::move(chip)), line_(line) {}

  Result<std::optional<LineEvent>> wait(std::chrono::milliseconds timeout) override {
    const auto whole = std::chrono::duration_cast<seconds>(timeout);
    const timespec limit{whole.count(), static_cast<long>(nanoseconds(timeout - whole).count())};
    const int ready = gpiod_line_event_wait(line_, &limit);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return std::optional<LineEvent>();
    gpiod_line_event event{};
    if (ready < 0 || gpiod_line_event_read(line_, &event) != 0)
      return fail(ErrorKind::unavailable, std::string("The GPIO line is lost: ") + std::strerror(errno) + ".");
    return std::optional(LineEvent{event.event_type == GPIOD_LINE_EVENT_RISING_EDGE,
                                   seconds(event.ts.tv_sec) + nanoseconds(event.ts.tv_nsec)});
  }
  [[nodiscard]] nanoseconds now() const override { return std::chrono::steady_clock::now().time_since_epoch(); }

 private:
  std::unique_ptr<gpiod_chip, ChipDeleter> chip_;
  gpiod_line* line_;  ///< the chip's
};

}  // namespace

Result<std::unique_ptr<EventLine>> open_gpio_line(const std::string& chip, unsigned number) {
  std::unique_ptr<gpiod_chip, ChipDeleter> opened(gpiod_chip_open(chip.c_str()));
  if (!opened)
    return fail(ErrorKind::unavailable, std::string("The GPIO chip cannot be opened: ") + std::strerror(errno) +
                                            ". `vedette-edge doctor` tells which group may use it.");
  gpiod_line* const line = gpiod_chip_get_line(opened.get(), number);
  if (line == nullptr || gpiod_line_request_both_edges_events(line, "vedette-edge") != 0)
    return fail(ErrorKind::unavailable, std::string("The GPIO line cannot be had: ") + std::strerror(errno) + ".");
  return std::unique_ptr<EventLine>(std::make_unique<GpioLine>(std::move(opened), line));
}

}  // namespace vedette
