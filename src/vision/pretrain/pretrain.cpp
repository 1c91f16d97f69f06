#include "vision/pretrain/pretrain.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
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
#include "vision/pretrain/views.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
namespace nn = torch::nn;
using Json = nlohmann::ordered_json;

constexpr int kEmbedding = 64;
constexpr double kDamageWeight = 8;  // of the damaged copy among the negatives
constexpr double kQuadrantShare = 0.5;
constexpr int kWarmUp = 300;                             // steps
constexpr double kDecayShare = 0.1, kLeastRate = 0.005;  // of the steps, of the highest rate
constexpr std::uint64_t kOptionsLimit = 1 << 16, kWeightsLimit = 64 << 20;
constexpr int kLookPictures = 48;  // that batch norms take their statistics from when a run begins with given weights

/// Backbone and the two heads that only the loss sees.
struct LearnerImpl : nn::Module {
  LearnerImpl() {
    const auto channels = BackboneImpl::kChannels;
    backbone = register_module("backbone", Backbone());
    patch_head = register_module("patch_head", nn::Sequential(nn::Linear(channels[3], channels[3]), nn::ReLU(),
                                                              nn::Linear(channels[3], kEmbedding)));
    quadrant_head = register_module("quadrant_head", nn::Sequential(nn::Linear(channels[2], channels[2]), nn::ReLU(),
                                                                    nn::Linear(channels[2], kEmbedding)));
  }
  /// Unit vectors of whole views [n, kEmbedding] and of their quadrants [n · 4, kEmbedding].
  std::pair<torch::Tensor, torch::Tensor> forward(const torch::Tensor& views) {
    const auto [middle, deep] = backbone->forward(views);
    const auto unit = nn::functional::NormalizeFuncOptions().dim(1);
    const auto quadrants = nn::functional::adaptive_avg_pool2d(middle, nn::functional::AdaptiveAvgPool2dFuncOptions(2))
                               .permute({0, 2, 3, 1})
                               .reshape({-1, middle.size(1)});
    return {nn::functional::normalize(patch_head->forward(deep.mean({2, 3})), unit),
            nn::functional::normalize(quadrant_head->forward(quadrants), unit)};
  }
  Backbone backbone{nullptr};
  nn::Sequential patch_head{nullptr}, quadrant_head{nullptr};
};
TORCH_MODULE(Learner);

struct Outcome {
  torch::Tensor loss;
  double retrieval = 0, detection = 0;
};

/// NT-Xent of one item's two views against all others, and its damaged copy, which counts `kDamageWeight` times where
/// `is_damaged`. All [n, kEmbedding].
Outcome contrast(const torch::Tensor& first, const torch::Tensor& second, const torch::Tensor& damaged,
                 const torch::Tensor& is_damaged, double temperature) {
  const auto n = first.size(0);
  const auto itself = torch::eye(n, torch::TensorOptions().device(first.device()).dtype(torch::kBool));
  const auto target = torch::arange(n, torch::TensorOptions().device(first.device()).dtype(torch::kLong));
  const auto no = -1e9;
  Outcome out;
  for (const auto& [a, b] : {std::pair(first, second), std::pair(second, first)}) {
    const auto across = a.mm(b.t()) / temperature;
    const auto within = (a.mm(a.t()) / temperature).masked_fill(itself, no);
    const auto own_damage = (a * damaged).sum(1) / temperature;
    const auto weighted =
        torch::where(is_damaged, own_damage + std::log(kDamageWeight), torch::full_like(own_damage, no));
    const auto logits = torch::cat({across, within, weighted.unsqueeze(1)}, 1);
    const auto loss = nn::functional::cross_entropy(logits, target);
    out.loss = out.loss.defined() ? out.loss + loss : loss;
    out.retrieval += 0.5 * across.argmax(1).eq(target).to(torch::kFloat).mean().item<double>();
    const auto apart = across.diagonal().gt(own_damage).logical_and(is_damaged).sum().item<double>();
    out.detection += 0.5 * apart / std::max(1.0, is_damaged.sum().item<double>());
  }
  out.loss = out.loss / 2;
  return out;
}

torch::Tensor to_tensor(const std::vector<float>& values, std::int64_t patches, torch::Device device) {
  return torch::from_blob(const_cast<float*>(values.data()), {patches, 3, kPatch, kPatch}).to(device, false, true);
}
torch::Tensor to_flags(const std::vector<std::uint8_t>& values, torch::Device device) {
  return torch::from_blob(const_cast<std::uint8_t*>(values.data()), {static_cast<std::int64_t>(values.size())},
                          torch::kUInt8)
      .to(device, torch::kBool, false, true);
}

Outcome learn(Learner& learner, const ViewBatch& batch, double temperature, torch::Device device) {
  const auto n = static_cast<std::int64_t>(batch.patches);
  const auto views = torch::cat(
      {to_tensor(batch.first, n, device), to_tensor(batch.second, n, device), to_tensor(batch.damaged, n, device)});
  const auto [patches, quadrants] = learner->forward(views);
  const auto part = [](const torch::Tensor& all, std::int64_t which, std::int64_t size) {
    return all.narrow(0, which * size, size);
  };
  auto whole = contrast(part(patches, 0, n), part(patches, 1, n), part(patches, 2, n),
                        to_flags(batch.is_damaged, device), temperature);
  const auto q = n * kQuadrants;
  const auto pieces = contrast(part(quadrants, 0, q), part(quadrants, 1, q), part(quadrants, 2, q),
                               to_flags(batch.damaged_quadrants, device), temperature);
  whole.loss = (1 - kQuadrantShare) * whole.loss + kQuadrantShare * pieces.loss;
  return whole;
}

