#include "vision/learn/workshop.hpp"

#include "vision/image/light.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {
namespace {

constexpr const char* kInPlace = ".in_place";

}  // namespace

Result<void> Workshop::for_each_normal(
    const char* stage, double from, double to,
    const std::function<void(std::size_t first, const std::vector<PictureFeatures>&)>& use) {
  std::vector<std::unique_ptr<Graph>> graphs;
  for (int t = 0; t < strands(); ++t) {
    auto graph = Graph::plan(features.nodes, features.tensors,
                             {features.rows, features.coarse_rows, features.edge_rows}, input.height, input.width);
    if (!graph) return internal_error(graph.error().message);
    graphs.push_back(std::make_unique<Graph>(std::move(*graph)));
  }
  for (std::size_t first = 0; first < normals.size(); first += chunk()) {
    meter.report(stage, from + (to - from) * static_cast<double>(first) / static_cast<double>(normals.size()));
    const std::size_t count = std::min(chunk(), normals.size() - first);
    std::vector<PictureFeatures> values(count);
    std::vector<std::optional<Error>> failures(count);
    // Each graph has one strand of pictures, because a graph is not thread-safe.
    for_pictures(graphs.size(), [&](std::size_t t) {
      for (std::size_t i = t; i < count; i += graphs.size()) {
        auto loaded = load(pictures[normals[first + i]]);
        if (!loaded) {
          failures[i] = loaded.error();
          continue;
        }
        graphs[t]->run(resize_to_planes(loaded->image, input.height, input.width));
        values[i] = {graphs[t]->output(features.rows).copy(),
                     graphs[t]->output(features.coarse_rows).copy(),
                     graphs[t]->output(features.edge_rows).copy(),
                     {}};
        if (!input.has_close_look()) continue;
        std::vector<float> close(static_cast<std::size_t>(input.close_height) *
                                 static_cast<std::size_t>(input.close_width));
        close_picture(loaded->image, input.close_height, input.close_width, close.data());
        values[i].close.resize(close.size());
        normalize_light(close.data(), values[i].close.data(), input.close_height, input.close_width, kCloseLightSigma);
      }
    });
    for (const auto& failure : failures)
      if (failure) return *failure;
    use(first, values);
  }
  return {};
}

std::string Workshop::keep(const std::string& name, const Tensor& tensor) {
  artifact.tensors.insert_or_assign(name, tensor);
  blobs[1].push_back(name);
  return name;
}

void Workshop::enter(const Detector& detector, Contestant contestant) {
  artifact.manifest.contestants.push_back(std::move(contestant));
  entered.push_back(&detector);
}

std::string Workshop::in_place(const std::string& map, double cell) {
  if (!is_registered) return map;
  artifact.manifest.graph.push_back(
      {"warp_from_reference", map + kInPlace, {map, kTransform}, {}, {{"scale", input.reduction() / cell}}});
  return map + kInPlace;
}

Artifact Workshop::seen_from_reference() const {
  Artifact out = artifact;
  for (auto& contestant : out.manifest.contestants)
    for (auto& map : contestant.maps)
      if (is_registered) map.resize(map.size() - std::string(kInPlace).size());
  return out;
}

}  // namespace vedette
