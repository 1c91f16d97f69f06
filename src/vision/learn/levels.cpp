#include <algorithm>
#include <cmath>

#include "vision/infer/infer.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

// A cell's level is a norm of this power, because rare specks must raise it.
constexpr double kLevelPower = 4;
// The average cell counts for so many pictures when a cell's own level is estimated.
constexpr double kPriorPictures = 4;
constexpr double kMapBlur = 1.0;  // In cells.

}  // namespace

void begin_model(Workshop& w) {
  auto& m = w.artifact.manifest;
  m.image_height = w.image_height;
  m.image_width = w.image_width;
  m.sample_bits = w.sample_bits;
  m.input_height = w.input.height;
  m.input_width = w.input.width;
  m.folds = w.folds;
  m.graph = w.features.nodes;
  w.artifact.tensors = w.features.tensors;
  for (const auto& [name, tensor] : w.features.tensors)
    w.blobs[name.starts_with("backbone.") ? 0 : 1].push_back(name);  // The backbone is equal in all models.
}

std::vector<std::string> append_levels(Workshop& w, const std::vector<std::string>& maps, const CellGrid& grid,
                                       int cell) {
  const auto ones =
      Tensor::make({grid.height, grid.width}, std::vector<float>(static_cast<std::size_t>(grid.cells()), 1.0F));
  auto& graph = w.artifact.manifest.graph;
  std::vector<std::string> out;
  for (const auto& own : maps) {
    w.factor_names.push_back(w.keep(own + ".factors", ones));
    graph.push_back({"blur", own + ".smooth", {own}, {}, {{"sigma", kMapBlur}}});
    graph.push_back({"scale_cells", own + ".map", {own + ".smooth"}, {{"factors", w.factor_names.back()}}, {}});
    out.push_back(w.in_place(own + ".map", cell));
  }
  return out;
}

Result<void> calibrate_cells(Workshop& w) {
  const double begin = w.meter.seconds();
  // Levels belong to places on the part.
  auto engine = Engine::create(w.seen_from_reference());
  if (!engine) return internal_error(engine.error().message);
  const auto folds = static_cast<std::size_t>(w.folds), contestants = w.artifact.manifest.contestants.size();
  std::vector<std::vector<double>> sums(contestants * folds);
  std::vector<double> counts(folds);
  for (std::size_t first = 0; first < w.normals.size(); first += w.chunk()) {
    w.meter.report("learning levels", 0.36 + 0.04 * static_cast<double>(first) / static_cast<double>(w.normals.size()));
    const std::size_t count = std::min(w.chunk(), w.normals.size() - first);
    std::vector<std::optional<Engine::Measurement>> measured(count);
    std::vector<std::optional<Error>> failures(count);
    w.for_pictures(count, [&](std::size_t i) {
      auto loaded = w.load(w.pictures[w.normals[first + i]]);
      auto measurement = loaded ? (*engine)->measure(loaded->image) : Result<Engine::Measurement>(loaded.error());
      if (measurement) {
        measured[i] = std::move(*measurement);
      } else {
        failures[i] = measurement.error();
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (failures[i]) return *failures[i];
      const auto fold = static_cast<std::size_t>(w.pictures[w.normals[first + i]].fold);
      counts[fold] += 1;
      for (std::size_t c = 0; c < contestants; ++c) {
        const auto& map = measured[i]->outputs[c].maps[fold].values;
        sums[c * folds + fold].resize(map.size());
        for (std::size_t k = 0; k < map.size(); ++k)
          sums[c * folds + fold][k] += std::pow(static_cast<double>(map[k]), kLevelPower);
      }
    }
  }
  for (std::size_t c = 0; c < contestants; ++c)
    for (std::size_t f = 0; f < folds; ++f) {
      const auto& shape = w.artifact.tensors.at(w.factor_names[c * folds + f]).shape;
      std::vector<double> level(sums[c * folds].size());
      double total = 0, count = 0;
      for (std::size_t g = 0; g < folds; ++g) {
        if (g == f) continue;
        count += counts[g];
        for (std::size_t k = 0; k < level.size(); ++k)
          level[k] += sums[c * folds + g][k], total += sums[c * folds + g][k];
      }
      const double average = std::max(total / count / static_cast<double>(level.size()), 1e-9);
      std::vector<float> factors;
      for (double sum : level)
        factors.push_back(
            static_cast<float>(std::pow((count + kPriorPictures) / (sum + kPriorPictures * average), 1 / kLevelPower)));
      w.artifact.tensors.insert_or_assign(w.factor_names[c * folds + f], Tensor::make(shape, std::move(factors)));
    }
  w.pass_seconds = w.meter.seconds() - begin;
  return {};
}

}  // namespace vedette
