#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/mutex.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/decoder/decoder.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/registration.hpp"
#include "vision/learn/detectors/detector.hpp"
#include "vision/learn/pools.hpp"
#include "vision/learn/steps.hpp"

namespace vedette {
namespace {

// The pixels of the pictures of each class that are held in memory: 490 pictures of 640 × 480.
constexpr double kMostPixels = 150e6;
constexpr int kSteps = 400;
constexpr double kCell = 4;  // In pixels of the working size.

class DefectDecoders final : public Detector {
 public:
  [[nodiscard]] const char* name() const override { return "decoder"; }
  /// What is drawn counts absolutely, down to the smallest spot.
  [[nodiscard]] bool is_default(const Pool& pool, const InputSize& /*input*/) const override {
    return pool.level_exponent == 0;
  }
  Result<void> fit(Workshop& w) override;
};

/// Loads a picture as the decoders see it: at the input size, seen from the reference if there is one, and without
/// distances.
Result<DecoderSample> load_for_decoder(const Workshop& w, const Picture& picture) {
  auto loaded = w.load(picture, w.labels);
  if (!loaded) return loaded.error();
  auto planes = resize_to_planes(loaded->image, w.input.height, w.input.width);
  const auto plane = static_cast<std::size_t>(w.input.height) * static_cast<std::size_t>(w.input.width);
  RigidTransform pose;
  if (w.is_registered) {
    pose = find_pose(w.reference, registration_map(planes, w.input.reduction()), w.fixture_score);
    auto seen = planes;
    warp_to_reference(planes.values.data(), seen.values.data(), 3, w.input.height, w.input.width, pose,
                      w.input.reduction());
    planes = std::move(seen);
  }
  DecoderSample out{to_image(planes), {}, {}};
  if (!loaded->truth) return out;
  out.truth = Grid<std::uint8_t>(w.input.height, w.input.width);
  for (std::size_t label = 1; label <= w.labels.size(); ++label) {
    Grid<float> shown(w.image_height, w.image_width);
    bool any = false;
    for (std::size_t i = 0; i < shown.values.size(); ++i)
      if (loaded->truth->values[i] == label) shown.values[i] = 1, any = true;
    if (!any) continue;
    auto small = resize_map(shown, w.input.height, w.input.width);
    if (w.is_registered) {
      auto seen = small;
      warp_to_reference(small.values.data(), seen.values.data(), 1, w.input.height, w.input.width, pose,
                        w.input.reduction());
      small = std::move(seen);
    }
    for (std::size_t i = 0; i < plane; ++i)
      if (small.values[i] >= 0.5F) out.truth.values[i] = static_cast<std::uint8_t>(label);
  }
  return out;
}

/// Returns the `measure` of a DecoderJob. Pictures must be as the reference sees them. It owns graphs, which take memory.
decltype(DecoderJob::measure) measure_by_fold(const Workshop& w) {
  struct Graphs {
    std::vector<std::unique_ptr<GraphPool>> of_fold;
    Mutex alone;  // It guards no data: a large picture is measured alone, on all threads.
  };
  const auto graphs = std::make_shared<Graphs>();
  const auto seen = w.seen_from_reference();
  std::vector<std::vector<std::string>> maps(static_cast<std::size_t>(w.folds));
  for (std::size_t fold = 0; fold < maps.size(); ++fold) {
    for (const auto& contestant : seen.manifest.contestants) maps[fold].push_back(contestant.maps[fold]);
    graphs->of_fold.push_back(std::make_unique<GraphPool>(seen.manifest.graph, seen.tensors, maps[fold]));
  }
  return [&w, graphs, maps](const RgbImage& image, std::int64_t of) -> Result<Planes> {
    const auto fold = static_cast<std::size_t>(of);
    std::optional<MutexLock> alone;
    if (w.strands() == 1) alone.emplace(graphs->alone);
    const ThreadCount count(w.strands() > 1 ? 1 : w.threads);
    auto graph = graphs->of_fold[fold]->take(w.input.height, w.input.width);
    if (!graph) return internal_error(graph.error().message);
    (*graph)->run(resize_to_planes(image, w.input.height, w.input.width));
    Planes out{kDistanceMaps, w.features.grid.height, w.features.grid.width, {}};
    for (const auto& name : maps[fold]) {
      const auto& value = (*graph)->output(name);
      Grid<float> map(static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]));
      map.values = value.copy();
      map = resize_map(map, out.height, out.width);
      out.values.insert(out.values.end(), map.values.begin(), map.values.end());
    }
    graphs->of_fold[fold]->give_back(std::move(*graph));
    return out;
  };
}

