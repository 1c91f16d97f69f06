#include "vision/pretrain/pretrain.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "vision/pretrain/backbone.hpp"
#include "vision/pretrain/loss.hpp"
#include "vision/pretrain/scenes.hpp"
#include "vision/pretrain/views.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kWarmUp = 300;                             // in steps
constexpr double kDecayShare = 0.2, kLeastRate = 0.005;  // A share of the steps, and a share of the highest rate.
constexpr std::uint64_t kOptionsLimit = 1 << 16, kWeightsLimit = 64 << 20;
// When a run begins with given weights, batch norms take their statistics from so many pictures.
constexpr int kLookPictures = 48;
// The streams of random numbers.
constexpr std::uint64_t kLookStream = 0, kBlockStream = 1, kViewStream = 2;
constexpr int kThreadsPerBlock = 4;  // So many threads draw one block; the others draw the blocks after it.

/// Returns what must be the same when a run goes on. The number of steps may change before the rate begins to fall.
Json recipe(const PretrainOptions& o, const std::string& origin) {
  Json out = {{"seed", o.seed},
              {"pictures", o.pictures},
              {"patches", o.patches},
              {"looks", o.looks},
              {"learning_rate", o.learning_rate},
              {"temperature", o.temperature},
              {"precision", o.half ? "bf16" : "fp32"},
              {"channels", BackboneImpl::kChannels},
              {"blocks", BackboneImpl::kBlocks}};
  if (!origin.empty()) out["from"] = sha256_hex(origin);  // The digest of the weights is stored.
  return out;
}

double decay_begin(int steps) {
  return steps * (1 - kDecayShare);
}

/// The rate has a warm-up, a plateau and a cosine, so that the length of a run need not be known when it starts (Hu et
/// al. 2024, arXiv:2404.06395).
double rate_at(const PretrainOptions& o, int step) {
  const double warm = std::min(1.0, (step + 1.0) / kWarmUp);
  const double begin = decay_begin(o.steps);
  const double falling = step < begin ? 1 : 0.5 + 0.5 * std::cos(std::numbers::pi * (step - begin) / (o.steps - begin));
  return o.learning_rate * warm * (kLeastRate + (1 - kLeastRate) * falling);
}

/// Draws blocks of scenes ahead of the steps that learn from them.
class Drawer {
 public:
  Drawer(const PretrainOptions& options, int step)
      : options_(options), ahead_(std::clamp(options.threads / kThreadsPerBlock, 1, 8)), next_(step / options.looks) {}

  /// Returns the block of a step. Steps are asked for in their order; the block stays until the next call.
  const Block& block_of(int step) {
    const int number = step / options_.looks;
    fill();
    if (number != held_) {
      block_ = begun_.front().get();
      begun_.pop_front();
      held_ = number;
      fill();
    }
    return block_;
  }

 private:
  void fill() {
    for (; begun_.size() < static_cast<std::size_t>(ahead_) && next_ * options_.looks < options_.steps; ++next_)
      begun_.push_back(std::async(std::launch::async, [this, number = next_] {
        const auto seed = Random(options_.seed).fork(kBlockStream).fork(static_cast<std::uint64_t>(number)).next();
        return draw_block(seed, options_.pictures, options_.patches, options_.looks,
                          std::max(1, options_.threads / ahead_));
      }));
  }
  const PretrainOptions& options_;
  const int ahead_;  // The number of blocks that are drawn side by side.
  int next_, held_ = -1;
  Block block_;
  std::deque<std::future<Block>> begun_;
};

/// Sums of what steps reached. They stay on the device until they are reported, because a step must not wait for them.
class Sums {
 public:
  explicit Sums(torch::Device device) : sums_(torch::zeros({4}, device)) {}
  void add(const Outcome& o) {
    sums_ += torch::stack({o.loss.detach(), o.retrieval, o.detection, o.small_detection});
    ++count_;
  }
  /// Returns the means, and begins anew.
  PretrainStep take() {
    const auto means = (sums_ / count_).to(torch::kCPU);
    const auto* values = means.data_ptr<float>();
    sums_.zero_();
    count_ = 0;
    PretrainStep out;
    out.loss = values[0];
    out.retrieval = values[1];
    out.detection = values[2];
    out.small_detection = values[3];
    return out;
  }

