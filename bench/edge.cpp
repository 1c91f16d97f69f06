#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/files.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/image/raw_pixels.hpp"
#include "vision/verdict/verdict.hpp"

// The headers of gRPC come after base/mutex.hpp, since both define GUARDED_BY.
#include <edge-agent.grpc.pb.h>
#include <grpcpp/grpcpp.h>

/// Measures vedette-edge: how long a call takes over its Unix socket, what of it is left beside the inference, and what a
/// switch of versions costs. It starts the agent that lies beside bench/, on a model that is given.
namespace vedette {
namespace {

namespace fs = std::filesystem;
namespace proto = AWS::LookoutVision;
using Clock = std::chrono::steady_clock;
using nlohmann::json;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<std::size_t>(q * static_cast<double>(values.size() - 1)));
}

/// Copies a model and says that its pictures have another size; the network's input stays as it is.
void copy_model(const fs::path& from, const fs::path& to, int height, int width, double threshold_factor = 1) {
  fs::create_directories(to.parent_path());
  fs::copy(from, to, fs::copy_options::recursive);
  const auto text = read_file(to / "manifest.json", std::uint64_t{64} << 20);
  if (!text) throw std::runtime_error(text.error().message);
  auto manifest = json::parse(text->begin(), text->end());
  manifest["image"]["height"] = height;
  manifest["image"]["width"] = width;
  auto& threshold = manifest["decision"]["threshold"];
  threshold = threshold.get<double>() * threshold_factor;
  if (auto ok = write_file_atomically(to / "manifest.json", manifest.dump()); !ok)
    throw std::runtime_error(ok.error().message);
}

/// An agent as a child process.
class Agent {
 public:
  Agent(const fs::path& program, const fs::path& models, const fs::path& folder) : socket_((folder / "s").string()) {
    const auto state = (folder / "state").string(), socket = "unix://" + socket_, models_text = models.string();
    process_ = ::fork();
    if (process_ == 0) {
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, STDERR_FILENO);
      ::execl(program.c_str(), program.c_str(), "--models", models_text.c_str(), "--socket", socket.c_str(), "--state",
              state.c_str(), "--start", "part", nullptr);
      ::_exit(127);
    }
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    stub = proto::EdgeAgent::NewStub(grpc::CreateCustomChannel(socket, grpc::InsecureChannelCredentials(), arguments));
    wait_for("");
  }
  ~Agent() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  proto::ModelDescription describe() const {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    proto::DescribeModelRequest request;
    proto::DescribeModelResponse response;
    request.set_model_component("part");
    if (const auto status = stub->DescribeModel(&context, request, &response); !status.ok())
      throw std::runtime_error(status.error_message());
    return response.model_description();
  }
  void wait_for(const std::string& text) const {
    while (true) {
      const auto now = describe();
      if (now.status() == proto::FAILED) throw std::runtime_error(now.status_message());
      if (now.status() == proto::RUNNING && now.status_message().find(text) != std::string::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  double detect(const proto::DetectAnomaliesRequest& request) const {
    grpc::ClientContext context;
    proto::DetectAnomaliesResponse response;
    const auto start = Clock::now();
    if (const auto status = stub->DetectAnomalies(&context, request, &response); !status.ok())
      throw std::runtime_error(status.error_message());
    return milliseconds_since(start);
  }
  std::unique_ptr<proto::EdgeAgent::Stub> stub;

 private:
  const std::string socket_;
  pid_t process_ = -1;
};

/// A shared memory segment that holds a picture, and room for its mask.
class Segment {
 public:
  explicit Segment(std::span<const std::uint8_t> picture) {
    const int file = ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(2 * picture.size())) != 0 ||
        ::pwrite(file, picture.data(), picture.size(), 0) != static_cast<ssize_t>(picture.size()))
      throw std::runtime_error("no shared memory");
    ::close(file);
  }
  ~Segment() { ::shm_unlink(name.c_str()); }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  const std::string name = "/vedette-bench-" + std::to_string(::getpid());
};

RgbImage noise(int height, int width) {
  RgbImage image{height, width, {}};
  Random random(3);
  image.pixels.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3);
  for (auto& p : image.pixels) p = static_cast<std::uint8_t>(100 + random.next() % 32);
  return image;
}

proto::DetectAnomaliesRequest make_request(const RgbImage& picture, const Segment* segment) {
  proto::DetectAnomaliesRequest request;
  request.set_model_component("part");
  auto& bitmap = *request.mutable_bitmap();
  bitmap.set_height(picture.height);
  bitmap.set_width(picture.width);
  if (!segment) {
    bitmap.set_byte_data(picture.pixels.data(), picture.pixels.size());
    return request;
  }
  const auto fill = [&](proto::SharedMemoryHandle& handle, std::size_t offset) {
    handle.set_name(segment->name);
    handle.set_size(picture.pixels.size());
    handle.set_offset(offset);
  };
  fill(*bitmap.mutable_shared_memory_handle(), 0);
  fill(*request.mutable_anomaly_mask_params()->mutable_shared_memory_handle(), picture.pixels.size());
  return request;
}

