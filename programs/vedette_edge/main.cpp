#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/files.hpp"
#include "base/log.hpp"
#include "doctor.hpp"
#include "edge/agent/agent.hpp"
#include "edge/agent/metrics.hpp"
#include "edge/journal/refused_records.hpp"
#include "edge/models/versions.hpp"
#include "edge/sources/triggers.hpp"
#include "edge/station/config.hpp"
#include "line.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultTriggerSocket = "/run/vedette-edge/trigger.sock";
constexpr const char* kDefaultSocket = "unix:///tmp/aws.iot.lookoutvision.EdgeAgent.sock";
constexpr std::chrono::seconds kBeat{1};
constexpr int kBeatsPerMetrics = 10;
constexpr std::uint64_t kMostConfigBytes = 1 << 20;

struct Options {
  std::string models, socket = kDefaultSocket, socket_group, listen, tls_cert, tls_key, tls_client_ca, state, config;
  std::vector<std::string> start;
  std::size_t memory_mib = 0;
  int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int unit_cores = 0;
};

fs::path state_folder(const Options& options) {
  return options.state.empty() ? fs::path(options.models) / ".state" : fs::path(options.state);
}

/// Returns the path of a socket, which may be written as gRPC's clients write it.
fs::path socket_path(std::string text) {
  if (text == "none") return {};
  for (const auto* scheme : {"unix://", "unix:"})
    if (text.starts_with(scheme)) {
      text = text.substr(std::string(scheme).size());
      break;
    }
  return fs::absolute(text);
}

/// Lets as many files be open as the system allows this program.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int most_connections(int wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
  // Half of the files stay for segments, models and the journal.
  return static_cast<int>(std::min<rlim_t>(static_cast<rlim_t>(wanted), limit.rlim_cur / 2));
}

/// Starts components, and returns those that are not there yet: a server may still send them, and the folder of a
/// component comes before its first version.
std::vector<std::string> start(Components& components, const fs::path& models, const std::vector<std::string>& names) {
  std::vector<std::string> missing;
  for (const auto& name : names) {
    if (list_versions(models / name).empty())
      missing.push_back(name);
    else if (auto ok = components.start(name); !ok)
      log::error("model cannot be started", {{"component", name}, {"reason", ok.error().message}});
  }
  return missing;
}

/// Reads the configuration, if there is one. Without one, nothing is recorded.
std::optional<StationConfig> read_config(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const auto text = read_file(path, kMostConfigBytes);
  if (!text) throw std::runtime_error(text.error().message);
  auto config = parse_station_config(as_text(*text));
  if (!config) throw std::runtime_error(path + ": " + config.error().message);
  return std::move(*config);
}

void write_metrics(const fs::path& file, Components& components, const Agent& agent, const std::optional<Line>& line) {
  const auto text = to_prometheus(components.list(), agent.counts()) + (line ? line->metrics() : "");
  if (auto ok = write_file_atomically(file, text); !ok) {
    log::warning("the metrics cannot be written", {{"reason", ok.error().message}});
    return;
  }
  // The node exporter has a user of its own, and the mask of the service would leave the file to the agent's.
  ::chmod(file.c_str(), 0644);
}

int serve(const Options& options) {
  // Only this thread handles signals, below. They are blocked before any other thread is made, because new threads
  // inherit that.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A client or a broker that goes away in the middle of a write must not end the agent. Camera programs set it back.
  ::signal(SIGPIPE, SIG_IGN);
  raise_file_limit();

  const auto state = state_folder(options);
  std::error_code code;
  fs::create_directories(state, code);
  if (code)
    throw std::runtime_error("the folder " + state.string() + " cannot be made (" + code.message() +
                             "); --state names another one");
  AgentOptions agent_options;
  agent_options.socket = socket_path(options.socket);
  agent_options.socket_group = options.socket_group;
  agent_options.listen = options.listen;
  agent_options.tls = {options.tls_cert, options.tls_key, options.tls_client_ca};
  agent_options.most_connections = most_connections(agent_options.most_connections);
  if (agent_options.socket.empty() && agent_options.listen.empty())
    throw std::runtime_error("without a socket and without --listen nobody can reach the agent");

  ComponentsOptions component_options;
  component_options.folder = options.models;
  component_options.state_file = state / "components.json";
  component_options.memory = options.memory_mib << 20;
  component_options.compute.cores = options.cores;
  component_options.compute.unit_cores =
      options.unit_cores == 0 ? options.cores : std::min(options.unit_cores, options.cores);
  Components components(component_options);
  const auto config = read_config(options.config);
  std::optional<Line> line;
  if (config) line.emplace(components, *config, LineOptions{state, options.models, VEDETTE_VERSION});
  std::function<void(const AgentCall&)> observe;
  if (line) observe = [&line](const AgentCall& call) { line->record(call); };
  auto agent = Agent::start(components, agent_options, observe);
  if (!agent) throw std::runtime_error(agent.error().message);
  auto to_start = options.start;
  if (config) to_start.insert(to_start.end(), config->start.begin(), config->start.end());
  to_start = start(components, options.models, to_start);
  for (const auto& name : to_start) log::error("model is not there yet", {{"component", name}});
  if (line) line->start_sources();
  log::info("listening", {{"socket", agent_options.socket.string()},
                          {"port", std::to_string((*agent)->port())},
                          {"models", std::to_string(components.list().size())}});
  // What waits for files has a thread of its own, so that a slow disk does not pass for an agent that hangs.
  std::binary_semaphore ending(0);
  std::thread housekeeping([&] {
    for (int round = 0; !ending.try_acquire_for(round == 0 ? std::chrono::seconds(0) : kBeat); ++round) {
      if (line) line->report();
      if (!to_start.empty()) to_start = start(components, options.models, to_start);
      if (round % kBeatsPerMetrics == 0) write_metrics(state / "metrics.prom", components, **agent, line);
    }
  });
  const timespec interval{kBeat.count(), 0};
  int received = 0;
  while (received <= 0) {
    if (line) line->beat();
    received = ::sigtimedwait(&signals, nullptr, &interval);
  }
  log::info("stopping", {{"signal", std::to_string(received)}});
  ending.release();
  housekeeping.join();
  write_metrics(state / "metrics.prom", components, **agent, line);
  agent->reset();
  log::info("stopped");
  return 0;
}

