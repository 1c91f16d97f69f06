#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/detectors/detector.hpp"
#include "vision/learn/linear_probe.hpp"
#include "vision/learn/workshop.hpp"

namespace vedette {
namespace {

constexpr std::size_t kLeastAnomalies = 4;    // With fewer, a fold may have none to learn from.
constexpr std::size_t kMostPictures = 1'200;  // of each class
constexpr double kLargestShare = 0.02;        // The share of the cells whose largest values are averaged.
constexpr const char* kSummary = "summary";

class Probe final : public Detector {
 public:
  [[nodiscard]] const char* name() const override { return "linear_probe"; }
  [[nodiscard]] bool is_default(const Pool& /*pool*/, const InputSize& /*input*/) const override { return true; }
  [[nodiscard]] bool learned_from_labels() const override { return true; }
  [[nodiscard]] bool says_where() const override { return false; }
  Result<void> fit(Workshop& w) override;
};

Result<void> Probe::fit(Workshop& w) {
  const std::size_t anomalies = w.pictures.size() - w.normals.size();
  if (anomalies < kLeastAnomalies || w.normals.empty()) return {};
  auto& m = w.artifact.manifest;
  m.graph.push_back({"summarize_rows", kSummary, {w.features.coarse_rows}, {}, {{"share", kLargestShare}}});
  std::vector<std::size_t> chosen;
  std::size_t seen[2] = {};
  for (std::size_t i = 0; i < w.pictures.size(); ++i) {
    const bool is_anomalous = w.pictures[i].is_anomalous;
    const std::size_t all = is_anomalous ? anomalies : w.normals.size(),
                      every = (all + kMostPictures - 1) / kMostPictures;
    if (seen[is_anomalous ? 1 : 0]++ % every == 0) chosen.push_back(i);
  }
  w.meter.report("learning from labels", 0.8);
  GraphPool graphs(m.graph, w.artifact.tensors, {kSummary});
  std::vector<std::vector<float>> descriptions(chosen.size());
  std::vector<std::optional<Error>> failures(chosen.size());
  w.for_pictures(chosen.size(), [&](std::size_t i) {
    auto loaded = w.load(w.pictures[chosen[i]]);
    auto graph = graphs.take(w.input.height, w.input.width);
    if (!loaded || !graph) {
      failures[i] = loaded ? internal_error(graph.error().message) : loaded.error();
      return;
    }
    (*graph)->run(resize_to_planes(loaded->image, w.input.height, w.input.width));
    descriptions[i] = (*graph)->output(kSummary).copy();
    graphs.give_back(std::move(*graph));
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  const auto width = static_cast<std::int64_t>(descriptions.front().size());
  std::vector<LinearProbe> probes(static_cast<std::size_t>(w.folds));
  std::vector<char> has_both(probes.size());
  run_parallel(probes.size(), w.threads, [&](std::size_t f) {
    std::vector<float> rows;
    std::vector<std::uint8_t> labels;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto& picture = w.pictures[chosen[i]];
      if (picture.fold == static_cast<std::int64_t>(f)) continue;
      rows.insert(rows.end(), descriptions[i].begin(), descriptions[i].end());
      labels.push_back(picture.is_anomalous ? 1 : 0);
    }
    has_both[f] =
        std::count(labels.begin(), labels.end(), 1) > 0 && std::count(labels.begin(), labels.end(), 0) > 0 ? 1 : 0;
    if (has_both[f] != 0) probes[f] = fit_linear_probe(rows, width, labels);
  });
  if (std::count(has_both.begin(), has_both.end(), 0) > 0) {
    m.graph.pop_back();
    return {};
  }
  Contestant contestant{.name = name(), .maps = {}, .pools = {Pool{}}};
  for (std::size_t f = 0; f < probes.size(); ++f) {
    const auto own = fmt::format("probe.{}", f);
    const auto keep = [&](const char* role, std::vector<float> values) {
      const auto count = static_cast<std::int64_t>(values.size());
      return w.keep(own + "." + role, Tensor::make({count}, std::move(values)));
    };
    m.graph.push_back({"probe",
                       own,
                       {kSummary},
                       {{"center", keep("center", std::move(probes[f].center))},
                        {"scale", keep("scale", std::move(probes[f].scale))},
                        {"weights", keep("weights", std::move(probes[f].weights))},
                        {"bias", keep("bias", {probes[f].bias})}},
                       {{"limit", kProbeLimit}}});
    contestant.maps.push_back(own);
  }
  w.enter(*this, std::move(contestant));
  return {};
}

}  // namespace

std::unique_ptr<Detector> make_linear_probe() {
  return std::make_unique<Probe>();
}

}  // namespace vedette
