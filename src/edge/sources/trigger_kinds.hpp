#pragma once

#include "edge/sources/triggers.hpp"

/// Internal to edge/sources.
namespace vedette {

struct LineTriggerSettings {
  std::string source;
  bool is_rising = true;
  std::chrono::milliseconds debounce{5};
  std::chrono::milliseconds pause{1000};  ///< between tries to open a lost line
};

/// Opens a line of a GPIO chip for both edges (libgpiod). Fails with unavailable if it cannot be had.
Result<std::unique_ptr<EventLine>> open_gpio_line(const std::string& chip, unsigned line);
/// Opens a line anew.
using OpenLine = std::function<Result<std::unique_ptr<EventLine>>()>;
/// A line that is lost is opened again with `reopen`, every `pause` of the settings until that succeeds.
std::unique_ptr<Trigger> start_line_trigger(std::unique_ptr<EventLine> line, LineTriggerSettings settings,
                                            OpenLine reopen, TriggerCallback on_trigger);
/// `settings` are all members of the trigger.
Result<std::unique_ptr<Trigger>> start_mqtt_trigger(const nlohmann::json& settings, TriggerCallback on_trigger);
Result<std::unique_ptr<Trigger>> start_socket_trigger(const std::filesystem::path& path, TriggerCallback on_trigger);

}  // namespace vedette
