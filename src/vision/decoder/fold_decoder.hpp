#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vision/decoder/crops.hpp"
#include "vision/decoder/refiner.hpp"

/// One fold's decoder, and what it learns from. Internal to vision/decoder.
namespace vedette {

/// The places of a decoder's inputs among the maps.
enum MapPlace : std::size_t { kStride4, kStride8, kStride16, kDistances, kMapCount };

/// What standardises the maps, because the channels of the backbone differ in scale by orders of magnitude. All tensors
/// are [1, channels, 1, 1].
struct Scales {
  explicit Scales(const std::vector<Crop>& crops);
  std::array<torch::Tensor, kMapCount> means, factors;
};

/// A crop as tensors. The first of their dimensions is 1.
struct Lesson {
  Lesson(const Crop& crop, const Scales& scales);
  std::array<torch::Tensor, kMapCount> maps;  ///< Standardised, channels last, in the precision of products.
  torch::Tensor coverage, labels, light, truth;
  bool is_real;
};

/// The decoder of a fold and its refiner. The members are not thread-safe, but different decoders may learn at the same
/// time.
class FoldDecoder {
 public:
  /// Begins with weights that LibTorch's default generator draws.
  FoldDecoder(const Scales& scales, std::int64_t labels, std::uint64_t seed);
  /// Takes one step and returns the loss. Lessons of real pictures come before others. If `refined` is given, the
  /// refiner takes a step, too, at that share of its steps.
  double learn(const std::vector<const Lesson*>& lessons, double rate_factor, std::optional<double> refined);
  /// Returns the weights, which read maps that are not standardised, and those of the refiner.
  [[nodiscard]] std::map<std::string, torch::Tensor> exported(const Scales& scales) const;

 private:
  struct Output {
    torch::Tensor features, logits;  ///< The last layer turns features into logits.
  };
  [[nodiscard]] Output forward(std::array<torch::Tensor, kMapCount> maps);
  [[nodiscard]] torch::Tensor loss(const torch::Tensor& logits, const torch::Tensor& coverage,
                                   const torch::Tensor& labels) const;

  torch::nn::Conv2d lateral16_, distance8_, lateral8_, lateral4_, merge8_, merge4_, out_;
  std::vector<std::pair<std::string, torch::nn::Conv2d>> layers_;
  std::int64_t labels_;
  at::Generator chance_;  ///< Of dropout.
  std::optional<torch::optim::AdamW> optimizer_;
  Refiner refiner_;
};

}  // namespace vedette
