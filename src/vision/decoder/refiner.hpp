#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>

/// What finds the pixels of a defect within the decoders' cells. Internal to vision/decoder.
namespace vedette {

/// A small network of one fold, that looks at single cells: at those which the decoder holds for defective, and at their
/// neighbours. It reads the decoder's features of the cell and its neighbours and 8 × 8 pixels of the light-normalised
/// picture, and says of each of the cell's 16 pixels whether it belongs to the defect (after PointRend: Kirillov et al.,
/// CVPR 2020). It changes nothing in the decoder. The operation `refine` (infer/graph.hpp) runs those of all folds.
class Refiner {
 public:
  static constexpr std::int64_t kMargin = 2;  ///< So many pixels around a cell are seen, too.
  Refiner(std::int64_t channels, std::uint64_t seed);
  /// Takes one step at the given share, 0 … 1, of all steps.
  /// features  [crops, channels, height, width], channels last: what the decoder's last layer reads
  /// logits    [crops, height, width]: the decoder's own of a defect
  /// coverage  [crops, height, width]: the share of the cell that a defect covers
  /// light     [crops, 3, 4 · height + 2 · kMargin, 4 · width + 2 · kMargin]: the light-normalised picture, continued
  /// truth     [crops, 4 · height, 4 · width]: 1 where there is a defect
  void learn(const torch::Tensor& features, const torch::Tensor& logits, const torch::Tensor& coverage,
             const torch::Tensor& light, const torch::Tensor& truth, double share);
  /// Returns the weights as the operation `refine` takes them, "refine.<role>"; each is [1, …], for one fold.
  [[nodiscard]] std::map<std::string, torch::Tensor> exported() const;

 private:
  std::int64_t channels_;
  torch::Tensor weights_, bias_, pixel_weights_, pixel_bias_;
  torch::Tensor means_, scales_;  ///< Of the features, [channels]; from the first step.
  torch::optim::AdamW optimizer_;
};

}  // namespace vedette
