#pragma once

#include <torch/torch.h>

#include "vision/pretrain/backbone.hpp"
#include "vision/pretrain/views.hpp"

namespace vedette {

/// The backbone, and the heads that only the loss sees.
struct LearnerImpl : torch::nn::Module {
  LearnerImpl();
  Backbone backbone{nullptr};
  torch::nn::Sequential patch_head{nullptr}, quadrant_head{nullptr}, cell_head{nullptr}, fine_cell_head{nullptr};
  /// Returns the parameters of the heads.
  [[nodiscard]] std::vector<torch::Tensor> heads() const;
};
TORCH_MODULE(Learner);

/// What one step reaches. All are numbers on the device of the views.
struct Outcome {
  torch::Tensor loss;
  torch::Tensor retrieval;  ///< The share of patches whose nearest other view is their own.
  /// The share of visibly damaged patches that are farther from a view than the undamaged patch is.
  torch::Tensor detection;
  torch::Tensor small_detection;  ///< The same for cells of the stride-8 map with small and faint damage.
};

/// Computes the loss (docs/pretraining.md) of views that were cut from pictures, `patches_per_picture` from each.
Outcome learn(Learner& learner, const Views& views, int patches_per_picture, double temperature);

}  // namespace vedette
