#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/examples.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/registration.hpp"

namespace vedette {

/// Finds what a model's memory bank holds that is most like a place of a picture. The rows of the bank are descriptions
/// of real places in good training pictures, so people can be shown what the model compares a place with.
///   Roth et al., CVPR 2022 (arXiv:2106.08265), section 3
/// It is not thread-safe. Calls run on as many threads as the calling thread may use (base/parallel.hpp).
class BankSearch {
 public:
  /// A cell of the bank's grid. If there is registration, the grid lies over the registered picture.
  struct Cell {
    int row = 0, column = 0;
  };

  /// Plans the part of a model's graph that describes the cells. Returns nothing if the model has no memory bank, or one
  /// that does not fit the graph.
  static std::optional<BankSearch> plan(const Artifact& artifact, Precision precision = best_precision());

  [[nodiscard]] std::size_t rows() const { return static_cast<std::size_t>(bank_.size(0)); }
  [[nodiscard]] int height() const { return height_; }  ///< of the grid
  [[nodiscard]] int width() const { return width_; }
  /// Returns whether pictures are registered before their cells are described.
  [[nodiscard]] bool is_registered() const { return !pose_.empty(); }
  /// Returns whether a row was described from pictures of this fold.
  [[nodiscard]] bool is_of_fold(std::size_t row, std::int64_t fold) const;

  /// Describes the cells of a picture. All functions below speak of this picture.
  void look(const RgbImage& image);
  /// Returns the cell that is farthest from all rows of the bank, or, with `fold`, from all that are not of this fold.
  [[nodiscard]] Cell oddest(std::optional<std::int64_t> fold) const;
  /// Returns the row that is nearest to a cell of the grid, among the rows that count, or nothing if none counts.
  [[nodiscard]] std::optional<std::size_t> nearest(Cell cell, const std::function<bool(std::size_t row)>& counts) const;
  /// Returns the cell at a point of the picture. What lies outside of the grid gets the cell at its edge.
  [[nodiscard]] Cell cell_at(PicturePoint point) const;
  /// Returns where the middle of a cell lies in the picture.
  [[nodiscard]] PicturePoint middle_of(Cell cell) const;
  /// Returns the picture at the working size; if there is a reference, it is seen from the reference's point of view.
  [[nodiscard]] const Planes& seen() const { return seen_; }

 private:
  explicit BankSearch(Graph graph) : graph_(std::move(graph)) {}

  Graph graph_;
  Tensor bank_, groups_;
  std::string embeddings_, distances_;
  std::string pose_, registered_;  ///< empty without registration
  double scale_ = 1;               ///< pixels of the working size per pixel of the map that the pose was found on
  int height_ = 0, width_ = 0, input_height_ = 0, input_width_ = 0;
  RigidTransform transform_;
  Planes seen_;
};

}  // namespace vedette
