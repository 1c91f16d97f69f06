#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "edge/journal/journal.hpp"
#include "edge/record/record.hpp"

/// Where verdicts go. Sinks get every record, in order, from the journal. Live outputs show the newest verdict at once.
namespace vedette {

/// What a station says of itself, beside its verdicts.
struct StationState {
  struct Model {
    std::string name;     ///< of the model component
    std::string version;  ///< of the component; may be empty
    std::string sha256;   ///< of the artifact's manifest; may be empty
    std::string status;   ///< "STOPPED", "STARTING", "RUNNING", "FAILED" or "STOPPING"
    std::string message;  ///< for people; may be empty
    bool operator==(const Model&) const = default;
  };
  struct Source {
    std::string name;     ///< of the source in the configuration
    std::string status;   ///< "starting", "online" or "offline"
    std::string message;  ///< for people; may be empty
    bool operator==(const Source&) const = default;
  };
  struct Sink {
    std::string name;           ///< of the sink in the configuration
    std::string problem;        ///< why it does not deliver, for people; empty if it does
    std::uint64_t refused = 0;  ///< records that its other side refused and that are set aside
    bool operator==(const Sink&) const = default;
  };
  std::vector<Model> models;
  std::vector<Source> sources;
  std::vector<Sink> sinks = {};  ///< the runner of the sinks fills them in
  bool operator==(const StationState&) const = default;
};

/// One way on which all records leave the station.
class Sink {
 public:
  virtual ~Sink() = default;
  /// The name of the sink in the configuration, which is that of its cursor.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// How many records one call of deliver may get, at least 1.
  [[nodiscard]] virtual std::size_t most_records() const = 0;
  /// Returns when the other side has acknowledged all these records. Fails if it has not: then all of them come again,
  /// so the other side may get some of them twice. Fails with unsupported if the other side says that it will never take
  /// these records: then they come again one by one, and one that is refused alone is set aside (RefusedRecords). Only
  /// one thread calls this.
  virtual Result<void> deliver(std::span<const VerdictRecord> records) = 0;
  /// Makes deliver end soon, now and from now on. Any thread.
  virtual void cancel() = 0;
  /// Shows the newest state of the station and of the journal, where the sink has a place for it. Any thread; does not
  /// block.
  virtual void show_state(const StationState&, const JournalCounts&) {}
};

/// Shows the newest verdict to a machine. It never replays the past.
class LiveOutput {
 public:
  virtual ~LiveOutput() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Shows the verdict. Returns at once; any thread. `record.sequence` is the number that the record is going to have
  /// (Journal::Place): a station shows a verdict before the journal has it.
  virtual void show(const VerdictRecord& record) = 0;
  /// Says that the agent works. An output that hears neither this nor a verdict for 3 seconds goes to its safe state.
  /// Returns at once; any thread.
  virtual void beat() = 0;
};

/// How a sink does.
struct SinkCounts {
  std::string name;
  std::uint64_t delivered = 0;  ///< records since the start
  std::uint64_t failures = 0;   ///< calls of deliver that failed since the start
  std::uint64_t refused = 0;    ///< records that are set aside now
  std::string problem;          ///< why the newest call failed; empty if it did not
};

/// Drives each sink with a thread of its own: reads from the journal, delivers in order, waits after a failure (from
/// 0.2 s on, doubling up to 15 s, each with a random part of up to half of it), and commits the cursor. One sink that is
/// away does not hold up another. Records that the other side refused are sent once more when somebody asks for that
/// (resend_refused), within two seconds.
class SinkRunner {
 public:
  /// The journal must outlive the runner. Fails as Journal::reader does.
  static Result<std::unique_ptr<SinkRunner>> start(Journal& journal, std::vector<std::unique_ptr<Sink>> sinks);
  /// Cancels the sinks and joins the threads.
  ~SinkRunner();
  SinkRunner(const SinkRunner&) = delete;
  SinkRunner& operator=(const SinkRunner&) = delete;
  /// Passes the state on to all sinks. Call it whenever the state changes, and every few seconds. Any thread.
  void show_state(StationState state);
  [[nodiscard]] std::vector<SinkCounts> counts() const;

 private:
  struct State;
  explicit SinkRunner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// How sinks do, in the text format of Prometheus.
std::string to_prometheus(const std::vector<SinkCounts>& sinks, const JournalCounts& counts);

/// Makes a sink of one element of the configuration's `sinks`: {"kind": "jsonl" | "webhook" | "mqtt" | "sparkplug",
/// "name": …, …}, as docs/edge-outputs.md describes them. Nothing is connected yet. Fails with invalid_input, naming the
/// member, for a value that is missing, wrong or unknown, and for a secret's file that cannot be read.
Result<std::unique_ptr<Sink>> make_sink(const nlohmann::json& config, const std::string& station);

/// Makes a live output of one element of the configuration's `outputs`: {"kind": "modbus" | "gpio", "name": …, …}. It
/// works from then on, in its safe state until the first verdict. Fails as make_sink does, and with unavailable if the
/// port or the line cannot be had.
Result<std::unique_ptr<LiveOutput>> make_live_output(const nlohmann::json& config);

}  // namespace vedette
