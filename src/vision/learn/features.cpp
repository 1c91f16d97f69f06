#include "vision/learn/features.hpp"

#include <algorithm>
#include <cmath>

#include "vision/backbone/backbone.hpp"

namespace vedette {
namespace {

constexpr double kInputPixels = 307'200;  // 640 × 480

}  // namespace

InputSize choose_input_size(int image_height, int image_width) {
  const double scale = std::min(1.0, std::sqrt(kInputPixels / (static_cast<double>(image_height) * image_width)));
  const auto side = [&](int pixels) { return std::max(64, static_cast<int>(std::lround(pixels * scale / 16)) * 16); };
  return {side(image_height), side(image_width)};
}

FeatureGraph make_feature_graph(InputSize input, const std::optional<Tensor>& reference) {
  const auto& backbone = shipped_backbone();
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
    out.nodes.push_back({"register", kTransform, {"image"}, {{"reference", "reference"}}, {}});
    seen = add("warp_to_reference", "registered", {"image", kTransform}, {{"scale", 4}});
  }
  const auto light = add("light_normalize", "light", {seen}, {{"sigma", kLightSigma}});
  const auto entered = add("affine", "entered", {light}, {{"scale", kNormalizedGain}, {"offset", 0}});
  out.maps = backbone.append(out.nodes, "deep.", entered);
  out.color = add("average_pool", "color", {seen}, {{"size", kFineCell}});
  const auto joined = add("concatenate", "features",
                          {add("average_pool", "fine", {out.maps[1]}, {{"size", 2}}), out.maps[2],
                           add("upsample", "coarse", {out.maps[3]}, {{"factor", 2}}), out.color});
  out.rows = add("tokens", "tokens", {joined});
  out.coarse_rows = add("tokens", "coarse_tokens", {add("average_pool", "coarse_features", {joined}, {{"size", 2}})});
  out.grid = {input.height / kFineCell, input.width / kFineCell};
  out.coarse_grid = {input.height / kCoarseCell, input.width / kCoarseCell};
  return out;
}

}  // namespace vedette
