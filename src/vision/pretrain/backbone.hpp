#pragma once

#include <torch/torch.h>

#include <array>
#include <filesystem>
#include <map>
#include <string>

#include "base/result.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {

/// A 3×3 convolution, batch norm and ReLU. If stride and channels allow it, the input is added before the ReLU.
struct ConvBlockImpl : torch::nn::Module {
  ConvBlockImpl(int in, int out, int stride);
  torch::Tensor forward(const torch::Tensor& x);
  torch::nn::Conv2d convolution{nullptr};
  torch::nn::BatchNorm2d norm{nullptr};
  bool is_residual;
};
TORCH_MODULE(ConvBlock);

/// Turns RGB pictures [n, 3, h, w], 0 … 1, into maps at strides 2, 4, 8 and 16.
struct BackboneImpl : torch::nn::Module {
  static constexpr int kStages = 4;
  static constexpr int kChannels[kStages] = {24, 48, 96, 192};
  static constexpr int kBlocks[kStages] = {2, 3, 4, 4};
  BackboneImpl();
  /// Returns the three deepest maps, at strides 4, 8 and 16.
  std::array<torch::Tensor, 3> forward(const torch::Tensor& images);
  std::vector<torch::nn::Sequential> stages;
  torch::Dtype precision = torch::kFloat;  ///< The precision of maps and products; the weights stay fp32.
};
TORCH_MODULE(Backbone);

/// Writes the weights as fp16, with batch norms folded into their convolutions, and `metadata` (JSON text) beside them:
///   stages.S.B.weight [out, in, 3, 3]   stages.S.B.bias [out]
/// The format is safetensors (https://github.com/huggingface/safetensors). Fails with internal if the file cannot be
/// written.
Result<void> write_weights(Backbone& backbone, const std::filesystem::path& path, const std::string& metadata);

/// Gives the backbone the weights that write_weights() wrote. The batch norms take up the statistics of `images` [n, 3,
/// h, w], so that the backbone describes those as it did when it was written. Fails with invalid_input if the layers or
/// shapes are others.
Result<void> set_weights(Backbone& backbone, const std::map<std::string, Tensor>& weights, const torch::Tensor& images);

}  // namespace vedette