void print(const char* what, int height, int width, const char* way, const std::vector<double>& ms, double inference,
           double pass) {
  json line = {{"what", what},
               {"height", height},
               {"width", width},
               {"way", way},
               {"calls", ms.size()},
               {"p50_ms", quantile(ms, 0.5)},
               {"p99_ms", quantile(ms, 0.99)}};
  if (inference > 0) {
    line["inference_ms"] = inference;
    line["beside_inference_ms"] = quantile(ms, 0.5) - inference;
    line["one_pass_over_the_pixels_ms"] = pass;
  }
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

void measure_size(const fs::path& program, const fs::path& model, int height, int width, double seconds) {
  const TemporaryFolder folder;
  copy_model(model, folder.path() / "models" / "part", height, width);
  const auto picture = noise(height, width);
  double inference = 0, pass = 0;
  {
    const auto engine = Engine::load(folder.path() / "models" / "part");
    if (!engine) throw std::runtime_error(engine.error().message);
    const auto read = [&](std::size_t offset, std::span<std::uint8_t> out) {
      std::memcpy(out.data(), picture.pixels.data() + offset, out.size());
      return Result<void>();
    };
    std::vector<double> judging, reading;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < end || judging.size() < 10) {
      const auto start = Clock::now();
      const auto reduced = read_raw_pixels(height, width, least_size((*engine)->manifest()), read);
      reading.push_back(milliseconds_since(start));
      const auto judged_from = Clock::now();
      if (const auto verdict = judge(**engine, *reduced, {.with_mask_png = false}); !verdict)
        throw std::runtime_error(verdict.error().message);
      judging.push_back(milliseconds_since(judged_from));
    }
    inference = quantile(judging, 0.5);
    pass = quantile(reading, 0.5);
  }
  end_helping_threads();
  const Agent agent(program, folder.path() / "models", folder.path());
  for (const bool is_shared : {false, true}) {
    const Segment segment(picture.pixels);
    const auto request = make_request(picture, is_shared ? &segment : nullptr);
    for (int warm = 0; warm < 5; ++warm) agent.detect(request);
    std::vector<double> ms;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < end || ms.size() < 20) ms.push_back(agent.detect(request));
    print("latency", height, width, is_shared ? "shared memory" : "bytes", ms, inference, pass);
  }
}

void measure_switch(const fs::path& program, const fs::path& model, double seconds) {
  constexpr int height = 576, width = 768;
  const TemporaryFolder folder;
  const auto part = folder.path() / "models" / "part";
  copy_model(model, part / "1.0.0", height, width);
  const auto picture = noise(height, width);
  const Agent agent(program, folder.path() / "models", folder.path());
  const Segment segment(picture.pixels);
  const auto request = make_request(picture, &segment);
  for (int warm = 0; warm < 5; ++warm) agent.detect(request);
  std::vector<double> steady, during;
  auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end || steady.size() < 100) steady.push_back(agent.detect(request));
  for (int version = 2; version <= 5; ++version) {
    const auto name = std::to_string(version) + ".0.0";
    copy_model(model, part / (".new-" + name), height, width, 1 + 0.01 * version);
    fs::rename(part / (".new-" + name), part / name);
    while (agent.describe().status_message().find(name) == std::string::npos) during.push_back(agent.detect(request));
  }
  print("steady", height, width, "shared memory", steady, 0, 0);
  print("switching", height, width, "shared memory", during, 0, 0);
  std::printf(
      "%s\n",
      json{{"what", "p99 during a switch"}, {"ratio", quantile(during, 0.99) / quantile(steady, 0.99)}}.dump().c_str());
}

}  // namespace
}  // namespace vedette

int main(int argc, char** argv) {
  CLI::App app("Measures the edge agent; prints one JSON object per line.");
  std::string model;
  double seconds = 5;
  auto program = std::filesystem::canonical("/proc/self/exe").parent_path().parent_path() / "vedette-edge";
  std::string program_text = program.string();
  app.add_option("MODEL", model, "Folder of a trained model")->required()->check(CLI::ExistingDirectory);
  app.add_option("--seconds", seconds, "How long each part is measured")->capture_default_str();
  app.add_option("--program", program_text, "The agent")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    vedette::measure_size(program_text, model, 576, 768, seconds);
    vedette::measure_size(program_text, model, 3072, 4096, seconds);
    vedette::measure_switch(program_text, model, seconds);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "edge: %s\n", e.what());
    return 1;
  }
}