/// What must be the same when a run goes on. The steps may change before the rate begins to fall.
Json recipe(const PretrainOptions& o, const std::string& origin) {
  Json out = {{"seed", o.seed},
              {"pictures", o.pictures},
              {"patches", o.patches},
              {"learning_rate", o.learning_rate},
              {"temperature", o.temperature},
              {"precision", o.half ? "bf16" : "fp32"},
              {"channels", BackboneImpl::kChannels},
              {"blocks", BackboneImpl::kBlocks}};
  if (!origin.empty()) out["from"] = sha256_hex(origin);  // the weights' digest
  return out;
}

double decay_begin(int steps) {
  return steps * (1 - kDecayShare);
}

/// Warm-up, plateau, cosine: how long a run becomes need not be known when it starts (Hu et al. 2024, arXiv:2404.06395).
double rate_at(const PretrainOptions& o, int step) {
  const double warm = std::min(1.0, (step + 1.0) / kWarmUp);
  const double begin = decay_begin(o.steps);
  const double falling = step < begin ? 1 : 0.5 + 0.5 * std::cos(std::numbers::pi * (step - begin) / (o.steps - begin));
  return o.learning_rate * warm * (kLeastRate + (1 - kLeastRate) * falling);
}

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
    auto next = draw(step_);
    PretrainStep sums;
    int summed = 0;
    while (step_ < options_.steps && !cancelled) {
      const auto batch = next.get();
      if (step_ + 1 < options_.steps) next = draw(step_ + 1);  // while this one is learnt from
      const auto set_rate = [&](std::size_t group, double rate) {
        static_cast<torch::optim::AdamWOptions&>(optimizer_.param_groups()[group].options()).lr(rate);
      };
      const auto rate = rate_at(options_, step_);
      set_rate(kHeads, rate);
      set_rate(kBackbone, origin_.empty() ? rate : rate * std::clamp(step_ / double{kWarmUp} - 1, 0.0, 1.0));
      optimizer_.zero_grad();
      auto outcome = learn(learner_, batch, options_.temperature, device_);
      outcome.loss.backward();
      optimizer_.step();
      ++step_;
      ++summed;
      sums.loss += outcome.loss.item<double>();
      sums.retrieval += outcome.retrieval;
      sums.detection += outcome.detection;
      if (!std::isfinite(sums.loss))
        return internal_error("The loss is not finite at step " + std::to_string(step_) + ".");
      if (step_ % options_.report_every == 0 || step_ == options_.steps) {
        const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const PretrainStep mean{
            step_, options_.steps, sums.loss / summed, sums.retrieval / summed, sums.detection / summed, seconds};
        log << Json{{"step", mean.step},
                    {"loss", mean.loss},
                    {"retrieval", mean.retrieval},
                    {"detection", mean.detection},
                    {"seconds", mean.seconds}}
                   .dump()
            << std::endl;
        report(mean);
        sums = {};
        summed = 0;
      }
      if (step_ % options_.checkpoint_every == 0)
        if (auto ok = save(); !ok) return ok;
    }
    return save();
  }

 private:
  enum Group : std::uint8_t { kBackbone, kHeads };
  static std::vector<torch::optim::OptimizerParamGroup> groups(Learner& learner) {
    auto heads = learner->patch_head->parameters();
    for (auto& parameter : learner->quadrant_head->parameters()) heads.push_back(parameter);
    return {{learner->backbone->parameters()}, {std::move(heads)}};
  }
  /// Begins with an earlier run's weights.
  Result<void> take_up(const std::string& origin) {
    const auto weights = parse_safetensors(origin);
    if (!weights) return weights.error();
    const auto batch =
        draw_views(Random(options_.seed).fork(0).next(), kLookPictures, options_.patches, options_.threads);
    return set_weights(learner_->backbone, *weights,
                       to_tensor(batch.first, static_cast<std::int64_t>(batch.patches), device_));
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

  std::future<ViewBatch> draw(int step) const {
    return std::async(std::launch::async, [this, step] {
      const auto seed = Random(options_.seed).fork(static_cast<std::uint64_t>(step) + 1).next();
      return draw_views(seed, options_.pictures, options_.patches, options_.threads);
    });
  }

  Result<void> save() {
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
  std::string origin_;  // the file that this run began with
  int step_ = 0;
};

}  // namespace

Result<void> pretrain(const PretrainOptions& options, const std::function<void(const PretrainStep&)>& report,
                      const std::atomic<bool>& cancelled) {
  if (options.on_gpu && !torch::cuda::is_available()) return invalid_input("This LibTorch sees no GPU.");
  const ThreadCount limit(options.threads);  // what LibTorch sets for this thread ends with it
  torch::set_num_threads(options.threads);
  try {
    Run run(options, options.on_gpu ? torch::kCUDA : torch::kCPU);
    if (auto ok = run.open(); !ok) return ok;
    return run.go(report, cancelled);
  } catch (const c10::Error& e) {
    return internal_error(std::string("LibTorch: ") + e.what_without_backtrace());
  }
}

}  // namespace vedette
