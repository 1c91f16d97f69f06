#include "vision/decoder/decoder.hpp"

namespace vedette {

DecoderOutputs append_decoders(std::vector<Node>& nodes, const std::array<std::string, 3>& maps,
                               const std::string& color, const std::string& light, const std::string& distances,
                               std::int64_t folds) {
  const auto layer = [&](const std::string& name, std::vector<std::string> inputs, bool is_grouped, bool has_relu) {
    auto output = "decoder." + name;
    nodes.push_back(
        {"block",
         output,
         std::move(inputs),
         {{"weights", output + ".weight"}, {"bias", output + ".bias"}},
         {{"groups", is_grouped ? static_cast<double>(folds) : 1.0}, {"stride", 1}, {"relu", has_relu ? 1 : 0}}});
    return output;
  };
  const auto enlarged = [&](const std::string& value) {
    nodes.push_back({"upsample", value + ".up", {value}, {}, {{"factor", 2}}});
    return value + ".up";
  };
  auto x = layer("lateral16", {maps[2]}, false, true);
  nodes.push_back({"concatenate", "decoder.colored", {maps[1], color}, {}, {}});
  x = layer("distance8", {distances, enlarged(x)}, true, false);
  x = layer("lateral8", {"decoder.colored", x}, false, true);
  x = layer("merge8", {x}, true, true);
  x = layer("lateral4", {maps[0], enlarged(x)}, false, true);
  x = layer("merge4", {x}, true, true);
  const auto logits = layer("out", {x}, true, false);
  nodes.push_back({"refine",
                   "decoder.pixels",
                   {x, logits, light},
                   {{"weights", "decoder.refine.weights"},
                    {"bias", "decoder.refine.bias"},
                    {"pixel_weights", "decoder.refine.pixel_weights"},
                    {"pixel_bias", "decoder.refine.pixel_bias"}},
                   {{"groups", static_cast<double>(folds)}, {"limit", kRefinedFrom}}});
  return {logits, "decoder.pixels"};
}

}  // namespace vedette
