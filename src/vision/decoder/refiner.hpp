#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>

#include "vision/artifact/artifact.hpp"

/// What finds the pixels of a defect within the decoders' cells. Internal to vision/decoder.
namespace vedette {

/// Small networks, one per fold, that look at single cells: at those which a decoder holds for defective, and at their
/// neighbours. Each reads the decoder's features of the cell and its neighbours and 8 × 8 pixels of the light-normalised
/// picture, and says of each of the cell's 16 pixels whether it belongs to the defect (after PointRend: Kirillov et al.,
/// CVPR 2020). They change nothing in the decoders. The operation `refine` (infer/graph.hpp) runs them.
class Refiner {
 public:
  Refiner(std::int64_t folds, std::int64_t channels, std::uint64_t seed);
  /// Takes one step at the given share, 0 … 1, of all steps.
  /// features  [crops, folds · channels, height, width], what the decoders' last layer reads
  /// logits    [crops, folds, height, width]             the decoders' own of a defect
  /// light     [crops, 3, 4 · height, 4 · width]
  /// truth     [crops, 4 · height, 4 · width]            1 where there is a defect
  /// teaches   [crops, folds]                            1 if the fold may learn from the crop
  void learn(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& light,
             const torch::Tensor& truth, const torch::Tensor& teaches, double share);
  /// Returns the weights as the operation `refine` takes them, "decoder.refine.<role>".
  [[nodiscard]] std::map<std::string, Tensor> exported() const;

 private:
  std::int64_t folds_, channels_;
  torch::Tensor weights_, bias_, pixel_weights_, pixel_bias_;  ///< Of all folds, as the operation takes them.
  torch::Tensor means_, scales_;  ///< Of the features, [folds, channels]; from the first step.
  torch::optim::AdamW optimizer_;
};

}  // namespace vedette
