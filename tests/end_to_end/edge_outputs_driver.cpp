#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "edge/journal/journal.hpp"
#include "edge/sinks/sinks.hpp"

/// A station without cameras and models, for test_edge_outputs.py: it records parts at a steady rate, and delivers and
/// shows their verdicts as a configuration says.
///   edge_outputs_driver CONFIG RATE
/// The configuration is {"station", "journal": {"folder"}, "sinks", "outputs"}. The trigger of a part is the number of
/// parts that were asked for before. SIGUSR1 makes the program hang, and go on. SIGTERM ends it.
namespace {

using namespace vedette;  // NOLINT: this is a program
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

volatile std::sig_atomic_t ending = 0;
volatile std::sig_atomic_t stuck = 0;

void fail_on(const Error& error) {
  std::cerr << error.message << '\n';
  std::exit(2);
}

template <typename T>
T need(Result<T> result) {
  if (!result) fail_on(result.error());
  return std::move(*result);
}

std::int64_t now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

VerdictRecord part(const std::string& station, std::uint64_t number) {
  VerdictRecord record;
  record.station = station;
  record.source = "driver";
  record.trigger_id = std::to_string(number);
  record.triggered_at = record.pictured_at = record.judged_at = now_ns();
  record.model = "flanges";
  record.state = number % 10 == 0 ? RecordState::model_not_running : RecordState::judged;
  record.is_anomalous = number % 10 == 0 || number % 3 == 0;
  record.confidence = 0.75;
  record.score = 1.5;
  record.threshold = 1;
  if (record.is_anomalous) record.classes.push_back({"scratch", 0.25, "#ff0000"});
  return record;
}

int run(const json& config, double rate) {
  const auto station = config.at("station").get<std::string>();
  const SystemClock clock;
  const auto journal = need(Journal::open(config.at("journal").at("folder").get<std::string>(), {}, clock));
  std::vector<std::unique_ptr<Sink>> sinks;
  for (const auto& sink : config.value("sinks", json::array())) sinks.push_back(need(make_sink(sink, station)));
  std::vector<std::unique_ptr<LiveOutput>> outputs;
  for (const auto& output : config.value("outputs", json::array())) outputs.push_back(need(make_live_output(output)));
  auto runner = need(SinkRunner::start(*journal, std::move(sinks)));
  const StationState state{.models = {{"flanges", "1.0.0", "", "RUNNING", ""}}, .sources = {{"driver", "online", ""}}};
  auto number = journal->counts().last;
  auto next = steady_clock::now();
  auto next_state = next;
  while (ending == 0) {
    while (stuck != 0 && ending == 0) ::pause();
    for (auto& output : outputs) output->beat();
    if (steady_clock::now() >= next_state) {
      runner->show_state(state);
      next_state += milliseconds(500);
    }
    auto record = part(station, ++number);
    if (const auto sequence = journal->append(record)) record.sequence = *sequence;
    for (auto& output : outputs) output->show(record);
    next += std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(1 / rate));
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(next - steady_clock::now()).count();
    const timespec pause{left / 1'000'000'000, left % 1'000'000'000};
    if (left > 0) ::nanosleep(&pause, nullptr);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::signal(SIGTERM, [](int) { ending = 1; });
  std::signal(SIGUSR1, [](int) { stuck = stuck == 0 ? 1 : 0; });
  try {
    std::ifstream file(argv[1]);
    return run(json::parse(file), std::stod(argv[2]));
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
}
