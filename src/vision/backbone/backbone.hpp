#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vision/artifact/artifact.hpp"

/// Convolutional networks that describe a picture, as nodes of a graph: the shipped network, whose weights
/// `vedette-trainer pretrain` made (docs/pretraining.md) and which are compiled into the program, or a network that was
/// read from a file. Immutable; any thread may use it.
namespace vedette {

struct Backbone {
  std::map<std::string, Tensor> tensors;  ///< The names begin with "backbone.".
  /// They work on the value "image" [3, H, W], with H and W multiples of 16.
  std::vector<Node> nodes;
  std::array<std::string, 3> maps;            ///< The names of the outputs at strides 4, 8 and 16.
  std::array<std::int64_t, 3> channels = {};  ///< The number of channels of each map.
  /// A light-normalised picture (vision/image/light.hpp) is multiplied by this before it enters.
  double gain = 1;

  /// Appends the nodes to `all`, with `prefix` before their outputs, and with `image` in the place of "image". Returns
  /// the names of the maps.
  [[nodiscard]] std::array<std::string, 3> append(std::vector<Node>& all, const std::string& prefix,
                                                  const std::string& image) const;
};

inline constexpr double kLightSigma = 56;  ///< The neighbourhood, in pixels, in which detectors normalise the light.

/// Returns the shipped backbone: 3 × 3 convolutions with bias, ReLU and residual additions; batch norms are folded.
const Backbone& shipped_backbone();

/// Reads weights in the form of the shipped ones. Fails with invalid_input if stages or shapes do not fit together.
Result<Backbone> parse_backbone(std::string_view safetensors);

}  // namespace vedette
