#include "vision/decoder/refiner.hpp"

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/random.hpp"
#include "vision/decoder/decoder.hpp"

namespace vedette {
namespace {

namespace F = torch::nn::functional;

constexpr std::int64_t kHidden = 16, kPixels = 16, kCell = 4, kMargin = 2, kPatch = 8, kColors = 3;
constexpr std::int64_t kMostCells = 1024;  // So many cells of a fold are learned from in a step.
constexpr int kEchoes = 3;  // Finding and copying cells takes as long as learning from them, so each counts so often.
constexpr double kRate = 4e-3, kDecay = 1e-2;

/// Returns whether a cell or one of its neighbours is marked, [crops, height, width].
torch::Tensor widened(const torch::Tensor& marked) {
  return torch::max_pool2d(marked.to(torch::kFloat).unsqueeze(1), 3, 1, 1).squeeze(1) > 0;
}

torch::Tensor leaf(std::vector<float> values, torch::IntArrayRef shape) {
  return torch::from_blob(values.data(), shape).clone().requires_grad_();
}

/// Returns weights whose outputs have about the deviation of their inputs. LibTorch's own random numbers are the
/// decoders', which must not depend on what is learned beside them.
torch::Tensor drawn(Random random, torch::IntArrayRef shape) {
  std::vector<float> values(static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
  const double scale = std::sqrt(1.0 / static_cast<double>(shape[1]));
  for (auto& v : values) v = static_cast<float>(scale * random.normal());
  return leaf(std::move(values), shape);
}

torch::Tensor zeros(torch::IntArrayRef shape) {
  return torch::zeros(shape).requires_grad_();
}

Tensor to_plain(const torch::Tensor& tensor) {
  const auto values = tensor.detach().contiguous();
  return Tensor::make(values.sizes().vec(),
                      std::vector<float>(values.data_ptr<float>(), values.data_ptr<float>() + values.numel()));
}

}  // namespace

Refiner::Refiner(std::int64_t folds, std::int64_t channels, std::uint64_t seed)
    : folds_(folds),
      channels_(channels),
      weights_(drawn(Random(seed).fork(1), {folds, 9 * channels + kColors * kPatch * kPatch, kHidden})),
      bias_(zeros({folds, kHidden})),
      pixel_weights_(drawn(Random(seed).fork(2), {folds, kHidden, kPixels})),
      pixel_bias_(zeros({folds, kPixels})),
      optimizer_({weights_, bias_, pixel_weights_, pixel_bias_},
                 torch::optim::AdamWOptions(kRate).weight_decay(kDecay)) {}

void Refiner::learn(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& light,
                    const torch::Tensor& truth, const torch::Tensor& teaches, double share) {
  std::vector<torch::Tensor> inputs, seen_pixels, targets;
  {
    const torch::NoGradGuard no_gradients;
    const auto crops = truth.size(0), height = truth.size(1) / kCell, width = truth.size(2) / kCell;
    // All views have the cell's place first: [crops, height, width, …].
    const auto patches = F::pad(light, F::PadFuncOptions({kMargin, kMargin, kMargin, kMargin}).mode(torch::kReplicate))
                             .unfold(2, kPatch, kCell)
                             .unfold(3, kPatch, kCell)
                             .permute({0, 2, 3, 1, 4, 5});
    const auto pixels = truth.reshape({crops, height, kCell, width, kCell}).permute({0, 1, 3, 2, 4});
    const auto is_covered = widened(truth.reshape({crops, height, kCell, width, kCell}).amax({2, 4}) > 0);
    for (std::int64_t f = 0; f < folds_; ++f) {
      const auto chosen = (is_covered | widened(logits.select(1, f) >= kRefinedFrom)) &
                          (teaches.select(1, f) > 0).unsqueeze(1).unsqueeze(2);
      auto places = chosen.nonzero();
      const auto every = places.size(0) / kMostCells + 1;
      places = places.slice(0, 0, places.size(0), every);
      const std::array<torch::Tensor, 3> at = {places.select(1, 0), places.select(1, 1), places.select(1, 2)};
      const auto count = places.size(0);
      const auto rows = features.narrow(1, f * channels_, channels_).permute({0, 2, 3, 1});
      std::vector<torch::Tensor> neighbours;
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx)
          neighbours.push_back(
              rows.index({at[0], (at[1] + dy).clamp(0, height - 1), (at[2] + dx).clamp(0, width - 1)}));
      inputs.push_back(torch::stack(neighbours, 1).to(torch::kFloat));
      seen_pixels.push_back(patches.index({at[0], at[1], at[2]}).reshape({count, -1}));
      targets.push_back(pixels.index({at[0], at[1], at[2]}).reshape({count, -1}));
    }
    if (!means_.defined()) {
      std::vector<torch::Tensor> means, scales;
      for (const auto& seen : inputs) {
        const auto all = seen.reshape({-1, channels_});
        means.push_back(all.size(0) > 1 ? all.mean(0) : torch::zeros({channels_}));
        scales.push_back(all.size(0) > 1 ? 1 / (all.std(0) + 0.1) : torch::ones({channels_}));
      }
      means_ = torch::stack(means);
      scales_ = torch::stack(scales);
    }
    for (std::int64_t f = 0; f < folds_; ++f) {
      auto& seen = inputs[static_cast<std::size_t>(f)];
      seen = torch::cat({((seen - means_[f]) * scales_[f]).flatten(1), seen_pixels[static_cast<std::size_t>(f)]}, 1);
    }
  }
  for (auto& group : optimizer_.param_groups())
    static_cast<torch::optim::AdamWOptions&>(group.options())
        .lr(kRate * (0.5 + 0.5 * std::cos(std::numbers::pi * share)));
  for (int echo = 0; echo < kEchoes; ++echo) {
    auto loss = torch::zeros({});
    for (std::int64_t f = 0; f < folds_; ++f) {
      const auto& in = inputs[static_cast<std::size_t>(f)];
      const auto& target = targets[static_cast<std::size_t>(f)];
      if (in.size(0) == 0) continue;
      const auto hidden = torch::relu(torch::addmm(bias_[f], in, weights_[f]));
      const auto logit = torch::addmm(pixel_bias_[f], hidden, pixel_weights_[f]);
      const auto probability = torch::sigmoid(logit);
      loss = loss + F::binary_cross_entropy_with_logits(logit, target) + 0.5 -
             (probability * target).sum() / ((probability + target).sum() + 1);
    }
    if (!loss.requires_grad()) return;  // There was nothing to learn from.
    optimizer_.zero_grad();
    loss.backward();
    optimizer_.step();
  }
}

std::map<std::string, Tensor> Refiner::exported() const {
  const torch::NoGradGuard no_gradients;
  // What standardises the features becomes part of the weights that read them.
  auto weights = weights_.detach().clone();
  auto bias = bias_.detach().clone();
  if (means_.defined()) {
    auto own = weights.narrow(1, 0, 9 * channels_).reshape({folds_, 9, channels_, kHidden});
    own = own * scales_.reshape({folds_, 1, channels_, 1});
    bias = bias - (own * means_.reshape({folds_, 1, channels_, 1})).sum({1, 2});
    weights = torch::cat({own.reshape({folds_, 9 * channels_, kHidden}),
                          weights.narrow(1, 9 * channels_, weights.size(1) - 9 * channels_)},
                         1);
  }
  return {{"decoder.refine.weights", to_plain(weights)},
          {"decoder.refine.bias", to_plain(bias)},
          {"decoder.refine.pixel_weights", to_plain(pixel_weights_)},
          {"decoder.refine.pixel_bias", to_plain(pixel_bias_)}};
}

}  // namespace vedette