 private:
  torch::Tensor sums_;
  int count_ = 0;
};

class Run {
 public:
  Run(const PretrainOptions& options, torch::Device device)
      : options_(options),
        device_(device),
        learner_(make_learner(options, device)),
        optimizer_(groups(learner_), torch::optim::AdamWOptions(options.learning_rate).weight_decay(1e-4)) {}

  Result<void> open() {
    std::error_code code;
    if (fs::exists(options_.folder, code) && !fs::is_empty(options_.folder, code) &&
        !fs::exists(options_.folder / "options.json", code))
      return invalid_input("The folder " + options_.folder.string() + " holds something else than a run.");
    if (!options_.from.empty() && fs::equivalent(options_.from, options_.folder / "backbone.safetensors", code))
      return invalid_input("The weights " + options_.from.string() + " would be overwritten.");
    fs::create_directories(options_.folder);
    if (!options_.from.empty()) {
      auto bytes = read_file(options_.from, kWeightsLimit);
      if (!bytes) return bytes.error();
      origin_ = as_text(*bytes);
    }
    const auto wanted = recipe(options_, origin_).dump(1);
    const auto file = options_.folder / "options.json";
    if (const auto bytes = read_file(file, kOptionsLimit)) {
      if (as_text(*bytes) != wanted)
        return invalid_input("The folder " + options_.folder.string() + " holds a run with other options.");
    } else if (auto ok = write_file_atomically(file, wanted); !ok) {
      return ok;
    }
    if (!fs::exists(checkpoint())) return origin_.empty() ? Result<void>() : take_up(origin_);
    torch::serialize::InputArchive archive;
    archive.load_from(checkpoint().string(), device_);
    torch::serialize::InputArchive model, optimizer;
    archive.read("model", model);
    archive.read("optimizer", optimizer);
    learner_->load(model);
    optimizer_.load(optimizer);
    torch::Tensor step;
    archive.read("step", step);
    step_ = static_cast<int>(step.item<std::int64_t>());
    archive.read("steps", step);
    const auto planned = static_cast<int>(step.item<std::int64_t>());
    if (planned != options_.steps && step_ > decay_begin(std::min(planned, options_.steps)))
      return invalid_input("The run in " + options_.folder.string() + " is past where its rate begins to fall: its " +
                           std::to_string(planned) + " steps are fixed.");
    return {};
  }

  Result<void> go(const std::function<void(const PretrainStep&)>& report, const std::atomic<bool>& cancelled) {
    const auto start = std::chrono::steady_clock::now();
    std::ofstream log(options_.folder / "log.jsonl", std::ios::app);
    Drawer drawer(options_, step_);
    torch::Tensor pixels;
    Sums sums(device_);
    while (step_ < options_.steps && !cancelled) {
      const auto& block = drawer.block_of(step_);
      const int look = step_ % options_.looks;
      if (look == 0 || !pixels.defined()) pixels = pixels_of(block);
      const auto views =
          make_views(pixels, block.steps[static_cast<std::size_t>(look)], options_.patches,
                     Random(options_.seed).fork(kViewStream).fork(static_cast<std::uint64_t>(step_)).next());
      const auto set_rate = [&](std::size_t group, double rate) {
        static_cast<torch::optim::AdamWOptions&>(optimizer_.param_groups()[group].options()).lr(rate);
      };
      const auto rate = rate_at(options_, step_);
      set_rate(kHeads, rate);
      set_rate(kBackbone, origin_.empty() ? rate : rate * std::clamp(step_ / double{kWarmUp} - 1, 0.0, 1.0));
      optimizer_.zero_grad();
      const auto outcome = learn(learner_, views, options_.patches, options_.temperature);
      outcome.loss.backward();
      optimizer_.step();
      ++step_;
      sums.add(outcome);
      if (step_ % options_.report_every == 0 || step_ == options_.steps) {
        auto mean = sums.take();
        mean.step = step_;
        mean.steps = options_.steps;
        mean.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (!std::isfinite(mean.loss))
          return internal_error("The loss is not finite at step " + std::to_string(step_) + ".");
        log << Json{{"step", mean.step},
                    {"loss", mean.loss},
                    {"retrieval", mean.retrieval},
                    {"detection", mean.detection},
                    {"small_detection", mean.small_detection},
                    {"seconds", mean.seconds}}
                   .dump()
            << std::endl;
        report(mean);
      }
      if (step_ % options_.checkpoint_every == 0)
        if (auto ok = save(); !ok) return ok;
    }
    return save();
  }

