#pragma once

#include <map>
#include <string>
#include <vector>

#include "vision/artifact/artifact.hpp"

/// The shipped backbone: weights that `vedette-trainer pretrain` made (docs/pretraining.md), compiled into the program, and the
/// nodes that run them. Immutable; safe from any thread.
namespace vedette {

/// Convolutions 3×3 with bias, ReLU and residual additions; batch norms are folded. Four stages, each halving the size.
struct Backbone {
  std::map<std::string, Tensor> tensors;  ///< "backbone.stages.S.B.weight" [out, in, 3, 3] and ".bias" [out]
  std::vector<int> blocks;                ///< convolutions per stage
  std::vector<std::int64_t> channels;     ///< of each stage's map

  /// Appends the nodes that describe `image` [3, H, W], H and W multiples of 16, as trained on: 4 · (picture − 0.5), or
  /// kNormalizedGain times a light-normalised one. Returns the names of the maps at strides 2, 4, 8 and 16.
  [[nodiscard]] std::vector<std::string> append(std::vector<Node>& nodes, const std::string& prefix,
                                                const std::string& image) const;
};

/// What a light-normalised picture (vision/image/light.hpp) is multiplied with before it enters.
inline constexpr double kNormalizedGain = 0.8;
inline constexpr double kLightSigma = 56;  ///< pixels: the neighbourhood in which detectors normalise

/// The weights that ship.
const Backbone& shipped_backbone();

/// Reads weights in the shipped form. Fails with invalid_input if stages or shapes do not fit together.
Result<Backbone> parse_backbone(std::string_view safetensors);

}  // namespace vedette