int run_doctor(const Options& options) {
  DoctorOptions doctor;
  doctor.socket = socket_path(options.socket);
  doctor.models = options.models;
  doctor.state = state_folder(options);
  doctor.config = options.config;
  int worst = 0;
  for (const auto& finding : examine(doctor)) {
    const auto* level = finding.level == DoctorFinding::Level::good   ? "ok     "
                        : finding.level == DoctorFinding::Level::hint ? "hint   "
                                                                      : "problem";
    std::printf("%s  %s: %s\n", level, finding.subject.c_str(), finding.finding.c_str());
    if (!finding.remedy.empty()) std::printf("         %s\n", finding.remedy.c_str());
    if (finding.level == DoctorFinding::Level::problem) worst = 1;
  }
  return worst;
}

struct TriggerCommand {
  std::string socket = kDefaultTriggerSocket, source, id;
};

int trigger(const TriggerCommand& command) {
  if (auto ok = send_trigger(command.socket, command.source, command.id); !ok)
    throw std::runtime_error(ok.error().message);
  return 0;
}

/// Has the refused records of a sink sent again.
int resend(const Options& options, const std::string& sink) {
  const auto config = read_config(options.config);
  if (!config) throw std::runtime_error("--config must name the configuration of the agent");
  const auto count = resend_refused(journal_folder(*config, state_folder(options)), sink);
  if (!count) throw std::runtime_error(count.error().message);
  std::printf("%s records are sent again by the agent\n", std::to_string(*count).c_str());
  return 0;
}

}  // namespace
}  // namespace vedette

int main(int argc, char** argv) {
  // Otherwise the first sockets or files could get the numbers of standard input, output and error.
  int file = 0;
  while ((file = ::open("/dev/null", O_RDWR)) >= 0 && file <= STDERR_FILENO) {
  }
  ::close(file);
  CLI::App app("The edge agent of Vedette: judges pictures of the line for programs on the same machine.");
  app.set_version_flag("--version", VEDETTE_VERSION);
  vedette::Options options;
  // Only the command `trigger` needs no models.
  app.add_option("--models", options.models,
                 "Folder of model components: DIR/<component>/ or DIR/<component>/<version>/ (required)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--socket", options.socket, "Unix socket on which programs call the agent, or none")
      ->capture_default_str();
  app.add_option("--socket-group", options.socket_group, "Group whose members may use the socket");
  auto* listen =
      app.add_option("--listen", options.listen, "ADDR:PORT on which programs of other machines call the agent");
  app.add_option("--tls-cert", options.tls_cert, "PEM file with the certificate for --listen")
      ->check(CLI::ExistingFile)
      ->needs(listen);
  app.add_option("--tls-key", options.tls_key, "PEM file with the key of that certificate")
      ->check(CLI::ExistingFile)
      ->needs(listen);
  app.add_option("--tls-client-ca", options.tls_client_ca,
                 "PEM file with certificates; clients of --listen must then have one that these signed")
      ->check(CLI::ExistingFile)
      ->needs(listen);
  app.add_option("--start", options.start, "Names of components to start at once")->delimiter(',');
  app.add_option("--state", options.state,
                 "Folder for what the agent remembers, and its metrics (DIR/.state by default)")
      ->envname("STATE_DIRECTORY");
  app.add_option("--config", options.config, "JSON file that says where verdicts are recorded and sent")
      ->check(CLI::ExistingFile);
  app.add_option("--memory", options.memory_mib, "MiB that models may take together; 0 means no limit")
      ->capture_default_str();
  app.add_option("--cores", options.cores, "Cores that judge pictures")->check(CLI::Range(1, 1024));
  app.add_option("--unit-cores", options.unit_cores, "Most cores for one picture; 0 means all of --cores")
      ->check(CLI::Range(0, 1024));
  auto* doctor = app.add_subcommand(
      "doctor", "Look for what would keep an agent with these options from working, and change nothing");
  doctor->fallthrough();
  vedette::TriggerCommand command;
  auto* trigger = app.add_subcommand("trigger", "Ask a running agent for the picture of a part");
  trigger->add_option("SOURCE", command.source, "Name of the source in the agent's configuration")->required();
  trigger->add_option("ID", command.id, "What the record says of the part, such as its serial number");
  trigger->add_option("--trigger-socket", command.socket, "Socket that the agent's configuration names")
      ->capture_default_str();
  std::string refused_by;
  auto* resend = app.add_subcommand("resend", "Have the agent send once more what the other side of a sink refused");
  resend->fallthrough();
  resend->add_option("SINK", refused_by, "Name of the sink in the agent's configuration")->required();
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
    if (trigger->parsed()) return vedette::trigger(command);
    if (options.models.empty()) throw CLI::RequiredError("--models");
    if (resend->parsed()) return vedette::resend(options, refused_by);
    return doctor->parsed() ? vedette::run_doctor(options) : vedette::serve(options);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vedette-edge: %s\n", e.what());
    return 1;
  }
}
