#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vision/artifact/artifact.hpp"
#include "vision/backbone/backbone.hpp"

namespace vedette {

/// The sides of cells in pixels of the working size. kCoarseCell is the least value of InputSize::coarse_cell.
inline constexpr int kFineCell = 8, kCoarseCell = 16;
/// The number of pixels of the working size, unless there is a reason for more: 640 × 480.
inline constexpr double kInputPixels = 307'200;
/// The least side of the working size: the backbone's largest stride is 16, and the backbone also sees the picture at
/// half its size.
inline constexpr int kSmallestInput = 64;

/// The neighbourhood in which a close look normalises the light, in pixels of its own size.
inline constexpr double kCloseLightSigma = 28;
/// Pictures of so many pixels and more may get a close look, at a size of about kClosePixels.
inline constexpr double kCloseFrom = 8 * kInputPixels, kClosePixels = 1536.0 * 1536;

/// The rows and columns of cells.
struct CellGrid {
  int height = 0, width = 0;
  [[nodiscard]] std::int64_t cells() const { return static_cast<std::int64_t>(height) * width; }
};

/// A graph that describes each cell of a picture, and what the graph needs.
struct FeatureGraph {
  std::vector<Node> nodes;
  std::map<std::string, Tensor> tensors;
  std::array<std::string, 3> maps;  ///< The outputs of the backbone at strides 4, 8 and 16, [channels, …].
  std::string light;                ///< The output [3, input size]: the light-normalised picture.
  std::string color;                ///< The output [3, fine cells]: the mean colour, not normalised.
  std::string rows;                 ///< The output [fine cells, channels]: strides 4, 8, 16 and the colour, joined.
  /// The output with the same values averaged over coarse cells, and with what the backbone says of the picture at half
  /// its size.
  std::string coarse_rows;
  std::string edge_rows;  ///< The output [coarse cells, 44]: the energies of edges (Graph, edge_energies).
  CellGrid grid, coarse_grid;
};

struct InputSize {
  int height, width;
  int coarse_cell = kCoarseCell;  ///< It is larger in large pictures, so that there are about as many cells.
  /// The size at which small patches are looked at closely, in pixels; 0 unless the picture has many more pixels than
  /// the working size.
  int close_height = 0, close_width = 0;
  [[nodiscard]] bool has_close_look() const { return close_height > 0; }
  /// How many pixels of the working size one pixel of the map has on which registration works.
  [[nodiscard]] int reduction() const { return coarse_cell / 4; }
  [[nodiscard]] double pixels() const { return static_cast<double>(height) * width; }
};
/// Returns the size at which the network works. It has the picture's aspect and never exceeds the picture's own size.
/// It has about kInputPixels; or as many more as the small ones of the marked defects need, which are `small_defect`
/// pixels across in the original; or, without marks, twice as many for pictures of 1.2 megapixels and more. Pictures of
/// kCloseFrom pixels and more that have no marks, or whose marks need more than twice as many, get twice as many and a
/// close look.
InputSize choose_input_size(int image_height, int image_width, std::optional<double> small_defect);

/// Makes the graph of the backbone on the light-normalised picture. Because normalising removes absolute brightness,
/// each cell's mean colour is added. With a reference (registration.hpp, its sides reduced by InputSize::reduction())
/// everything is seen from where the reference sees the part; the value kTransform is then the transform that
/// find_pose() finds with the same `in_place`.
FeatureGraph make_feature_graph(const Backbone& backbone, InputSize input, const std::optional<Tensor>& reference,
                                std::optional<double> in_place);
/// The graph of the backbone alone on the light-normalised picture.
struct DescriptionGraph {
  std::vector<Node> nodes;
  std::string light;                ///< The output [3, size of the picture]: the light-normalised picture.
  std::array<std::string, 3> maps;  ///< The outputs at strides 4, 8 and 16.
};
DescriptionGraph make_description_graph(const Backbone& backbone);
inline constexpr const char* kTransform = "transform";

/// Makes room for a value in the range of a node's result (Graph, int8). A range only grows.
void widen_range(Node& node, float largest);

}  // namespace vedette
