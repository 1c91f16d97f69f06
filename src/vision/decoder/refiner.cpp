#include "vision/decoder/refiner.hpp"

#include <cmath>
#include <numbers>
#include <vector>

#include "base/random.hpp"
#include "vision/decoder/decoder.hpp"

namespace vedette {
namespace {

namespace F = torch::nn::functional;

constexpr std::int64_t kHidden = 16, kPixels = 16, kCell = 4, kPatch = 8, kColors = 3;
constexpr std::int64_t kMostCells = 1024;  // So many cells of a fold are learned from in a step.
constexpr int kEchoes = 3;  // Finding and copying cells takes as long as learning from them, so each counts so often.
constexpr double kRate = 4e-3, kDecay = 1e-2;

/// Returns whether a cell or one of its neighbours is marked, [crops, height, width].
torch::Tensor widened(const torch::Tensor& marked) {
  return torch::max_pool2d(marked.to(torch::kFloat).unsqueeze(1), 3, 1, 1).squeeze(1) > 0;
}

/// Returns weights whose outputs have about the deviation of their inputs. LibTorch's own random numbers are the
/// decoders', which must not depend on what is learned beside them.
torch::Tensor drawn(Random random, std::int64_t inputs, std::int64_t outputs) {
  auto out = torch::empty({inputs, outputs});
  const double scale = std::sqrt(1.0 / static_cast<double>(inputs));
  auto* values = out.data_ptr<float>();
  for (std::int64_t i = 0; i < inputs * outputs; ++i) values[i] = static_cast<float>(scale * random.normal());
  return out.requires_grad_();
}

torch::Tensor zeros(std::int64_t count) {
  return torch::zeros({count}).requires_grad_();
}

}  // namespace

Refiner::Refiner(std::int64_t channels, std::uint64_t seed)
    : channels_(channels),
      weights_(drawn(Random(seed).fork(1), 9 * channels + kColors * kPatch * kPatch, kHidden)),
      bias_(zeros(kHidden)),
      pixel_weights_(drawn(Random(seed).fork(2), kHidden, kPixels)),
      pixel_bias_(zeros(kPixels)),
      optimizer_({weights_, bias_, pixel_weights_, pixel_bias_},
                 torch::optim::AdamWOptions(kRate).weight_decay(kDecay)) {}

void Refiner::learn(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& coverage,
                    const torch::Tensor& light, const torch::Tensor& truth, double share) {
  torch::Tensor input, target;
  {
    const torch::NoGradGuard no_gradients;
    const auto crops = coverage.size(0), height = coverage.size(1), width = coverage.size(2);
    auto places = widened((coverage > 0) | (logits >= kRefinedFrom)).nonzero();
    places = places.slice(0, 0, places.size(0), places.size(0) / kMostCells + 1);
    const auto count = places.size(0);
    if (count < 2) return;  // There is nothing to learn from.
    const auto crop = places.select(1, 0), y = places.select(1, 1), x = places.select(1, 2);
    std::vector<torch::Tensor> neighbours;
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -1; dx <= 1; ++dx)
        neighbours.push_back((crop * height + (y + dy).clamp(0, height - 1)) * width + (x + dx).clamp(0, width - 1));
    const auto rows = features.permute({0, 2, 3, 1}).reshape({crops * height * width, channels_});
    const auto seen = rows.index({torch::stack(neighbours, 1).flatten()}).to(torch::kFloat);
    if (!means_.defined()) {
      means_ = seen.mean(0);
      scales_ = 1 / (seen.std(0) + 0.1);
    }
    // All views have the cell's place first: [crops, height, width, …].
    const auto patches = light.unfold(2, kPatch, kCell).unfold(3, kPatch, kCell).permute({0, 2, 3, 1, 4, 5});
    const auto pixels = truth.reshape({crops, height, kCell, width, kCell}).permute({0, 1, 3, 2, 4});
    input = torch::cat(
        {((seen - means_) * scales_).reshape({count, 9 * channels_}), patches.index({crop, y, x}).reshape({count, -1})},
        1);
    target = pixels.index({crop, y, x}).reshape({count, -1});
  }
  for (auto& group : optimizer_.param_groups())
    static_cast<torch::optim::AdamWOptions&>(group.options())
        .lr(kRate * (0.5 + 0.5 * std::cos(std::numbers::pi * share)));
  for (int echo = 0; echo < kEchoes; ++echo) {
    const auto logit = torch::addmm(pixel_bias_, torch::relu(torch::addmm(bias_, input, weights_)), pixel_weights_);
    const auto probability = torch::sigmoid(logit);
    const auto loss = F::binary_cross_entropy_with_logits(logit, target) + 0.5 -
                      (probability * target).sum() / ((probability + target).sum() + 1);
    optimizer_.zero_grad();
    loss.backward();
    optimizer_.step();
  }
}

std::map<std::string, torch::Tensor> Refiner::exported() const {
  const torch::NoGradGuard no_gradients;
  auto weights = weights_.detach().clone();
  auto bias = bias_.detach().clone();
  if (means_.defined()) {
    // What standardises the features becomes part of the weights that read them.
    auto own = weights.narrow(0, 0, 9 * channels_).view({9, channels_, kHidden});
    own.mul_(scales_.unsqueeze(1));
    bias -= (own * means_.unsqueeze(1)).flatten(0, 1).sum(0);
  }
  return {{"refine.weights", weights.unsqueeze(0)},
          {"refine.bias", bias.unsqueeze(0)},
          {"refine.pixel_weights", pixel_weights_.detach().unsqueeze(0)},
          {"refine.pixel_bias", pixel_bias_.detach().unsqueeze(0)}};
}

}  // namespace vedette
