#include "vision/learn/rebase.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/parallel.hpp"
#include "vision/assess/assess.hpp"
#include "vision/infer/infer.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/normality.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostPictures = 60;  // With more, a training is better.
constexpr double kBankGrowth = 0.5;        // The rows that a bank gets, as a share of those it has.
constexpr double kLevelPower = 4;          // As in calibrate_cells().
constexpr double kPriorPictures = 4;
constexpr std::uint64_t kSeed = 50'000;
constexpr double kMostAlarms = 0.34;  // More false alarms than this share say that moving was not enough.

/// Rows of one picture, by the name of the graph's value.
using Rows = std::map<std::string, std::vector<float>>;

class Rebasing {
 public:
  Rebasing(const TrainingJob& job, Artifact artifact, int threads, const ProgressSink& sink)
      : job_(job),
        threads_(threads),
        sink_(sink),
        artifact_(std::move(artifact)),
        folds_(static_cast<std::size_t>(artifact_.manifest.folds)) {}

  /// `sources` are those of the bank's rows, if they are known.
  Result<Evaluation> run(const std::filesystem::path& folder, std::vector<BankSource> sources);

 private:
  void report(const char* stage, double fraction) const {
    if (sink_) sink_({stage, fraction, {}});
  }
  [[nodiscard]] std::size_t fold_of(std::size_t picture) const { return picture % folds_; }
  Result<void> load_pictures();
  /// Calls work(i) for every picture, side by side, and returns the first failure.
  Result<void> for_pictures(const std::function<Result<void>(std::size_t)>& work) const;
  Result<std::vector<Engine::Measurement>> measure() const;
  /// Computes for every picture the rows that the models of good pictures compare.
  Result<void> describe();
  void extend_bank(const Node& node);
  void move_subspace(const Node& node, std::size_t fold);
  void move_probe(const Node& node, std::size_t fold);
  void move_models();
  Result<void> level_cells();
  Result<void> move_pools();
  Result<void> remember_golden();
  Result<void> write(const std::filesystem::path& folder);
  /// Returns how many of the pictures the model calls anomalous, as a whole.
  Result<std::int64_t> count_alarms() const;

  const TrainingJob& job_;
  const int threads_;
  const ProgressSink& sink_;
  Artifact artifact_;
  const std::size_t folds_;
  std::vector<const TrainingPicture*> used_;
  std::vector<RgbImage> images_;
  std::vector<Rows> rows_;
  std::int64_t letterboxed_ = 0;
  Evaluation evaluation_;
};

