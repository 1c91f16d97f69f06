#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <thread>

#include "api_client.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "commands.hpp"
#include "load.hpp"
#include "model_files.hpp"
#include "pictures.hpp"
#include "server_process.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/model_files/model_files.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/peak.hpp"

namespace vedette {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostPictures = 200;
constexpr const char* kProject = "bench";
const Scope kScope{"123456789012", "us-east-1"};

struct BenchOptions {
  std::string model, images, endpoint, project, version = "latest";
  int connections = 1, units = 0, models = 1;
  std::int64_t model_memory = -1;  // The limit in MiB; −1 leaves it to the server.
  double seconds = 10, rate = 0;
  int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  int unit_cores = 4;
  bool json = false;
};

std::string read_text(const fs::path& path) {
  return std::string(as_text(required(read_file(path, 64 << 20))));
}

/// Returns the pictures that the model takes.
std::vector<std::string> read_files(const std::string& folder, const Manifest& manifest) {
  std::vector<std::string> out;
  std::size_t others = 0;
  for (const auto& path : list_pictures(folder)) {
    if (out.size() == kMostPictures) break;
    auto content = read_text(path);
    const auto header = read_image_header(as_bytes(content));
    if (header && header->height == manifest.image_height && header->width == manifest.image_width) {
      out.push_back(std::move(content));
    } else {
      ++others;
    }
  }
  if (others > 0)
    std::fprintf(stderr,
                 "warning: %zu pictures are not of the model's size, or neither JPEG nor PNG, which the API takes\n",
                 others);
  if (out.empty()) throw std::runtime_error("no picture in " + folder + " is of the model's size");
  return out;
}

/// Writes another model that differs only in the last bit of one number, so that its largest blob is its own. It shares
/// the backbone and the small blobs with the first model.
void write_variant(const fs::path& out, const Artifact& model, int number) {
  auto tensors = model.tensors;
  std::map<std::string, std::vector<std::string>> blobs;
  for (const auto& [name, hash] : model.manifest.tensors) blobs[hash].push_back(name);
  const auto largest = std::max_element(tensors.begin(), tensors.end(),
                                        [](const auto& x, const auto& y) { return x.second.count < y.second.count; });
  auto values = largest->second.copy();
  const auto at = static_cast<std::size_t>(number) % values.size();
  values[at] = std::nextafter(values[at], HUGE_VALF);
  largest->second = Tensor::make(largest->second.shape, std::move(values));
  std::vector<std::vector<std::string>> groups;
  for (auto& [hash, names] : blobs) groups.push_back(std::move(names));
  if (auto ok = write_artifact(out, model.manifest, tensors, groups); !ok) throw std::runtime_error(ok.error().message);
}

/// Makes a data folder with the trained model as versions 1 … `models`.
void make_data(const fs::path& data, const fs::path& model, int models) {
  const SystemClock clock;
  const auto metadata = open_sqlite_metadata(data / "metadata.sqlite");
  const auto objects = open_filesystem_objects(data / "objects", clock);
  const auto store = [&](const std::string& uid, const fs::path& folder) {
    if (auto ok = ModelFiles(*objects).put(uid, folder); !ok) throw std::runtime_error(ok.error().message);
  };
  const auto artifact = required(read_artifact(model));
  for (int i = 0; i < models; ++i) {
    const auto uid = "bench-" + std::to_string(i);
    metadata->write([&](UnitOfWork& work) {
      if (i == 0) work.projects().insert(kScope, {kProject, clock.now()});
      Model row;
      row.project = kProject;
      row.version = work.projects().next_model_version(kScope, kProject);
      row.uid = uid;
      row.status = ModelStatus::trained;
      row.created = clock.now();
      row.output = {"bench", ""};
      work.models().insert(kScope, row);
    });
    if (i == 0) {
      store(uid, model);
    } else {
      const TemporaryFolder folder;
      write_variant(folder.path(), artifact, i);
      store(uid, folder.path());
    }
  }
}

std::string model_path(int number) {
  return "/projects/" + std::string(kProject) + "/models/" + std::to_string(number + 1);
}

/// A server that this program starts, and that hosts the model.
struct OwnServer {
  OwnServer(const BenchOptions& options, const fs::path& model) {
    make_data(folder.path(), model, options.models);
    std::vector<std::string> flags = {"--cores",
                                      std::to_string(options.cores),
                                      "--unit-cores",
                                      std::to_string(options.unit_cores),
                                      "--max-hosted-models",
                                      "0"};
    if (options.model_memory >= 0) flags.insert(flags.end(), {"--model-memory", std::to_string(options.model_memory)});
    server.emplace(fs::canonical("/proc/self/exe").string(), folder.path(), flags);
    ServiceClientOptions client;
    client.endpoint = server->endpoint();
    client.credentials = server->credentials();
    ApiClient api(client);
    std::vector<double> all_ms;
    for (int i = 0; i < options.models; ++i) {
      const auto path = model_path(i);
      const auto start = std::chrono::steady_clock::now();
      api.call("POST", path + "/start", {{"MinInferenceUnits", options.units}});
      while (api.call("GET", path)["ModelDescription"]["Status"] == "STARTING_HOSTING")
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      all_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      if (const auto row = api.call("GET", path)["ModelDescription"]; row["Status"] != "HOSTED")
        throw std::runtime_error("the model could not be hosted: " + row["StatusMessage"].get<std::string>());
    }
    hosted_ms = quantile(all_ms, 0.5);
  }
  [[nodiscard]] double resident_mb(const char* which) const {
    std::ifstream status("/proc/" + std::to_string(server->pid()) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with(which)) return std::stod(line.substr(std::string(which).size() + 1)) / 1024;
    return 0;
  }
  TemporaryFolder folder;
  std::optional<ServerProcess> server;
  double hosted_ms = 0;
};

/// The shortest milliseconds that each stage can take on this machine, and the operations of the network.
struct Floors {
  double decode = 0, resize = 0, network = 0, mask = 0, encode = 0;
  double flops = 0;
  double product_ms = 0;  ///< The milliseconds that the steps of products took.
  double product_floor_ms = 0;
  [[nodiscard]] double sum() const { return decode + resize + network + mask + encode; }
};

double least_ms(int rounds, const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

Floors find_floors(const Engine& engine, const std::vector<std::string>& pictures, const PeakRates& peaks,
                   int threads) {
  Floors out;
  const auto& m = engine.manifest();
  const auto picture = required(engine.decode(as_bytes(pictures[0])));
  // A decoder cannot be faster than the library that decodes (libjpeg-turbo or spng) alone in a loop.
  out.decode = least_ms(10, [&] { required(engine.decode(as_bytes(pictures[0]))); });
  const double pixels = static_cast<double>(picture.pixels.size());
  const double input = 3.0 * m.input_height * m.input_width * sizeof(float);
  out.resize = 1000 * (pixels + input) / peaks.bandwidth;
  const ThreadCount count(threads);
  for (const auto& step : required(engine.profile(picture, 10))) {
    if (step.work.flops == 0) continue;
    out.flops += step.work.flops;
    out.product_ms += 1000 * step.seconds;
    out.product_floor_ms += 1000 * step.work.flops / peaks.products(step.work.precision);
  }
  out.network = out.product_floor_ms;
  if (m.segmentation) {
    const double labels = static_cast<double>(m.image_height) * m.image_width;
    out.mask = 1000 * labels / peaks.bandwidth;
    out.encode = 1000 * labels / peaks.bandwidth;
  }
  return out;
}

void bench(const BenchOptions& given) {
  auto options = given;
  options.unit_cores = std::min(options.unit_cores, options.cores);
  // Unless the user gives a number, the model gets as many units as pictures can be judged at once.
  if (options.units == 0) options.units = options.connections == 1 && options.rate == 0 ? 1 : options.cores;
  std::optional<TemporaryFolder> unpacked;
  const auto folder = model_folder(options.model, unpacked);
  const auto engine = load_model(folder.string());
  LoadOptions load;
  load.pictures = read_files(options.images, engine->manifest());
  load.connections = options.connections;
  load.seconds = options.seconds;
  load.rate = options.rate;

  const auto peaks = measure_peaks(options.unit_cores);
  const auto floors = find_floors(*engine, load.pictures, peaks, options.unit_cores);

  std::optional<OwnServer> own;
  if (options.endpoint.empty()) {
    own.emplace(options, folder);
    load.server.endpoint = own->server->endpoint();
    load.server.credentials = own->server->credentials();
    for (int i = 0; i < options.models; ++i) load.paths.push_back("/2020-11-20" + model_path(i) + "/detect");
  } else {
    if (options.project.empty()) throw std::runtime_error("--endpoint needs --project");
    load.server.endpoint = options.endpoint;
    load.server.credentials = required(find_credentials());
    if (auto region = find_region(); !region.empty()) load.server.region = region;
    load.paths = {"/2020-11-20/projects/" + options.project + "/models/" + options.version + "/detect"};
  }
  auto warming = load;
  warming.seconds = std::min(1.0, load.seconds / 5);
  warming.rate = 0;
  if (const auto warm = run_load(warming); warm.latency.empty())
    throw std::runtime_error("the server gave no verdict in a second of calls");
  const auto result = run_load(load);
  if (result.latency.empty()) throw std::runtime_error("the server gave no verdict");

  const std::array shares = {0.5, 0.95, 0.99};
  Json stages = Json::object();
  const auto add = [&](const char* name, std::optional<double> floor) {
    const auto found = result.stages.find(name);
    if (found == result.stages.end()) return;
    Json entry = {{"p50_ms", quantile(found->second, shares[0])},
                  {"p95_ms", quantile(found->second, shares[1])},
                  {"p99_ms", quantile(found->second, shares[2])}};
    if (floor) entry["floor_ms"] = *floor;
    stages[name] = std::move(entry);
  };
  add("body", std::nullopt);
  add("wait", std::nullopt);
  add("verify", std::nullopt);
  add("queue", std::nullopt);
  add("decode", floors.decode);
  add("resize", floors.resize);
  add("network", floors.network);
  add("mask", floors.mask);
  add("encode", floors.encode);
  add("other", std::nullopt);
  add("total", std::nullopt);
  add("outside", std::nullopt);
  const double p50 = quantile(result.latency, shares[0]);
  const double overhead = quantile(result.overhead, shares[0]);
  Json summary = {
      {"stages", stages},
      {"connections", options.connections},
      {"rate", options.rate},
      {"models", options.models},
      {"cores", options.cores},
      {"unit_cores", options.unit_cores},
      {"image", std::to_string(engine->manifest().image_width) + "x" + std::to_string(engine->manifest().image_height)},
      {"verdicts", result.latency.size()},
      {"throttled", result.throttled},
      {"failed", result.failed},
      {"fp32_gflops", peaks.fp32 / 1e9},
      {"bf16_gflops", peaks.bf16 / 1e9},
      {"int8_gflops", peaks.int8 / 1e9},
      {"precision", to_text(engine->precision())},
      {"bandwidth_gb_per_second", peaks.bandwidth / 1e9},
      {"network_gflop", floors.flops / 1e9},
      {"products_share_of_peak", floors.product_floor_ms / floors.product_ms},
      {"p50_ms", p50},
      {"p95_ms", quantile(result.latency, shares[1])},
      {"p99_ms", quantile(result.latency, shares[2])},
      {"floor_ms", floors.sum()},
      {"p50_over_floor", p50 / floors.sum()},
      {"overhead_ms", overhead},
      {"images_per_second", static_cast<double>(result.latency.size()) / result.seconds}};
  if (own) {
    summary["start_to_hosted_ms"] = own->hosted_ms;
    summary["resident_mb"] = own->resident_mb("VmRSS:");
    summary["peak_resident_mb"] = own->resident_mb("VmHWM:");
  }
  if (!options.json) {
    std::printf("%-10s %9s %9s %9s %9s\n", "stage, ms", "p50", "p95", "p99", "floor");
    for (const auto& [name, entry] : stages.items()) {
      std::printf("%-10s %9.2f %9.2f %9.2f ", name.c_str(), entry["p50_ms"].get<double>(),
                  entry["p95_ms"].get<double>(), entry["p99_ms"].get<double>());
      if (entry.contains("floor_ms")) std::printf("%9.2f", entry["floor_ms"].get<double>());
      std::printf("\n");
    }
    std::printf("%-10s %9.2f %9.2f %9.2f %9.2f\n", "call", p50, summary["p95_ms"].get<double>(),
                summary["p99_ms"].get<double>(), floors.sum());
    std::printf("\n%.1f pictures per second; %zu verdicts, %d throttled, %d failed\n",
                summary["images_per_second"].get<double>(), result.latency.size(), result.throttled, result.failed);
    std::printf(
        "call / floor %.2f; all that is not vision %.2f ms; products at %.0f %% of the machine's peak (%.0f GFLOP/s "
        "fp32",
        p50 / floors.sum(), overhead, 100 * floors.product_floor_ms / floors.product_ms, peaks.fp32 / 1e9);
    if (peaks.bf16 > 0) std::printf(", %.0f bf16", peaks.bf16 / 1e9);
    if (peaks.int8 > 0) std::printf(", %.0f int8", peaks.int8 / 1e9);
    std::printf(")\n");
    if (own)
      std::printf("StartModel to HOSTED %.0f ms; the server's memory %.0f MB\n", own->hosted_ms,
                  summary["resident_mb"].get<double>());
  }
  std::printf("%s\n", summary.dump().c_str());
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
  auto* command =
      app.add_subcommand("bench", "Measure detection on this machine, stage by stage, beside what it could be at best");
  auto options = std::make_shared<BenchOptions>();
  command->add_option("MODEL_DIR", options->model, "Folder or archive (.zip) of the model")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("IMAGE_DIR", options->images, "Folder of the pictures to send")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--connections", options->connections, "Connections that call at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--seconds", options->seconds, "Seconds in which calls are made")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 86400.0));
  command
      ->add_option("--rate", options->rate,
                   "Calls per second, whatever the server does; latencies count from when a call was due. 0: each "
                   "connection calls when it has its answer")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e6));
  command->add_option("--cores", options->cores, "Cores of the server that is started")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command->add_option("--unit-cores", options->unit_cores, "Cores that a unit uses at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command->add_option("--units", options->units, "Inference units; default: one per core, or one for one connection")
      ->check(CLI::Range(1, 100));
  command->add_option("--models", options->models, "How many different models are hosted and called in turn")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  command->add_option("--model-memory", options->model_memory, "MiB of memory that the hosted models may take together")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30));
  command->add_option("--endpoint", options->endpoint,
                      "A server that runs already and hosts the model, instead of one of our own");
  command->add_option("--project", options->project, "Project of the model on the server that --endpoint names");
  command->add_option("--model-version", options->version, "Version of the model on the server that --endpoint names")
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print only the JSON object");
  command->callback([options, &status] {
    bench(*options);
    status = 0;
  });
}

}  // namespace vedette
