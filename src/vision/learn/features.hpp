#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vision/artifact/artifact.hpp"
#include "vision/backbone/backbone.hpp"

namespace vedette {

/// Sides of cells in pixels of the working size; kCoarseCell is the least that InputSize::coarse_cell may be.
inline constexpr int kFineCell = 8, kCoarseCell = 16;
/// Pixels of the working size, unless there is a reason for more: 640 × 480.
inline constexpr double kInputPixels = 307'200;
/// Least side of the working size: the backbone's largest stride is 16, and it sees half the picture, too.
inline constexpr int kSmallestInput = 64;

/// Rows and columns of cells.
struct CellGrid {
  int height = 0, width = 0;
  [[nodiscard]] std::int64_t cells() const { return static_cast<std::int64_t>(height) * width; }
};

/// A graph that describes each cell of a picture, and what it needs.
struct FeatureGraph {
  std::vector<Node> nodes;
  std::map<std::string, Tensor> tensors;
  std::array<std::string, 3> maps;  ///< outputs: the backbone's at strides 4, 8 and 16, [channels, …]
  std::string color;                ///< output [3, fine cells]: mean colour, not normalised
  std::string rows;                 ///< output [fine cells, channels]: strides 4, 8, 16 and colour joined
  /// Output: the same averaged over coarse cells, and what the backbone says of the picture at half its size.
  std::string coarse_rows;
  CellGrid grid, coarse_grid;
};

struct InputSize {
  int height, width;
  int coarse_cell = kCoarseCell;  ///< larger in large pictures, so that there are about as many
  /// Pixels of the working size per pixel of the map that registration works on.
  [[nodiscard]] int reduction() const { return coarse_cell / 4; }
  [[nodiscard]] double pixels() const { return static_cast<double>(height) * width; }
};
/// The size the network works at, at the picture's aspect and never above its own: about kInputPixels; as many more as the small ones of
/// the marked defects need, `small_defect` pixels across in the original, up to 4096 × 4096; without marks, twice as many for pictures of 1.2 megapixels
/// and more.
InputSize choose_input_size(int image_height, int image_width, std::optional<double> small_defect);

/// The backbone on the light-normalised picture, and, since normalising takes absolute brightness away, each cell's mean colour.
/// With a reference (registration.hpp, its sides reduced by InputSize::reduction()) all of it is seen from where the reference sees the part; the
/// transform is then the value kTransform, find_pose()'s with the same `in_place`.
FeatureGraph make_feature_graph(const Backbone& backbone, InputSize input, const std::optional<Tensor>& reference,
                                std::optional<double> in_place);
/// The backbone alone on the light-normalised picture.
struct DescriptionGraph {
  std::vector<Node> nodes;
  std::array<std::string, 3> maps;  ///< outputs: at strides 4, 8 and 16
};
DescriptionGraph make_description_graph(const Backbone& backbone);
inline constexpr const char* kTransform = "transform";

}  // namespace vedette
