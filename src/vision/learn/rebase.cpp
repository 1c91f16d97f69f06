#include "vision/learn/rebase.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <utility>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/decide.hpp"
#include "vision/infer/drift.hpp"
#include "vision/infer/infer.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/known_examples.hpp"
#include "vision/learn/model_move.hpp"

namespace vedette {
namespace {

constexpr double kMostAlarms = 0.34;  // More false alarms than this share say that moving was not enough.

/// The mean of a pool's number over pictures, and its variance.
struct Moments {
  double mean = 0, variance = 0;
};

}  // namespace

std::vector<std::size_t> ModelMove::pictures_without(std::optional<std::size_t> fold) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < images_.size(); ++i)
    if (!fold || fold_of(i) != *fold) out.push_back(i);
  return out;
}

Result<void> ModelMove::for_pictures(const std::function<Result<void>(std::size_t)>& work) const {
  std::vector<std::optional<Error>> failures(images_.size());
  side_by_side(images_.size(), strands(), [&](std::size_t i) {
    if (auto ok = work(i); !ok) failures[i] = ok.error();
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return {};
}

Result<void> ModelMove::run_graph(const std::vector<std::string>& outputs,
                                  const std::function<void(std::size_t picture, const Graph&)>& use) const {
  const auto& m = artifact_.manifest;
  GraphPool graphs(m.graph, artifact_.tensors, outputs);
  return for_pictures([&](std::size_t i) -> Result<void> {
    auto graph = graphs.take(m.input_height, m.input_width);
    if (!graph) return graph.error();
    (*graph)->run(resize_to_planes(images_[i], m.input_height, m.input_width));
    use(i, **graph);
    graphs.give_back(std::move(*graph));
    return {};
  });
}

Result<void> ModelMove::check_model() const {
  if (folds_ < 2) return invalid_input("The model has a single fold, so that it cannot be moved.");
  // Whatever else may be wrong with the model shows here and not in the midst of the work.
  if (auto engine = Engine::create(artifact_); !engine) return engine.error();
  return {};
}

Result<void> ModelMove::load_pictures(const std::optional<Evaluation>& before) {
  const auto& m = artifact_.manifest;
  std::set<std::string> known, seen;
  if (before)
    for (const auto& p : before->predictions)
      if (p.fold) known.insert(p.source_ref);
  std::vector<const TrainingPicture*> good;
  std::int64_t learned = 0;
  for (const auto& picture : job_.train) {
    if (picture.is_anomalous.value_or(true)) continue;
    if (known.contains(picture.source_ref)) {
      ++learned;
    } else {
      good.push_back(&picture);
    }
  }
  const std::size_t most = std::clamp<std::size_t>(
      static_cast<std::size_t>(static_cast<double>(kMostRebasing) * kInputPixels / input_.pixels()), kLeastRebasing * 2,
      kMostRebasing);
  const std::size_t every = std::max<std::size_t>(1, (good.size() + most - 1) / most);
  for (std::size_t k = 0; k < good.size(); k += every) {
    const auto& picture = *good[k];
    auto loaded =
        load_picture(picture, {}, m.image_height, m.image_width, job_.letterbox_mixed_sizes, least_size(m),
                     {.formats = job_.takes_all_formats ? kAllFormats : kServedFormats, .sample_bits = m.sample_bits});
    if (!loaded) {
      if (loaded.error().code != kUnreadable)  // Its size is wrong.
        return invalid_input(fmt::format("{}. The model judges pictures of {}x{} pixels.", loaded.error().message,
                                         m.image_width, m.image_height));
      evaluation_.skipped.push_back(skipped_picture(picture, loaded.error()));
      continue;
    }
    // A copy would be judged by models that have seen it under another name.
    if (!seen.insert(sha256_hex(as_text(loaded->image.pixels))).second) continue;
    letterboxed_ += loaded->was_letterboxed ? 1 : 0;
    used_.push_back(&picture);
    images_.push_back(std::move(loaded->image));
  }
  auto& warnings = evaluation_.warnings;
  if (learned > 0)
    warnings.push_back(fmt::format("{} pictures were left out, because the model has learned from them.", learned));
  if (every > 1)
    warnings.push_back(fmt::format("Of {} good pictures {} were taken: more move a model no better. Train with them.",
                                   good.size(), used_.size()));
  if (letterboxed_ > 0)
    warnings.push_back(fmt::format("{} pictures of other sizes were letterboxed to {}x{}", letterboxed_, m.image_width,
                                   m.image_height));
  if (used_.size() >= kLeastRebasing) return {};
  std::string message = fmt::format("At least {} different good pictures are needed, but only {} can be used.",
                                    kLeastRebasing, used_.size());
  if (learned > 0) message += fmt::format(" The model has learned from {} others already.", learned);
  if (!evaluation_.skipped.empty())
    message += fmt::format(" {} could not be read: {}", evaluation_.skipped.size(), list_skipped(evaluation_.skipped));
  return invalid_input(message);
}

Result<std::vector<OwnFoldMeasurement>> ModelMove::measure() const {
  auto engine = Engine::create(artifact_);
  if (!engine) return engine.error();
  std::vector<OwnFoldMeasurement> out(images_.size());
  auto ok = for_pictures([&](std::size_t i) -> Result<void> {
    auto measured = (*engine)->measure(images_[i]);
    if (!measured) return measured.error();
    out[i].statistics = measured->statistics;
    out[i].statistics.level = level_of(artifact_.manifest, measured->outputs, static_cast<std::int64_t>(fold_of(i)));
    for (auto& output : measured->outputs) out[i].scores.push_back(std::move(output.scores[fold_of(i)]));
    return {};
  });
  if (!ok) return ok.error();
  return out;
}

void ModelMove::set_pools(Manifest& m, const std::vector<OwnFoldMeasurement>& measured,
                          const std::vector<std::size_t>& pictures) const {
  const auto count = static_cast<double>(pictures.size());
  for (std::size_t c = 0; c < m.contestants.size(); ++c)
    for (std::size_t p = 0; p < m.contestants[c].pools.size(); ++p) {
      Moments moments;
      for (const auto i : pictures) moments.mean += measured[i].scores[c][p] / count;
      for (const auto i : pictures)
        moments.variance += std::pow(measured[i].scores[c][p] - moments.mean, 2) / std::max(1.0, count - 1);
      auto& pool = m.contestants[c].pools[p];
      pool.location = moments.mean;
      // Few pictures say little about a deviation, so the old one counts as much.
      pool.scale = std::sqrt(0.5 * (pool.scale * pool.scale + moments.variance));
    }
  std::vector<PictureStatistics> statistics;
  for (const auto i : pictures) statistics.push_back(measured[i].statistics);
  const auto limits = choose_plausibility(statistics);
  auto& p = m.plausibility;
  p.darkest = std::min(p.darkest, limits.darkest);
  p.brightest = std::max(p.brightest, limits.brightest);
  p.least_sharpness = std::min(p.least_sharpness, limits.least_sharpness);
  p.highest_level = std::max(p.highest_level, limits.highest_level);
}

Result<void> ModelMove::move_pools() {
  const auto measured = measure();
  if (!measured) return measured.error();
  const auto fused = [&](const Manifest& m, std::size_t i) {
    double logit = m.fusion_bias;
    for (std::size_t c = 0; c < m.contestants.size(); ++c)
      for (std::size_t p = 0; p < m.contestants[c].pools.size(); ++p) {
        const auto& pool = m.contestants[c].pools[p];
        if (pool.weight != 0) logit += pool.weight * ((*measured)[i].scores[c][p] - pool.location) / pool.scale;
      }
    return logit;
  };
  // Each picture is judged with numbers that were chosen without its fold.
  std::vector<Manifest> numbers;  // by fold
  std::vector<double> logits(images_.size());
  for (std::size_t f = 0; f < folds_; ++f) {
    numbers.push_back(artifact_.manifest);
    set_pools(numbers[f], *measured, pictures_without(f));
    for (std::size_t i = f; i < images_.size(); i += folds_) logits[i] = fused(numbers[f], i);
  }
  const auto set_threshold = [&](Manifest& m, const std::vector<std::size_t>& pictures) {
    if (m.false_alarm_budget) return;  // The user said how many false alarms there may be.
    std::vector<double> good;
    for (const auto i : pictures) good.push_back(logits[i]);
    m.threshold = anomaly_score_of(moved_threshold(logit_of(m.threshold), good));
  };
  for (std::size_t f = 0; f < folds_; ++f) {
    set_threshold(numbers[f], pictures_without(f));
    for (std::size_t i = f; i < images_.size(); i += folds_) {
      const auto verdict = decide(logits[i], decision_numbers(numbers[f]), (*measured)[i].statistics);
      evaluation_.predictions.push_back({.source_ref = used_[i]->source_ref,
                                         .is_anomalous = false,
                                         .called_anomalous = verdict.is_anomalous,
                                         .confidence = verdict.confidence,
                                         .anomaly_score = verdict.anomaly_score,
                                         .image = used_[i]->image.string(),
                                         .fold = static_cast<std::int64_t>(f),
                                         .is_suspect = false,
                                         .reason = verdict.reason});
    }
  }
  auto& m = artifact_.manifest;
  set_pools(m, *measured, pictures_without({}));
  set_threshold(m, pictures_without({}));
  std::vector<Look> looks;
  for (std::size_t i = 0; i < images_.size(); ++i)
    looks.push_back({anomaly_score_of(fused(m, i)), (*measured)[i].statistics});
  m.looks = summarize_looks(looks);
  // The maps of distances are in the unit of what good pictures reach, as in a training. What decoders draw means the
  // same in every batch, and masks are cut by thresholds in this unit, so it stays.
  for (const auto& node : m.graph)
    if (node.op == "scale_cells")
      if (const auto reader = reader_of(m, node.output)) {
        auto& contestant = m.contestants[reader->contestant];
        contestant.map_unit = std::exp(contestant.pools.front().location);
      }
  return {};
}

Result<void> ModelMove::compare() {
  if (auto ok = widen_ranges(); !ok) return ok;
  std::vector<std::size_t> order(images_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::map<std::string, double> distance;
  for (const auto& p : evaluation_.predictions) distance[p.image] = p.confidence;
  std::sort(order.begin(), order.end(), [&](auto x, auto y) {
    return std::pair(distance[used_[x]->image.string()], x) < std::pair(distance[used_[y]->image.string()], y);
  });
  std::vector<RgbImage> nearest;
  for (std::size_t k = 0; k < std::min(order.size(), kMostCompared); ++k) nearest.push_back(images_[order[k]]);
  return compare_precisions(artifact_, nearest, strands());
}

Result<void> ModelMove::remember_golden() {
  const auto& m = artifact_.manifest;
  for (auto& golden : artifact_.manifest.golden) {
    const auto& picture = artifact_.tensors.at(golden.image);
    RgbImage image{static_cast<int>(picture.size(0)), static_cast<int>(picture.size(1)), {}};
    for (const float v : picture.values())
      image.pixels.push_back(static_cast<std::uint8_t>(std::lround(v >= 0 ? std::min(v, 255.0F) : 0.0F)));
    const auto score = [&](Precision precision) -> Result<double> {
      Artifact at_input_size = artifact_;
      at_input_size.manifest.image_height = m.input_height;
      at_input_size.manifest.image_width = m.input_width;
      auto engine = Engine::create(std::move(at_input_size), precision);
      if (!engine) return engine.error();
      auto detection = (*engine)->detect(image);
      if (!detection) return detection.error();
      return detection->anomaly_score;
    };
    const auto quickest = quickest_precision(m);
    auto exact = score(std::min(quickest, Precision::bf16));
    if (!exact) return exact.error();
    golden.anomaly_score = *exact;
    golden.int8_score.reset();
    if (quickest != Precision::int8) continue;
    auto quick = score(Precision::int8);
    if (!quick) return quick.error();
    golden.int8_score = *quick;
  }
  return {};
}

Result<std::int64_t> ModelMove::count_alarms() const {
  auto engine = Engine::create(artifact_);
  if (!engine) return engine.error();
  std::vector<char> is_alarm(images_.size());
  auto ok = for_pictures([&](std::size_t i) -> Result<void> {
    auto detection = (*engine)->detect(images_[i]);
    if (!detection) return detection.error();
    is_alarm[i] = detection->is_anomalous ? 1 : 0;
    return {};
  });
  if (!ok) return ok.error();
  return std::count(is_alarm.begin(), is_alarm.end(), 1);
}

Result<void> ModelMove::write(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<std::string>> by_blob;
  for (const auto& [tensor, blob] : artifact_.manifest.tensors) by_blob[blob].push_back(tensor);
  std::vector<std::vector<std::string>> blobs;
  for (auto& [blob, tensors] : by_blob) blobs.push_back(std::move(tensors));
  if (auto ok = write_artifact(folder, artifact_.manifest, artifact_.tensors, blobs); !ok) return ok;
  const auto engine = Engine::load(folder);
  if (!engine) return internal_error(engine.error().message);
  if (!(*engine)->tells_places()) return {};
  std::vector<Example> examples(images_.size());
  auto ok = for_pictures([&](std::size_t i) -> Result<void> {
    auto example =
        own_fold_example(**engine, images_[i], static_cast<std::int64_t>(fold_of(i)), used_[i]->source_ref, false);
    if (!example) return example.error();
    examples[i] = std::move(*example);
    return {};
  });
  if (!ok) return ok;
  return write_file_atomically(folder / kExamplesFile, to_text(examples));
}

Result<Evaluation> ModelMove::run(const std::filesystem::path& folder, const std::optional<Evaluation>& before) {
  const auto start = std::chrono::steady_clock::now();
  if (before) evaluation_.bank_sources = before->bank_sources;
  report("reading pictures", 0.05);
  if (auto ok = check_model(); !ok) return ok.error();
  if (auto ok = load_pictures(before); !ok) return ok.error();
  report("judging them as they are", 0.2);
  const auto alarms = count_alarms();
  if (!alarms) return alarms.error();
  // Whether fewer digits decide alike is found out again below. Until then everything is measured as in a training.
  const auto bf16_agreed = std::exchange(artifact_.manifest.bf16_agrees, std::nullopt);
  const auto int8_agreed = std::exchange(artifact_.manifest.int8_agrees, std::nullopt);
  report("moving the models", 0.35);
  if (auto ok = move_models(); !ok) return ok.error();
  report("learning levels", 0.55);
  if (auto ok = level_cells(); !ok) return ok.error();
  report("moving the scores", 0.7);
  if (auto ok = move_pools(); !ok) return ok.error();
  report("comparing precisions", 0.8);
  if (auto ok = compare(); !ok) return ok.error();
  // A few good pictures can refuse a precision, but they cannot allow one that the training refused or did not have.
  if (!bf16_agreed.value_or(true)) artifact_.manifest.bf16_agrees = false;
  if (!int8_agreed.value_or(false)) artifact_.manifest.int8_agrees = int8_agreed;
  report("writing the model", 0.9);
  if (auto ok = remember_golden(); !ok) return ok.error();
  if (auto ok = write(folder); !ok) return ok.error();
  evaluation_.is_out_of_fold = true;
  evaluation_.training_images = static_cast<std::int64_t>(used_.size());
  summarize_predictions(evaluation_);
  for (const auto& c : artifact_.manifest.contestants)
    evaluation_.contest.push_back({c.name, {}, c.score_weight(), c.map_weight});
  evaluation_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  evaluation_.warnings.insert(
      evaluation_.warnings.begin(),
      fmt::format("Before, the model called {} of these {} good pictures anomalous.", *alarms, used_.size()));
  if (evaluation_.false_alarm_rate.value_or(0) > kMostAlarms)
    evaluation_.warnings.push_back(
        "The moved model still calls many of these pictures anomalous: they differ among themselves, or too much from "
        "what the model learned. Train again with good pictures of the new batch.");
  report("finished", 1);
  return std::move(evaluation_);
}

Result<Evaluation> rebase(const TrainingJob& job, const std::filesystem::path& base,
                          const std::filesystem::path& model_folder, int threads, const ProgressSink& progress) {
  const ThreadCount count(threads);
  auto artifact = read_artifact(base);
  if (!artifact) return artifact.error();
  // A threshold that a user moved belongs to the batch for which it was chosen.
  if (auto& m = artifact->manifest; m.trained_threshold)
    m.threshold = *std::exchange(m.trained_threshold, std::nullopt);
  auto evaluation = read_evaluation(base);
  return ModelMove(job, std::move(*artifact), ThreadCount::current(), progress)
      .run(model_folder, evaluation ? std::optional(std::move(*evaluation)) : std::nullopt);
}

}  // namespace vedette