Result<void> DefectDecoders::fit(Workshop& w) {
  if (!w.is_segmentation) return {};
  if (w.entered.size() != static_cast<std::size_t>(kDistanceMaps))
    return internal_error(
        fmt::format("Decoders read {} distances, but there are {}.", kDistanceMaps, w.entered.size()));
  DecoderJob job;
  std::vector<std::size_t> chosen;
  std::size_t good = 0, masked = 0;
  const auto most = static_cast<std::size_t>(kMostPixels / (static_cast<double>(w.input.height) * w.input.width)) + 1;
  for (std::size_t i = 0; i < w.pictures.size(); ++i) {
    const auto& p = w.pictures[i];
    if (p.is_anomalous && !p.has_mask) continue;
    if ((p.has_mask ? masked : good)++ >= most) continue;
    chosen.push_back(i);
    job.pictures.push_back({p.fold, p.has_mask});
  }
  const auto description = make_description_graph(*w.backbone);
  std::vector<std::string> outputs(description.maps.begin(), description.maps.end());
  outputs.push_back(description.light);
  GraphPool graphs(description.nodes, w.backbone->tensors, std::move(outputs));
  job.describe = [&](const RgbImage& image) -> Result<Description> {
    auto graph = graphs.take(image.height, image.width);
    if (!graph) return internal_error(graph.error().message);
    (*graph)->run(resize_to_planes(image, image.height, image.width));
    const auto copied = [&](const std::string& name) {
      const auto& value = (*graph)->output(name);
      return Planes{static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]),
                    static_cast<int>(value.shape[2]), value.copy()};
    };
    Description out;
    for (std::size_t m = 0; m < out.maps.size(); ++m) out.maps[m] = copied(description.maps[m]);
    out.light = copied(description.light);
    graphs.give_back(std::move(*graph));
    return out;
  };
  job.measure = measure_by_fold(w);
  job.load = [&w, &chosen, measure = job.measure](std::size_t i) -> Result<DecoderSample> {
    auto sample = load_for_decoder(w, w.pictures[chosen[i]]);
    if (!sample) return sample;
    auto distances = measure(sample->image, w.pictures[chosen[i]].fold);
    if (!distances) return distances.error();
    sample->distances = std::move(*distances);
    return sample;
  };
  job.folds = w.folds;
  job.labels = static_cast<std::int64_t>(w.labels.size());
  job.seed = w.random.fork(300).next();
  job.threads = w.threads;
  job.steps = w.job.plan.steps.value_or(kSteps);
  if (w.job.plan.budget_seconds)
    job.seconds_left = [&] {
      // Describing the pictures for the linear probe and scoring come afterwards, and take as long per picture as the
      // pass over the good pictures that has just been made. So does comparing precisions, of which fp32 takes twice as long as the others.
      const auto compared = 4 * w.fewer_if_large(kMostCompared) + w.fewer_if_large(kMostRanged);
      const double scoring =
          1.2 * w.pass_seconds / static_cast<double>(w.normals.size()) *
          static_cast<double>(2 * w.pictures.size() + (w.job.test ? w.job.test->size() : 0) + compared);
      return *w.job.plan.budget_seconds - w.meter.seconds() - scoring;
    };
  job.progress = [&](double share) { w.meter.report("learning to draw defects", 0.4 + 0.4 * share); };
  const auto labels = job.labels;
  auto weights = train_decoders(std::move(job));
  if (!weights) return weights.error();
  w.blobs.emplace_back();
  w.artifact.manifest.decoder_steps = weights->steps;
  w.evaluation.decoder_loss = std::move(weights->loss);
  for (auto& [name, tensor] : weights->tensors) {
    w.artifact.tensors.insert_or_assign(name, std::move(tensor));
    w.blobs.back().push_back(name);
  }
  auto& m = w.artifact.manifest;
  const auto seen = w.seen_from_reference();
  std::vector<std::string> maps;  // The maps come fold by fold, as the reference sees the part.
  for (std::size_t fold = 0; fold < static_cast<std::size_t>(w.folds); ++fold)
    for (const auto& contestant : seen.manifest.contestants) maps.push_back(contestant.maps[fold]);
  m.graph.push_back(
      {"stack", "distances", maps, {}, {{"height", w.features.grid.height}, {"width", w.features.grid.width}}});
  m.graph.push_back({"logarithm", "log_distances", {"distances"}, {}, {}});
  const auto out =
      append_decoders(m.graph, w.features.maps, w.features.color, w.features.light, "log_distances", w.folds);
  Segmentation segmentation{w.labels, std::vector<MaskThresholds>(w.labels.size()), {}, w.in_place(out.details, 1)};
  Contestant contestant{.name = name(), .maps = {}, .pools = all_pools(w.input)};
  for (std::int64_t fold = 0; fold < w.folds; ++fold) {
    const auto own = fmt::format("decoder.{}.", fold);
    const auto first = static_cast<double>(fold * (1 + labels));
    m.graph.push_back({"slice", own + "logit", {out.logits}, {}, {{"channel", first}}});
    m.graph.push_back({"softplus", own + "map", {own + "logit"}, {}, {}});
    contestant.maps.push_back(w.in_place(own + "map", kCell));
    m.graph.push_back({"channels",
                       own + "classes",
                       {out.logits},
                       {},
                       {{"first", first + 1}, {"count", static_cast<double>(labels)}}});
    segmentation.class_maps.push_back(w.in_place(own + "classes", kCell));
  }
  w.enter(*this, std::move(contestant));
  m.segmentation = std::move(segmentation);
  return {};
}

}  // namespace

std::unique_ptr<Detector> make_decoders() {
  return std::make_unique<DefectDecoders>();
}

}  // namespace vedette
