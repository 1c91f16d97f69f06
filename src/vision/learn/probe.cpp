#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/learn/linear_probe.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

constexpr std::size_t kLeastAnomalies = 4;    // With fewer, a fold may have none to learn from.
constexpr std::size_t kMostPictures = 1'200;  // of each class
constexpr double kLargestShare = 0.02;        // The share of the cells whose largest values are averaged.
constexpr const char* kSummary = "summary";

}  // namespace

Result<void> Trainer::fit_probe() {
  const std::size_t anomalies = pictures_.size() - normals_.size();
  if (anomalies < kLeastAnomalies || normals_.empty()) return {};
  auto& m = artifact_.manifest;
  m.graph.push_back({"summarize_rows", kSummary, {features_.coarse_rows}, {}, {{"share", kLargestShare}}});
  std::vector<std::size_t> chosen;
  std::size_t seen[2] = {};
  for (std::size_t i = 0; i < pictures_.size(); ++i) {
    const bool is_anomalous = pictures_[i].is_anomalous;
    const std::size_t all = is_anomalous ? anomalies : normals_.size(),
                      every = (all + kMostPictures - 1) / kMostPictures;
    if (seen[is_anomalous ? 1 : 0]++ % every == 0) chosen.push_back(i);
  }
  meter_.report("learning from labels", 0.8);
  GraphPool graphs(m.graph, artifact_.tensors, {kSummary});
  std::vector<std::vector<float>> descriptions(chosen.size());
  std::vector<std::optional<Error>> failures(chosen.size());
  for_pictures(chosen.size(), [&](std::size_t i) {
    auto loaded = load(pictures_[chosen[i]]);
    auto graph = graphs.take(input_.height, input_.width);
    if (!loaded || !graph) {
      failures[i] = loaded ? internal_error(graph.error().message) : loaded.error();
      return;
    }
    (*graph)->run(resize_to_planes(loaded->image, input_.height, input_.width));
    descriptions[i] = (*graph)->output(kSummary).copy();
    graphs.give_back(std::move(*graph));
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  const auto width = static_cast<std::int64_t>(descriptions.front().size());
  std::vector<LinearProbe> probes(static_cast<std::size_t>(folds_));
  std::vector<char> has_both(probes.size());
  run_parallel(probes.size(), threads_, [&](std::size_t f) {
    std::vector<float> rows;
    std::vector<std::uint8_t> labels;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto& picture = pictures_[chosen[i]];
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
  Contestant contestant{.name = kProbeContestant, .maps = {}, .pools = {Pool{}}};
  for (std::size_t f = 0; f < probes.size(); ++f) {
    const auto own = fmt::format("probe.{}", f);
    const auto keep = [&](const char* role, std::vector<float> values) {
      auto name = own + "." + role;
      const auto count = static_cast<std::int64_t>(values.size());
      artifact_.tensors.insert_or_assign(name, Tensor::make({count}, std::move(values)));
      blobs_[1].push_back(name);
      return name;
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
  m.contestants.push_back(std::move(contestant));
  return {};
}

}  // namespace vedette
