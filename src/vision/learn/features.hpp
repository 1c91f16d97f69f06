#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vision/artifact/artifact.hpp"

namespace vedette {

/// A graph that describes each cell of a picture by fixed filters, and what it needs.
struct FeatureGraph {
  std::vector<Node> nodes;
  std::map<std::string, Tensor> tensors;
  std::vector<std::string> features;  ///< one per light variant: [channels, grid height, grid width]
  std::vector<std::string> outputs;   ///< one per light variant: [cells, channels]
  int grid_height = 0;
  int grid_width = 0;
};

/// The light variants, in the order of FeatureGraph::outputs.
inline const std::vector<std::string> kLightVariants = {"raw", "light"};

struct InputSize {
  int height, width;
};
/// The size the network works at: the picture's own, reduced to about 307,000 pixels at equal aspect, sides multiples
/// of 16.
InputSize choose_input_size(int image_height, int image_width);

/// Gaussian derivatives up to second order and Laplacians (Lindeberg 1994; Leung & Malik, IJCV 2001) on luminance and
/// two opponent colours over four octaves, each as local mean magnitude (energy), beside local means and the signed
/// responses of the coarse octaves; cells of 8×8 pixels. Once on the picture as it is and once on the light-normalised
/// one. With a reference (registration.hpp, [height / 4, width / 4]) all of it is seen from where the reference sees
/// the part; the transform is then the value kTransform.
FeatureGraph make_feature_graph(InputSize input, const std::optional<Tensor>& reference);
inline constexpr const char* kTransform = "transform";
/// Pixels of the reference map per cell, for warping maps back.
inline constexpr double kCellsPerReferencePixel = 0.5;

}  // namespace vedette
