#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/mutex.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/registration.hpp"
#include "vision/learn/trainer.hpp"

namespace vedette {
namespace {

// The pixels of the pictures of each class that are held in memory: 490 pictures of 640 × 480.
constexpr double kMostPixels = 150e6;
constexpr int kSteps = 400;
constexpr double kCell = 4;  // In pixels of the working size.

}  // namespace

Result<DecoderSample> Trainer::load_for_decoder(const Picture& picture) const {
  auto loaded = load(picture, labels_);
  if (!loaded) return loaded.error();
  auto planes = resize_to_planes(loaded->image, input_.height, input_.width);
  const auto plane = static_cast<std::size_t>(input_.height) * static_cast<std::size_t>(input_.width);
  RigidTransform pose;
  if (is_registered_) {
    pose = find_pose(reference_, registration_map(planes, input_.reduction()), in_place_);
    auto seen = planes;
    warp_to_reference(planes.values.data(), seen.values.data(), 3, input_.height, input_.width, pose,
                      input_.reduction());
    planes = std::move(seen);
  }
  DecoderSample out{to_image(planes), {}, {}};
  if (!loaded->truth) return out;
  out.truth = Grid<std::uint8_t>(input_.height, input_.width);
  for (std::size_t label = 1; label <= labels_.size(); ++label) {
    Grid<float> shown(image_height_, image_width_);
    bool any = false;
    for (std::size_t i = 0; i < shown.values.size(); ++i)
      if (loaded->truth->values[i] == label) shown.values[i] = 1, any = true;
    if (!any) continue;
    auto small = resize_map(shown, input_.height, input_.width);
    if (is_registered_) {
      auto seen = small;
      warp_to_reference(small.values.data(), seen.values.data(), 1, input_.height, input_.width, pose,
                        input_.reduction());
      small = std::move(seen);
    }
    for (std::size_t i = 0; i < plane; ++i)
      if (small.values[i] >= 0.5F) out.truth.values[i] = static_cast<std::uint8_t>(label);
  }
  return out;
}

Result<void> Trainer::fit_decoders() {
  DecoderJob job;
  std::vector<std::size_t> chosen;
  std::size_t good = 0, masked = 0;
  const auto most = static_cast<std::size_t>(kMostPixels / (static_cast<double>(input_.height) * input_.width)) + 1;
  for (std::size_t i = 0; i < pictures_.size(); ++i) {
    const auto& p = pictures_[i];
    if (p.is_anomalous && !p.has_mask) continue;
    if ((p.has_mask ? masked : good)++ >= most) continue;
    chosen.push_back(i);
    job.pictures.push_back({p.fold, p.has_mask});
  }
  const auto description = make_description_graph(*backbone_);
  GraphPool graphs(description.nodes, backbone_->tensors, {description.maps.begin(), description.maps.end()});
  job.describe = [&](const RgbImage& image) -> Result<FeatureMaps> {
    auto graph = graphs.take(image.height, image.width);
    if (!graph) return internal_error(graph.error().message);
    (*graph)->run(resize_to_planes(image, image.height, image.width));
    FeatureMaps maps;
    for (std::size_t m = 0; m < maps.size(); ++m) {
      const auto& value = (*graph)->output(description.maps[m]);
      maps[m] = {static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]), static_cast<int>(value.shape[2]),
                 value.copy()};
    }
    graphs.give_back(std::move(*graph));
    return maps;
  };
  // Composed pictures are as the reference sees them already; registering them again changes next to nothing.
  auto at_input_size = seen_from_reference();
  at_input_size.manifest.image_height = input_.height;
  at_input_size.manifest.image_width = input_.width;
  const auto engine = Engine::create(std::move(at_input_size));
  if (!engine) return internal_error(engine.error().message);
  Mutex measuring;  // It guards no data: a large picture is measured alone, on all threads.
  job.measure = [&](const RgbImage& image, std::int64_t fold) -> Result<Planes> {
    std::optional<MutexLock> alone;
    if (strands() == 1) alone.emplace(measuring);
    const ThreadCount count(strands() > 1 ? 1 : threads_);
    auto measured = (*engine)->measure(image);
    if (!measured) return measured.error();
    Planes out{kDistanceMaps, features_.grid.height, features_.grid.width, {}};
    for (const auto& contestant : measured->outputs) {
      const auto map = resize_map(contestant.maps[static_cast<std::size_t>(fold)], out.height, out.width);
      out.values.insert(out.values.end(), map.values.begin(), map.values.end());
    }
    return out;
  };
  job.load = [&](std::size_t i) -> Result<DecoderSample> {
    auto sample = load_for_decoder(pictures_[chosen[i]]);
    if (!sample) return sample;
    auto distances = job.measure(sample->image, pictures_[chosen[i]].fold);
    if (!distances) return distances.error();
    sample->distances = std::move(*distances);
    return sample;
  };
  job.folds = folds_;
  job.labels = static_cast<std::int64_t>(labels_.size());
  job.seed = random_.fork(300).next();
  job.threads = threads_;
  job.steps = job_.plan.steps.value_or(kSteps);
  if (job_.plan.budget_seconds)
    job.seconds_left = [&] {
      // Describing the pictures for the linear probe and scoring come afterwards, and take as long per picture as the
      // pass over the good pictures that has just been made. So does comparing precisions, of which fp32 takes twice as long as the others.
      const auto compared = 4 * fewer_if_large(kMostCompared) + fewer_if_large(kMostRanged);
      const double scoring = 1.2 * pass_seconds_ / static_cast<double>(normals_.size()) *
                             static_cast<double>(2 * pictures_.size() + (job_.test ? job_.test->size() : 0) + compared);
      return *job_.plan.budget_seconds - meter_.seconds() - scoring;
    };
  job.progress = [&](double share) { meter_.report("learning to draw defects", 0.4 + 0.4 * share); };
  auto weights = train_decoders(job);
  if (!weights) return weights.error();
  blobs_.emplace_back();
  artifact_.manifest.decoder_steps = weights->steps;
  evaluation_.decoder_loss = std::move(weights->loss);
  for (auto& [name, tensor] : weights->tensors) {
    artifact_.tensors.insert_or_assign(name, std::move(tensor));
    blobs_.back().push_back(name);
  }
  auto& m = artifact_.manifest;
  std::vector<std::string> maps;  // The maps come fold by fold, as the reference sees the part.
  const auto seen = seen_from_reference();
  for (std::size_t fold = 0; fold < static_cast<std::size_t>(folds_); ++fold)
    for (const auto& contestant : seen.manifest.contestants) maps.push_back(contestant.maps[fold]);
  m.graph.push_back(
      {"stack", "distances", maps, {}, {{"height", features_.grid.height}, {"width", features_.grid.width}}});
  m.graph.push_back({"logarithm", "log_distances", {"distances"}, {}, {}});
  const auto out = append_decoders(m.graph, features_.maps, features_.color, "log_distances", folds_);
  Segmentation segmentation{labels_, std::vector<MaskThresholds>(labels_.size()), {}};
  Contestant contestant{.name = kDecoderContestant, .maps = {}, .pools = all_pools(input_)};
  for (std::int64_t fold = 0; fold < folds_; ++fold) {
    const auto own = fmt::format("decoder.{}.", fold);
    const auto first = static_cast<double>(fold * (1 + job.labels));
    m.graph.push_back({"slice", own + "logit", {out}, {}, {{"channel", first}}});
    m.graph.push_back({"softplus", own + "map", {own + "logit"}, {}, {}});
    contestant.maps.push_back(in_place(own + "map", kCell));
    m.graph.push_back(
        {"channels", own + "classes", {out}, {}, {{"first", first + 1}, {"count", static_cast<double>(job.labels)}}});
    segmentation.class_maps.push_back(in_place(own + "classes", kCell));
  }
  m.contestants.push_back(std::move(contestant));
  m.segmentation = std::move(segmentation);
  return {};
}

}  // namespace vedette
