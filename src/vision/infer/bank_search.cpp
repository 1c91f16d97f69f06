#include "vision/infer/bank_search.hpp"

#include <algorithm>
#include <cmath>

#include "vision/infer/infer.hpp"
#include "vision/infer/row_distance.hpp"

namespace vedette {

std::optional<BankSearch> BankSearch::plan(const Artifact& artifact, Precision precision) {
  const auto& m = artifact.manifest;
  const auto find = [&](const char* op) {
    return std::find_if(m.graph.begin(), m.graph.end(), [&](const auto& node) { return node.op == op; });
  };
  const auto search = find("nearest_distance"), warp = find("warp_to_reference");
  if (search == m.graph.end()) return std::nullopt;
  std::vector<std::string> outputs = {search->output, search->inputs.at(0)};
  const bool is_registered = warp != m.graph.end();
  if (is_registered) outputs.insert(outputs.end(), {warp->inputs.at(1), warp->output});
  auto graph = Graph::plan(m.graph, artifact.tensors, outputs, m.input_height, m.input_width, precision);
  if (!graph) return std::nullopt;
  BankSearch out(std::move(*graph));
  out.bank_ = artifact.tensors.at(search->tensors.at("bank"));
  out.groups_ = artifact.tensors.at(search->tensors.at("groups"));
  out.distances_ = search->output, out.embeddings_ = search->inputs[0];
  out.input_height_ = m.input_height, out.input_width_ = m.input_width;
  const auto& shape = out.graph_.output(out.distances_).shape;
  out.height_ = static_cast<int>(shape[1]), out.width_ = static_cast<int>(shape[2]);
  if (!is_registered) return out;
  out.pose_ = warp->inputs[1], out.registered_ = warp->output;
  out.scale_ = warp->numbers.at("scale");
  return out;
}

bool BankSearch::is_of_fold(std::size_t row, std::int64_t fold) const {
  if (fold < 0 || fold + 1 >= static_cast<std::int64_t>(groups_.count)) return false;
  const auto place = static_cast<float>(row);
  return place >= groups_.data()[fold] && place < groups_.data()[fold + 1];
}

void BankSearch::look(const RgbImage& image) {
  seen_ = resize_to_planes(image, input_height_, input_width_);
  if (const auto* close = graph_.close_picture())
    close_picture(image, static_cast<int>(close->shape[1]), static_cast<int>(close->shape[2]), close->data.data());
  graph_.run(seen_);
  if (pose_.empty()) return;
  seen_.values = graph_.output(registered_).copy();
  const auto& pose = graph_.output(pose_).data;
  transform_ = {pose[0] * scale_, pose[1] * scale_, pose[2]};
}

BankSearch::Cell BankSearch::oddest(std::optional<std::int64_t> fold) const {
  const auto& distances = graph_.output(distances_);
  const auto groups = static_cast<std::size_t>(distances.shape[0]);
  const auto cells = static_cast<std::size_t>(height_) * static_cast<std::size_t>(width_);
  std::size_t oddest = 0;
  float farthest = -1;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    float nearest = HUGE_VALF;
    for (std::size_t g = 0; g < groups; ++g)
      if (!fold || static_cast<std::size_t>(*fold) != g) nearest = std::min(nearest, distances.data[g * cells + cell]);
    if (nearest > farthest) farthest = nearest, oddest = cell;
  }
  return {static_cast<int>(oddest) / width_, static_cast<int>(oddest) % width_};
}

std::optional<std::size_t> BankSearch::nearest(Cell cell, const std::function<bool(std::size_t row)>& counts) const {
  const auto components = static_cast<std::size_t>(bank_.size(1));
  const float* own =
      graph_.output(embeddings_).data.data() +
      (static_cast<std::size_t>(cell.row) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(cell.column)) *
          components;
  std::optional<std::size_t> best;
  double best_square = HUGE_VAL;
  for (std::size_t row = 0; row < rows(); ++row) {
    if (!counts(row)) continue;
    const double square = squared_distance(own, bank_.data() + row * components, static_cast<std::int64_t>(components));
    if (square < best_square) best_square = square, best = row;
  }
  return best;
}

BankSearch::Cell BankSearch::cell_at(PicturePoint point) const {
  // Pixel centres lie at half-integers here, and at integers where pictures are warped.
  const MapPoint in_picture{point.y * input_height_ - 0.5, point.x * input_width_ - 0.5};
  const auto [y, x] = to_reference(transform_, in_picture, input_height_, input_width_);
  const auto cell = [](double at, int pixels, int cells) {
    return static_cast<int>(std::clamp((at + 0.5) * cells / pixels, 0.0, cells - 1.0));
  };
  return {cell(y, input_height_, height_), cell(x, input_width_, width_)};
}

PicturePoint BankSearch::middle_of(Cell cell) const {
  const MapPoint in_reference{(cell.row + 0.5) * input_height_ / height_ - 0.5,
                              (cell.column + 0.5) * input_width_ / width_ - 0.5};
  const auto [y, x] = from_reference(transform_, in_reference, input_height_, input_width_);
  return {std::clamp((y + 0.5) / input_height_, 0.0, 1.0), std::clamp((x + 0.5) / input_width_, 0.0, 1.0)};
}

}  // namespace vedette
