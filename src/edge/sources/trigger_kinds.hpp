#pragma once

#include "edge/sources/triggers.hpp"

/// Internal to edge/sources.
namespace vedette {

struct LineTriggerSettings {
  std::string source;
  bool is_rising = true;
  std::chrono::milliseconds debounce{5};
};

/// Opens a line of a GPIO chip for both edges (libgpiod). Fails with unavailable if it cannot be had.
Result<std::unique_ptr<EventLine>> open_gpio_line(const std::string& chip, unsigned line);
std::unique_ptr<Trigger> start_line_trigger(std::unique_ptr<EventLine> line, LineTriggerSettings settings,
                                            TriggerCallback on_trigger);
Result<std::unique_ptr<Trigger>> start_socket_trigger(const std::filesystem::path& path, TriggerCallback on_trigger);

}  // namespace vedette