Result<void> Rebasing::for_pictures(const std::function<Result<void>(std::size_t)>& work) const {
  std::vector<std::optional<Error>> failures(images_.size());
  // A large picture runs alone on all threads, since its values take gigabytes.
  const auto& m = artifact_.manifest;
  const bool is_large = static_cast<double>(m.input_height) * m.input_width > 8 * kInputPixels;
  run_parallel(images_.size(), is_large ? 1 : threads_, [&](std::size_t i) {
    if (auto ok = work(i); !ok) failures[i] = ok.error();
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return {};
}

Result<void> Rebasing::load_pictures() {
  const auto& m = artifact_.manifest;
  std::set<std::string> seen;
  for (const auto& picture : job_.train) {
    if (picture.is_anomalous.value_or(true) || used_.size() == kMostPictures) continue;
    auto loaded = load_picture(
        picture, {}, m.image_height, m.image_width, job_.letterbox_mixed_sizes, {m.input_height, m.input_width},
        {.formats = job_.takes_all_formats ? kAllFormats : kServedFormats, .sample_bits = m.sample_bits});
    if (!loaded) {
      if (loaded.error().code != kUnreadable)  // its size is wrong
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
  if (used_.size() >= kLeastRebasing) return {};
  std::string message = fmt::format("At least {} different good pictures are needed, but only {} can be used.",
                                    kLeastRebasing, used_.size());
  if (!evaluation_.skipped.empty())
    message += fmt::format(" {} could not be read: {}", evaluation_.skipped.size(), list_skipped(evaluation_.skipped));
  return invalid_input(message);
}

Result<std::vector<Engine::Measurement>> Rebasing::measure() const {
  auto engine = Engine::create(artifact_);
  if (!engine) return engine.error();
  std::vector<Engine::Measurement> out(images_.size());
  auto ok = for_pictures([&](std::size_t i) -> Result<void> {
    auto measured = (*engine)->measure(images_[i]);
    if (!measured) return measured.error();
    out[i] = std::move(*measured);
    return {};
  });
  if (!ok) return ok.error();
  return out;
}

Result<void> Rebasing::describe() {
  const auto& m = artifact_.manifest;
  std::vector<std::string> names, ranged;
  for (const auto& node : m.graph) {
    if (node.numbers.contains("range")) ranged.push_back(node.output);
    if (node.op == "nearest_distance" || node.op == "position_subspace" || node.op == "probe")
      if (std::find(names.begin(), names.end(), node.inputs[0]) == names.end()) names.push_back(node.inputs[0]);
  }
  auto outputs = names;
  outputs.insert(outputs.end(), ranged.begin(), ranged.end());
  GraphPool graphs(m.graph, artifact_.tensors, outputs);
  rows_.resize(images_.size());
  std::vector<std::vector<float>> largest(images_.size());
  auto ok = for_pictures([&](std::size_t i) -> Result<void> {
    auto graph = graphs.take(m.input_height, m.input_width);
    if (!graph) return graph.error();
    (*graph)->run(resize_to_planes(images_[i], m.input_height, m.input_width));
    for (const auto& name : names) rows_[i][name] = (*graph)->output(name).copy();
    for (const auto& name : ranged) {
      const auto& values = (*graph)->output(name).data;
      largest[i].push_back(*std::max_element(values.begin(), values.end()));
    }
    graphs.give_back(std::move(*graph));
    return {};
  });
  if (!ok) return ok;
  for (auto& node : artifact_.manifest.graph)
    for (std::size_t r = 0; r < ranged.size(); ++r)
      if (node.output == ranged[r])
        for (const auto& own : largest) widen_range(node, own[r]);
  return {};
}

void Rebasing::extend_bank(const Node& node) {
  auto& bank = artifact_.tensors.at(node.tensors.at("bank"));
  auto& groups = artifact_.tensors.at(node.tensors.at("groups"));
  const auto components = bank.size(1);
  // `vedette report` shows where rows come from, if the model tells it.
  auto& sources = evaluation_.bank_sources;
  if (sources.size() != static_cast<std::size_t>(bank.size(0))) sources.clear();
  const int columns = static_cast<int>(node.numbers.at("width"));
  std::vector<std::vector<float>> parts(folds_);
  std::vector<std::vector<BankSource>> sources_of(folds_);
  run_parallel(folds_, threads_, [&](std::size_t f) {
    const auto first = static_cast<std::size_t>(groups.data()[f]), end = static_cast<std::size_t>(groups.data()[f + 1]);
    const auto width = static_cast<std::size_t>(components);
    const auto known = bank.values().subspan(first * width, (end - first) * width);
    parts[f].assign(known.begin(), known.end());
    if (!sources.empty())
      sources_of[f].assign(sources.begin() + static_cast<std::ptrdiff_t>(first),
                           sources.begin() + static_cast<std::ptrdiff_t>(end));
    std::vector<float> rows;
    std::vector<BankSource> source_of;
    for (std::size_t i = f; i < rows_.size(); i += folds_) {
      const auto& own = rows_[i].at(node.inputs[0]);
      rows.insert(rows.end(), own.begin(), own.end());
      for (int cell = 0; static_cast<std::size_t>(cell) < own.size() / width; ++cell)
        source_of.push_back({used_[i]->image.string(), cell / columns, cell % columns});
    }
    if (rows.empty()) return;
    const auto keep = static_cast<std::size_t>(std::ceil(kBankGrowth * static_cast<double>(end - first)));
    for (const auto row : select_coreset(rows, components, keep, kSeed + f)) {
      if (!sources.empty()) sources_of[f].push_back(source_of[row]);
      parts[f].insert(parts[f].end(), rows.begin() + static_cast<std::ptrdiff_t>(row * width),
                      rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * width));
    }
  });
  std::vector<float> values, offsets = {0};
  for (const auto& part : parts) {
    values.insert(values.end(), part.begin(), part.end());
    const auto so_far = static_cast<std::int64_t>(values.size()) / components;
    offsets.push_back(static_cast<float>(so_far));
  }
  sources.clear();
  for (auto& own : sources_of) sources.insert(sources.end(), own.begin(), own.end());
  const auto entries = static_cast<std::int64_t>(values.size()) / components;
  bank = Tensor::make({entries, components}, std::move(values));
  groups = Tensor::make(groups.shape, std::move(offsets));
}

void Rebasing::move_subspace(const Node& node, std::size_t fold) {
  auto& mean = artifact_.tensors.at(node.tensors.at("mean"));
  auto& basis = artifact_.tensors.at(node.tensors.at("basis"));
  const auto& weight = artifact_.tensors.at(node.tensors.at("weight"));
  std::vector<std::span<const float>> pictures;
  for (std::size_t i = 0; i < rows_.size(); ++i)
    if (fold_of(i) != fold) pictures.emplace_back(rows_[i].at(node.inputs[0]));
  auto moved = move_position_subspace({mean, basis, weight}, pictures, threads_);
  mean = std::move(moved.mean);
  basis = std::move(moved.basis);
}

void Rebasing::move_probe(const Node& node, std::size_t fold) {
  auto& center = artifact_.tensors.at(node.tensors.at("center"));
  std::vector<double> sum(center.count);
  double count = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (fold_of(i) == fold) continue;
    const auto& own = rows_[i].at(node.inputs[0]);
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += own[c];
    count += 1;
  }
  std::vector<float> moved;
  for (const double v : sum) moved.push_back(static_cast<float>(v / count));
  center = Tensor::make(center.shape, std::move(moved));
}

/// The contestant and the fold whose map is computed from a value.
struct Reader {
  std::size_t contestant = 0, fold = 0;
};
/// Returns the first contestant that needs the value for its map of one fold.
std::optional<Reader> reader_of(const Manifest& m, const std::string& value) {
  std::set<std::string> reached = {value};
  for (const auto& node : m.graph)
    if (std::any_of(node.inputs.begin(), node.inputs.end(), [&](const auto& in) { return reached.contains(in); }))
      reached.insert(node.output);
  for (std::size_t c = 0; c < m.contestants.size(); ++c)
    for (std::size_t f = 0; f < m.contestants[c].maps.size(); ++f)
      if (reached.contains(m.contestants[c].maps[f])) return Reader{c, f};
  return {};
}

void Rebasing::move_models() {
  for (const auto& node : artifact_.manifest.graph) {
    if (node.op == "nearest_distance") extend_bank(node);
    if (node.op != "position_subspace" && node.op != "probe") continue;
    const auto reader = reader_of(artifact_.manifest, node.output);
    if (!reader) continue;
    if (node.op == "probe") {
      move_probe(node, reader->fold);
    } else {
      move_subspace(node, reader->fold);
    }
  }
}

Result<void> Rebasing::level_cells() {
  const auto& m = artifact_.manifest;
  // [contestant][fold]; empty where the cells of a contestant have no levels (decoders). Levels belong to places on the
  // part, so the maps are taken before they are warped back.
  std::vector<std::vector<const Node*>> scaled(m.contestants.size(), std::vector<const Node*>(folds_));
  std::vector<std::string> names;
  for (const auto& node : m.graph) {
    if (node.op != "scale_cells") continue;
    if (const auto reader = reader_of(m, node.output)) {
      scaled[reader->contestant][reader->fold] = &node;
      names.push_back(node.output);
    }
  }
  GraphPool graphs(m.graph, artifact_.tensors, names);
  std::vector<std::vector<std::vector<float>>> maps(images_.size());  // [picture][contestant], by the own fold's models
  auto ok = for_pictures([&](std::size_t i) -> Result<void> {
    auto graph = graphs.take(m.input_height, m.input_width);
    if (!graph) return graph.error();
    (*graph)->run(resize_to_planes(images_[i], m.input_height, m.input_width));
    for (const auto& nodes : scaled) {
      auto& map = maps[i].emplace_back();
      if (const auto* node = nodes[fold_of(i)]) map = (*graph)->output(node->output).copy();
    }
    graphs.give_back(std::move(*graph));
    return {};
  });
  if (!ok) return ok;
  for (std::size_t c = 0; c < scaled.size(); ++c)
    for (std::size_t f = 0; f < folds_; ++f) {
      if (scaled[c][f] == nullptr) continue;
      auto& factors = artifact_.tensors.at(scaled[c][f]->tensors.at("factors"));
      std::vector<double> sums(factors.count);
      double count = 0, total = 0;
      for (std::size_t i = 0; i < images_.size(); ++i) {
        if (fold_of(i) == f) continue;
        for (std::size_t k = 0; k < sums.size(); ++k) {
          const double power = std::pow(static_cast<double>(maps[i][c][k]), kLevelPower);
          sums[k] += power;
          total += power;
        }
        count += 1;
      }
      const double average = std::max(total / count / static_cast<double>(sums.size()), 1e-9);
      std::vector<float> values = factors.copy();
      // The old batch counts as much as the new one, so that a cell stays as restless as it was in either.
      for (std::size_t k = 0; k < sums.size(); ++k) {
        const double level = (sums[k] + kPriorPictures * average) / (count + kPriorPictures);
        values[k] *= static_cast<float>(std::pow(0.5 + 0.5 * level, -1 / kLevelPower));
      }
      factors = Tensor::make(factors.shape, std::move(values));
    }
  return {};
}

Result<void> Rebasing::move_pools() {
  auto measured = measure();
  if (!measured) return measured.error();
  auto& m = artifact_.manifest;
  const auto count = static_cast<double>(measured->size());
  for (std::size_t c = 0; c < m.contestants.size(); ++c)
    for (std::size_t p = 0; p < m.contestants[c].pools.size(); ++p) {
      auto& pool = m.contestants[c].pools[p];
      double mean = 0, square = 0;
      const auto number = [&](std::size_t i) { return (*measured)[i].outputs[c].scores[fold_of(i)][p]; };
      for (std::size_t i = 0; i < measured->size(); ++i) mean += number(i) / count;
      for (std::size_t i = 0; i < measured->size(); ++i)
        square += (number(i) - mean) * (number(i) - mean) / (count - 1);
      pool.location = mean;
      pool.scale = std::sqrt(0.5 * (pool.scale * pool.scale + square));
      if (p == 0) m.contestants[c].map_unit = std::exp(mean);
    }
  std::vector<PictureStatistics> statistics;
  for (std::size_t i = 0; i < measured->size(); ++i) {
    auto& own = statistics.emplace_back((*measured)[i].statistics);
    own.level = level_of(m, (*measured)[i].outputs, static_cast<std::int64_t>(fold_of(i)));
  }
  const auto limits = choose_plausibility(statistics);
  auto& p = m.plausibility;
  p.darkest = std::min(p.darkest, limits.darkest);
  p.brightest = std::max(p.brightest, limits.brightest);
  p.least_sharpness = std::min(p.least_sharpness, limits.least_sharpness);
  p.highest_level = std::max(p.highest_level, limits.highest_level);
  for (std::size_t i = 0; i < measured->size(); ++i) {
    const auto fold = static_cast<std::int64_t>(fold_of(i));
    const auto& own = (*measured)[i];
    const auto verdict = combine(m, own.outputs, own.class_maps, own.statistics, fold);
    evaluation_.predictions.push_back({.source_ref = used_[i]->source_ref,
                                       .is_anomalous = false,
                                       .called_anomalous = verdict.is_anomalous,
                                       .confidence = verdict.confidence,
                                       .anomaly_score = verdict.anomaly_score,
                                       .image = used_[i]->image.string(),
                                       .fold = fold,
                                       .is_suspect = false,
                                       .reason = verdict.reason});
  }
  return {};
}

Result<void> Rebasing::remember_golden() {
  auto& m = artifact_.manifest;
  for (auto& golden : m.golden) {
    const auto& picture = artifact_.tensors.at(golden.image);
    const RgbImage image{static_cast<int>(picture.size(0)), static_cast<int>(picture.size(1)),
                         std::vector<std::uint8_t>(picture.values().begin(), picture.values().end())};
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
    auto exact = score(std::min(quickest_precision(m), Precision::bf16));
    if (!exact) return exact.error();
    golden.anomaly_score = *exact;
    if (!golden.int8_score) continue;
    if (!multiplies_int8()) {
      // This processor cannot tell what the score is now.
      golden.int8_score.reset();
      m.int8_agrees.reset();
      continue;
    }
    auto quick = score(Precision::int8);
    if (!quick) return quick.error();
    golden.int8_score = *quick;
  }
  return {};
}

Result<std::int64_t> Rebasing::count_alarms() const {
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

Result<void> Rebasing::write(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<std::string>> by_blob;
  for (const auto& [tensor, blob] : artifact_.manifest.tensors) by_blob[blob].push_back(tensor);
  std::vector<std::vector<std::string>> blobs;
  for (auto& [blob, tensors] : by_blob) blobs.push_back(std::move(tensors));
  if (auto ok = write_artifact(folder, artifact_.manifest, artifact_.tensors, blobs); !ok) return ok;
  if (auto read = Engine::load(folder); !read) return internal_error(read.error().message);
  return {};
}

Result<Evaluation> Rebasing::run(const std::filesystem::path& folder, std::vector<BankSource> sources) {
  const auto start = std::chrono::steady_clock::now();
  evaluation_.bank_sources = std::move(sources);
  report("reading pictures", 0.05);
  if (auto ok = load_pictures(); !ok) return ok.error();
  report("judging them as they are", 0.2);
  const auto before = count_alarms();
  if (!before) return before.error();
  report("moving the models", 0.35);
  if (auto ok = describe(); !ok) return ok.error();
  move_models();
  report("learning levels", 0.6);
  if (auto ok = level_cells(); !ok) return ok.error();
  report("moving the scores", 0.75);
  if (auto ok = move_pools(); !ok) return ok.error();
  report("writing the model", 0.9);
  if (auto ok = remember_golden(); !ok) return ok.error();
  if (auto ok = write(folder); !ok) return ok.error();
  evaluation_.is_out_of_fold = true;
  evaluation_.training_images = static_cast<std::int64_t>(used_.size());
  summarize_predictions(evaluation_);
  for (const auto& c : artifact_.manifest.contestants)
    evaluation_.contest.push_back({c.name, {}, c.score_weight(), c.map_weight});
  evaluation_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  evaluation_.warnings.push_back(
      fmt::format("Before, the model called {} of these {} good pictures anomalous.", *before, used_.size()));
  if (letterboxed_ > 0)
    evaluation_.warnings.push_back(fmt::format("{} pictures of other sizes were letterboxed to {}x{}", letterboxed_,
                                               artifact_.manifest.image_width, artifact_.manifest.image_height));
  if (evaluation_.false_alarm_rate.value_or(0) > kMostAlarms)
    evaluation_.warnings.push_back(
        "The moved model still calls many of these pictures anomalous: they differ among themselves, or too much from "
        "what the model learned. Train again with good pictures of the new batch.");
  report("finished", 1);
  return std::move(evaluation_);
}

}  // namespace

Result<Evaluation> rebase(const TrainingJob& job, const std::filesystem::path& base,
                          const std::filesystem::path& model_folder, int threads, const ProgressSink& progress) {
  const ThreadCount count(threads);
  auto artifact = read_artifact(base);
  if (!artifact) return artifact.error();
  auto before = read_evaluation(base);
  return Rebasing(job, std::move(*artifact), ThreadCount::current(), progress)
      .run(model_folder, before ? std::move(before->bank_sources) : std::vector<BankSource>());
}

}  // namespace vedette
