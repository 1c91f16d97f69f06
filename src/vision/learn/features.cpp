#include "vision/learn/features.hpp"

#include <algorithm>
#include <cmath>

namespace vedette {
namespace {

constexpr double kLargePixels = 2 * kInputPixels;
constexpr double kLargePicture = 4 * kInputPixels;
constexpr double kCoarseCells = 1'320;  // The most coarse cells: what is kept per cell decides how large a model is.
constexpr int kPixelUnit = 32;
// A defect should be so many pixels across at the working size: one and a half cells.
constexpr double kSeenAcross = 12;
constexpr float kRangeRoom = 1.1F;

}  // namespace

InputSize choose_input_size(int image_height, int image_width, std::optional<double> small_defect) {
  const double all = static_cast<double>(image_height) * image_width;
  double wanted = all >= kLargePicture ? kLargePixels : kInputPixels;
  if (small_defect) wanted = all * std::pow(kSeenAcross / std::max(*small_defect, 1e-3), 2);
  const bool has_close_look = all >= kCloseFrom && wanted >= kLargePixels;
  if (has_close_look) wanted = kLargePixels;
  const double scale = std::min(1.0, std::sqrt(std::max(wanted, kInputPixels) / all));
  int coarse_cell = kCoarseCell;
  while (scale * scale * all > kCoarseCells * coarse_cell * coarse_cell) coarse_cell *= 2;
  const int unit = std::max(kPixelUnit, 2 * coarse_cell);
  const auto side = [&](int pixels) {
    return std::max(kSmallestInput, static_cast<int>(std::lround(pixels * scale / unit)) * unit);
  };
  InputSize out{side(image_height), side(image_width), coarse_cell};
  if (has_close_look) {
    // The light is evened out fastest at sides that are multiples of 4.
    const double close = std::min(1.0, std::sqrt(kClosePixels / all));
    out.close_height = std::max(kSmallestInput, static_cast<int>(image_height * close) / 4 * 4);
    out.close_width = std::max(kSmallestInput, static_cast<int>(image_width * close) / 4 * 4);
  }
  return out;
}

FeatureGraph make_feature_graph(const Backbone& backbone, InputSize input, const std::optional<Tensor>& reference,
                                std::optional<double> in_place) {
  FeatureGraph out;
  out.tensors = backbone.tensors;
  const auto add = [&](std::string op, std::string output, std::vector<std::string> inputs,
                       std::map<std::string, double> numbers = {}) {
    out.nodes.push_back({std::move(op), output, std::move(inputs), {}, std::move(numbers)});
    return output;
  };
  std::string seen = "image";
  if (reference) {
    out.tensors["reference"] = *reference;
    std::map<std::string, double> numbers = {{"reduction", input.reduction()}};
    if (in_place) numbers["in_place"] = *in_place;
    out.nodes.push_back({"register", kTransform, {"image"}, {{"reference", "reference"}}, std::move(numbers)});
    seen = add("warp_to_reference", "registered", {"image", kTransform}, {{"scale", input.reduction()}});
  }
  // The backbone's maps are joined on cells of 8 pixels of what the backbone sees.
  const auto describe = [&](const std::string& own, const std::string& picture, std::array<std::string, 3>* maps) {
    const auto light = add("light_normalize", own + "light", {picture}, {{"sigma", kLightSigma}});
    const auto entered = add("affine", own + "entered", {light}, {{"scale", backbone.gain}, {"offset", 0}});
    const auto strides = backbone.append(out.nodes, own + "deep.", entered);
    if (maps) *maps = strides, out.light = light;
    return std::vector<std::string>{add("average_pool", own + "fine", {strides[0]}, {{"size", 2}}), strides[1],
                                    add("upsample", own + "coarse", {strides[2]}, {{"factor", 2}})};
  };
  auto fine = describe("", seen, &out.maps);
  out.color = add("average_pool", "color", {seen}, {{"size", kFineCell}});
  fine.push_back(out.color);
  const auto joined = add("concatenate", "features", fine);
  auto coarse = describe("half.", add("average_pool", "half", {seen}, {{"size", 2}}), nullptr);
  coarse.push_back(add("average_pool", "coarse_features", {joined}, {{"size", 2}}));
  out.rows = add("tokens", "tokens", {joined});
  auto wide = add("concatenate", "wide_features", coarse);
  if (input.coarse_cell > kCoarseCell)
    wide = add("average_pool", "widest_features", {wide}, {{"size", input.coarse_cell / kCoarseCell}});
  out.coarse_rows = add("tokens", "coarse_tokens", {wide});
  out.edge_rows = add("edge_energies", "edge_energies", {"light"}, {{"cell", input.coarse_cell}});
  out.grid = {input.height / kFineCell, input.width / kFineCell};
  out.coarse_grid = {input.height / input.coarse_cell, input.width / input.coarse_cell};
  return out;
}

DescriptionGraph make_description_graph(const Backbone& backbone) {
  DescriptionGraph out;
  out.nodes = {{"light_normalize", "light", {"image"}, {}, {{"sigma", kLightSigma}}},
               {"affine", "entered", {"light"}, {}, {{"scale", backbone.gain}, {"offset", 0}}}};
  out.light = "light";
  out.maps = backbone.append(out.nodes, "deep.", "entered");
  return out;
}

void widen_range(Node& node, float largest) {
  const double wanted = std::clamp(kRangeRoom * largest, 1e-3F, 1e6F);
  auto& range = node.numbers["range"];
  range = std::max(range, wanted);
}

}  // namespace vedette
