#include "vision/backbone/backbone.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace vedette {

namespace embedded {
extern const std::string_view backbone_weights;
}

std::array<std::string, 3> Backbone::append(std::vector<Node>& all, const std::string& prefix,
                                            const std::string& image) const {
  for (auto node : nodes) {
    node.output = prefix + node.output;
    for (auto& input : node.inputs) input = input == "image" ? image : prefix + input;
    all.push_back(std::move(node));
  }
  return {prefix + maps[0], prefix + maps[1], prefix + maps[2]};
}

Result<Backbone> parse_backbone(std::string_view safetensors) {
  auto parsed = parse_safetensors(safetensors);
  if (!parsed) return parsed.error();
  Backbone out;
  out.gain = 0.8;  // The backbone was trained on 4 · (picture − 0.5) of pictures with a deviation of about 0.2.
  std::int64_t channels = 3;
  std::string value = "image";
  int stages = 0;
  for (int s = 0; parsed->contains(fmt::format("stages.{}.0.weight", s)); ++s, ++stages) {
    for (int b = 0;; ++b) {
      const auto name = fmt::format("stages.{}.{}", s, b);
      const auto weight = parsed->find(name + ".weight"), bias = parsed->find(name + ".bias");
      if (weight == parsed->end()) break;
      const auto& shape = weight->second.shape;
      if (shape.size() != 4 || shape[1] != channels || shape[2] != 3 || shape[3] != 3 || bias == parsed->end() ||
          bias->second.shape != std::vector<std::int64_t>{shape[0]} || (b > 0 && shape[0] != channels))
        return invalid_input("The backbone's weights do not fit together at " + name + ".");
      channels = shape[0];
      out.tensors.emplace("backbone." + name + ".weight", weight->second);
      out.tensors.emplace("backbone." + name + ".bias", bias->second);
      std::vector<std::string> inputs = {value};
      if (b > 0) inputs.push_back(value);  // The second input is the residual.
      value = name;
      out.nodes.push_back({"block",
                           value,
                           std::move(inputs),
                           {{"weights", "backbone." + name + ".weight"}, {"bias", "backbone." + name + ".bias"}},
                           {{"stride", b == 0 ? 2 : 1}, {"groups", 1}, {"relu", 1}}});
    }
    if (s >= 1 && s <= 3) {
      out.maps[static_cast<std::size_t>(s - 1)] = value;
      out.channels[static_cast<std::size_t>(s - 1)] = channels;
    }
  }
  if (stages != 4) return invalid_input("The backbone's weights do not have four stages.");
  return out;
}

const Backbone& shipped_backbone() {
  static const Backbone backbone = [] {
    auto parsed = parse_backbone(embedded::backbone_weights);
    if (!parsed) throw std::logic_error(parsed.error().message);
    return std::move(*parsed);
  }();
  return backbone;
}

}  // namespace vedette
