#pragma once

#include <filesystem>
#include <memory>

#include "base/clock.hpp"
#include "edge/agent/agent.hpp"
#include "edge/journal/journal.hpp"
#include "edge/sinks/sinks.hpp"
#include "edge/station/config.hpp"
#include "edge/station/station.hpp"

namespace vedette {

/// Everything that a configuration adds to the agent, made in order.
class Line {
 public:
  /// Throws std::runtime_error, for whoever started the program, if a part of the configuration cannot be had. `state`
  /// is the folder of the agent's state. The components must outlive the line.
  Line(Components& components, const StationConfig& config, const std::filesystem::path& state);
  ~Line();  ///< ends the sinks, and leaves the outputs in their safe state
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  /// Records a call of the EdgeAgent service. Any thread.
  void record(const AgentCall& call);
  /// Tells outputs that the agent works, and sinks how the station is. Call it every second.
  void beat();

 private:
  Components& components_;
  const SystemClock clock_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<EdgeStation> station_;
  std::unique_ptr<SinkRunner> sinks_;
};

}  // namespace vedette
