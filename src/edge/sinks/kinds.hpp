#pragma once

#include <memory>
#include <string>

#include "edge/settings/settings.hpp"
#include "edge/sinks/sinks.hpp"

/// Each kind of sink and live output makes itself of its settings. `name` and `kind` have been read from them.
namespace vedette::sinks {

using MadeSink = Result<std::unique_ptr<Sink>>;
using MadeOutput = Result<std::unique_ptr<LiveOutput>>;

MadeSink make_jsonl(Settings& settings, std::string name);
MadeSink make_webhook(Settings& settings, std::string name, const std::string& station);
MadeSink make_mqtt(Settings& settings, std::string name, const std::string& station);
MadeSink make_sparkplug(Settings& settings, std::string name, const std::string& station);
MadeOutput make_modbus(Settings& settings, std::string name);
MadeOutput make_gpio(Settings& settings, std::string name);

}  // namespace vedette::sinks
