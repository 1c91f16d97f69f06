#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vision/artifact/artifact.hpp"

/// Convolutional networks that describe a picture, as nodes of a graph: the shipped one, whose weights `vedette-trainer pretrain` made
/// (docs/pretraining.md) and which are compiled into the program, or one that was read from a file. Immutable; safe from any thread.
namespace vedette {

struct Backbone {
  std::map<std::string, Tensor> tensors;      ///< names begin with "backbone."
  std::vector<Node> nodes;                    ///< on the value "image" [3, H, W], H and W multiples of 16
  std::array<std::string, 3> maps;            ///< outputs at strides 4, 8 and 16
  std::array<std::int64_t, 3> channels = {};  ///< of each map
  /// What a light-normalised picture (vision/image/light.hpp) is multiplied with before it enters.
  double gain = 1;

  /// Appends the nodes with `prefix` before their outputs, `image` in the place of "image". Returns the names of the maps.
  [[nodiscard]] std::array<std::string, 3> append(std::vector<Node>& all, const std::string& prefix,
                                                  const std::string& image) const;
};

inline constexpr double kLightSigma = 56;  ///< pixels: the neighbourhood in which detectors normalise

/// The one that ships: convolutions 3 × 3 with bias, ReLU and residual additions; batch norms are folded.
const Backbone& shipped_backbone();

/// Reads weights in the shipped form. Fails with invalid_input if stages or shapes do not fit together.
Result<Backbone> parse_backbone(std::string_view safetensors);

}  // namespace vedette
