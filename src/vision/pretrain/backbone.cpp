#include "vision/pretrain/backbone.hpp"

#include <nlohmann/json.hpp>

#include "base/files.hpp"

namespace vedette {
namespace nn = torch::nn;

namespace {

torch::Tensor prepared(const torch::Tensor& images) {
  return ((images - 0.5) * 4).contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace

ConvBlockImpl::ConvBlockImpl(int in, int out, int stride) : is_residual(stride == 1 && in == out) {
  convolution =
      register_module("convolution", nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false)));
  norm = register_module("norm", nn::BatchNorm2d(out));
  nn::init::kaiming_normal_(convolution->weight, 0, torch::kFanOut, torch::kReLU);
}

torch::Tensor ConvBlockImpl::forward(const torch::Tensor& x) {
  const auto& o = convolution->options;
  auto y = norm(torch::conv2d(x, convolution->weight.to(x.dtype()), {}, o.stride(), torch::IntArrayRef{1, 1}));
  if (is_residual) y = y + x;
  return torch::relu(y);
}

BackboneImpl::BackboneImpl() {
  int in = 3;
  for (int s = 0; s < kStages; ++s) {
    nn::Sequential stage;
    for (int b = 0; b < kBlocks[s]; ++b) {
      stage->push_back(ConvBlock(in, kChannels[s], b == 0 ? 2 : 1));
      in = kChannels[s];
    }
    stages.push_back(register_module("stage" + std::to_string(s), stage));
  }
}

std::array<torch::Tensor, 3> BackboneImpl::forward(const torch::Tensor& images) {
  auto x = prepared(images).to(precision);
  std::array<torch::Tensor, kStages> maps;
  for (std::size_t s = 0; s < kStages; ++s) x = maps[s] = stages[s]->forward(x);
  return {maps[1].to(torch::kFloat), maps[2].to(torch::kFloat), maps[3].to(torch::kFloat)};
}

Result<void> write_weights(Backbone& backbone, const std::filesystem::path& path, const std::string& metadata) {
  const torch::NoGradGuard no_gradients;
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"recipe", metadata}};
  std::string blob;
  const auto add = [&](const std::string& name, const torch::Tensor& values) {
    const auto half = values.to(torch::kCPU, torch::kHalf).contiguous();
    const auto begin = blob.size();
    blob.append(static_cast<const char*>(half.data_ptr()), half.nbytes());
    header[name] = {{"dtype", "F16"}, {"shape", half.sizes().vec()}, {"data_offsets", {begin, blob.size()}}};
  };
  for (std::size_t s = 0; s < backbone->stages.size(); ++s)
    for (std::size_t b = 0; b < backbone->stages[s]->size(); ++b) {
      auto& block = backbone->stages[s]->at<ConvBlockImpl>(b);
      const auto& norm = block.norm;
      const auto scale = norm->weight / torch::sqrt(norm->running_var + norm->options.eps());
      const auto name = "stages." + std::to_string(s) + "." + std::to_string(b);
      add(name + ".weight", block.convolution->weight * scale.reshape({-1, 1, 1, 1}));
      add(name + ".bias", norm->bias - norm->running_mean * scale);
    }
  auto text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string file;
  for (std::uint64_t size = text.size(), i = 0; i < 8; ++i) file += static_cast<char>(size >> (8 * i) & 0xFF);
  return write_file_atomically(path, file + text + blob);
}

Result<void> set_weights(Backbone& backbone, const std::map<std::string, Tensor>& weights,
                         const torch::Tensor& images) {
  const torch::NoGradGuard no_gradients;
  const auto fill = [&](const std::string& name, torch::Tensor& to) -> Result<void> {
    const auto found = weights.find(name);
    if (found == weights.end() || found->second.shape != to.sizes().vec())
      return invalid_input("The weights are not of this backbone: " + name + ".");
    to.copy_(torch::from_blob(const_cast<float*>(found->second.data()), to.sizes()));
    return {};
  };
  auto x = prepared(images);
  for (std::size_t s = 0; s < backbone->stages.size(); ++s)
    for (std::size_t b = 0; b < backbone->stages[s]->size(); ++b) {
      auto& block = backbone->stages[s]->at<ConvBlockImpl>(b);
      auto& norm = *block.norm;
      const auto name = "stages." + std::to_string(s) + "." + std::to_string(b);
      if (auto ok = fill(name + ".weight", block.convolution->weight); !ok) return ok;
      if (auto ok = fill(name + ".bias", norm.bias); !ok) return ok;
      const auto seen = block.convolution(x);
      norm.running_mean.copy_(seen.mean({0, 2, 3}));
      norm.running_var.copy_(seen.var({0, 2, 3}, false));
      norm.weight.copy_(torch::sqrt(norm.running_var + norm.options.eps()));
      norm.bias.add_(norm.running_mean);
      auto y = seen + (norm.bias - norm.running_mean).reshape({1, -1, 1, 1});
      x = torch::relu(block.is_residual ? y + x : y);
    }
  return {};
}

}  // namespace vedette
