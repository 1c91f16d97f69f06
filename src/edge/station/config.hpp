#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "edge/journal/journal.hpp"
#include "edge/station/station.hpp"

namespace vedette {

/// The configuration file of a station, which docs/edge.md describes. Pieces that belong to sinks, outputs, sources and
/// triggers are JSON objects as text; whoever makes these reads them.
struct StationConfig {
  struct SourceConfig {
    std::string model;     ///< the component that judges the pictures of the source
    std::string settings;  ///< without the member "model"
  };
  StationOptions station;
  std::vector<std::string> start;        ///< components to start
  std::filesystem::path journal_folder;  ///< empty: `journal` in the folder of the agent's state
  JournalOptions journal;
  std::vector<std::string> sinks, outputs, triggers;
  std::vector<SourceConfig> sources;
};

/// The folder of the journal of an agent with this folder for its state.
std::filesystem::path journal_folder(const StationConfig& config, const std::filesystem::path& state);

/// Reads a configuration. Fails with invalid_input, and names the member, if something is wrong, missing or unknown.
Result<StationConfig> parse_station_config(std::string_view text);

}  // namespace vedette