 private:
  enum Group : std::uint8_t { kBackbone, kHeads };
  static std::vector<torch::optim::OptimizerParamGroup> groups(Learner& learner) {
    return {{learner->backbone->parameters()}, {learner->heads()}};
  }
  /// Begins with the weights of an earlier run.
  Result<void> take_up(const std::string& origin) {
    const auto weights = parse_safetensors(origin);
    if (!weights) return weights.error();
    const auto block = draw_block(Random(options_.seed).fork(kLookStream).next(), kLookPictures, options_.patches, 1,
                                  options_.threads);
    const auto views = make_views(pixels_of(block), block.steps[0], options_.patches, options_.seed);
    return set_weights(learner_->backbone, *weights, views.images.narrow(0, 0, views.images.size(0) / (2 + kCopies)));
  }
  /// Returns the pictures of a block on the device, [pictures, kPicture, kPicture, 3], as bytes.
  [[nodiscard]] torch::Tensor pixels_of(const Block& block) const {
    return torch::from_blob(const_cast<std::uint8_t*>(block.pixels.data()), {block.pictures, kPicture, kPicture, 3},
                            torch::kUInt8)
        .to(device_, torch::kUInt8, false, true);
  }
  static Learner make_learner(const PretrainOptions& options, torch::Device device) {
    torch::manual_seed(options.seed);
    Learner learner;
    learner->to(device);
    learner->backbone->precision = options.half ? torch::kBFloat16 : torch::kFloat;
    learner->train();
    return learner;
  }
  [[nodiscard]] fs::path checkpoint() const { return options_.folder / "checkpoint.pt"; }

  Result<void> save() {
    // An earlier checkpoint must not give way to one that is lost.
    for (const auto& parameter : learner_->parameters())
      if (!torch::isfinite(parameter).all().item<bool>())
        return internal_error("The weights are not finite at step " + std::to_string(step_) + ".");
    torch::serialize::OutputArchive archive, model, optimizer;
    learner_->save(model);
    optimizer_.save(optimizer);
    archive.write("model", model);
    archive.write("optimizer", optimizer);
    archive.write("step", torch::tensor(static_cast<std::int64_t>(step_)));
    archive.write("steps", torch::tensor(static_cast<std::int64_t>(options_.steps)));
    const auto path = checkpoint().string();
    archive.save_to(path + ".new");
    std::error_code error;
    fs::rename(path + ".new", path, error);
    if (error) return internal_error("The checkpoint cannot be written: " + error.message());
    auto told = recipe(options_, origin_);
    told["step"] = step_;
    told["steps"] = options_.steps;
    return write_weights(learner_->backbone, options_.folder / "backbone.safetensors", told.dump());
  }

  const PretrainOptions& options_;
  const torch::Device device_;
  Learner learner_;
  torch::optim::AdamW optimizer_;
  std::string origin_;  // The content of the file that this run began with.
  int step_ = 0;
};

}  // namespace

Result<void> pretrain(const PretrainOptions& options, const std::function<void(const PretrainStep&)>& report,
                      const std::atomic<bool>& cancelled) {
  if (options.on_gpu && !torch::cuda::is_available()) return invalid_input("This LibTorch sees no GPU.");
  const ThreadCount limit(options.threads);  // what LibTorch sets for this thread ends with it
  torch::set_num_threads(options.threads);
  if (options.on_gpu) at::globalContext().setBenchmarkCuDNN(true);  // All steps have the same shapes.
  try {
    Run run(options, options.on_gpu ? torch::kCUDA : torch::kCPU);
    if (auto ok = run.open(); !ok) return ok;
    return run.go(report, cancelled);
  } catch (const c10::Error& e) {
    return internal_error(std::string("LibTorch: ") + e.what_without_backtrace());
  }
}

}  // namespace vedette
