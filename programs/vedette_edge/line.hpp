#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "edge/agent/agent.hpp"
#include "edge/journal/journal.hpp"
#include "edge/sinks/sinks.hpp"
#include "edge/sources/source.hpp"
#include "edge/sources/triggers.hpp"
#include "edge/station/config.hpp"
#include "edge/station/station.hpp"

namespace vedette {

struct LineOptions {
  std::filesystem::path state;   ///< the folder of the agent's state
  std::filesystem::path models;  ///< the folder of the model components, where versions of channels are put
  std::string agent_version;     ///< for reports to a server
};

/// Throws std::runtime_error if a trigger asks for pictures of a source that takes no triggers.
void check_triggers(const StationConfig& config);

/// Everything that a configuration adds to the agent, made in order.
class Line {
 public:
  /// Throws std::runtime_error, for whoever started the program, if a part of the configuration cannot be had. The
  /// components must outlive the line.
  Line(Components& components, const StationConfig& config, const LineOptions& options);
  ~Line();  ///< ends triggers, sources and sinks, and leaves the outputs in their safe state
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  /// Lets sources give pictures and triggers ask for them. Call it once, when the components have been told to start.
  void start_sources();
  /// Records a call of the EdgeAgent service. Any thread.
  void record(const AgentCall& call);
  /// Tells outputs that the agent works, if it does (EdgeStation::beat). Call it every second.
  void beat();
  /// Tells sinks how the station is. It looks at the models' folder, which may take a while. Call it every second.
  void report();
  /// How sinks do, in the text format of Prometheus.
  [[nodiscard]] std::string metrics() const { return to_prometheus(sinks_->counts(), journal_->counts()); }

 private:
  Result<std::unique_ptr<Sink>> make_line_sink(const std::string& settings, const StationConfig& config,
                                               const LineOptions& options);
  void make_sources(const StationConfig& config, const LineOptions& options);
  /// Has a picture judged and recorded. `image` is the memory for its pixels.
  Result<void> take(const std::string& model, const SourcePicture& picture, RgbImage& image);
  Result<void> trigger(const std::string& source, const Result<std::string>& id);
  void wait_while_starting(const std::string& model);

  struct LineSource {
    std::string model;
    std::unique_ptr<Source> source;
  };
  Components& components_;
  const SystemClock clock_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<EdgeStation> station_;
  std::unique_ptr<SinkRunner> sinks_;
  std::vector<LineSource> sources_;
  const std::vector<std::string> trigger_settings_;
  std::vector<std::unique_ptr<Trigger>> triggers_;
};

}  // namespace vedette
