#pragma once

#include <string>

#include "edge/sinks/sinks.hpp"

namespace vedette::sinks {

/// The models of a station: [{"name", "version", "sha256", "status", "message"}].
std::string models_json(const StationState& state);
/// The sources and the journal of a station: {"sources": […], "journal": {…}}.
std::string state_json(const StationState& state, const JournalCounts& counts);

}  // namespace vedette::sinks
