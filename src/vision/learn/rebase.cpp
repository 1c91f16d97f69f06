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
#include "vision/infer/infer.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/normality.hpp"
#include "vision/learn/precisions.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMostRowsOfPicture = 5'000;  // More rows of one picture say little that is new to a bank.
constexpr double kBankGrowth = 0.5;                // The rows that a bank gets, as a share of those it has.
constexpr std::size_t kMostBankRows = 4'800;       // The most rows of all groups together, however often it is moved.
constexpr double kLevelPower = 4;                  // As in calibrate_cells().
constexpr double kPriorPictures = 4;
constexpr std::uint64_t kSeed = 50'000;
constexpr double kMostAlarms = 0.34;  // More false alarms than this share say that moving was not enough.

/// The contestant and the fold whose map is computed from a value of the graph.
struct Reader {
  std::size_t contestant = 0, fold = 0;
};

/// Returns which map needs the value: the one of the contestant of which only one fold needs it. (Decoders read the maps
/// of all folds.) Empty if nobody needs the value, or if all folds of all contestants do.
std::optional<Reader> reader_of(const Manifest& m, const std::string& value) {
  std::set<std::string> reached = {value};
  for (const auto& node : m.graph)
    if (std::any_of(node.inputs.begin(), node.inputs.end(), [&](const auto& in) { return reached.contains(in); }))
      reached.insert(node.output);
  for (std::size_t c = 0; c < m.contestants.size(); ++c) {
    std::vector<std::size_t> folds;
    for (std::size_t f = 0; f < m.contestants[c].maps.size(); ++f)
      if (reached.contains(m.contestants[c].maps[f])) folds.push_back(f);
    if (folds.size() == 1) return Reader{c, folds[0]};
  }
  return {};
}

/// What a picture's own fold of the model says of it.
struct Measured {
  std::vector<std::vector<double>> scores;  // [contestant][pool]
  PictureStatistics statistics;
};

/// The mean of a pool's number over pictures, and its variance.
struct Moments {
  double mean = 0, variance = 0;
};

class Rebasing {
 public:
  Rebasing(const TrainingJob& job, Artifact artifact, int threads, const ProgressSink& sink)
      : job_(job),
        threads_(threads),
        sink_(sink),
        artifact_(std::move(artifact)),
        folds_(static_cast<std::size_t>(artifact_.manifest.folds)),
        input_{artifact_.manifest.input_height, artifact_.manifest.input_width} {}

  /// `before` is the evaluation of the base model, if it is known.
  Result<Evaluation> run(const std::filesystem::path& folder, const std::optional<Evaluation>& before);

 private:
  void report(const char* stage, double fraction) const {
    if (sink_) sink_({stage, fraction, {}});
  }
  [[nodiscard]] std::size_t fold_of(std::size_t picture) const { return picture % folds_; }
  [[nodiscard]] int strands() const { return strands_of(input_, threads_); }
  /// Returns the numbers of all pictures, or of those of all folds but one.
  [[nodiscard]] std::vector<std::size_t> pictures_without(std::optional<std::size_t> fold) const;
  Result<void> check_model() const;
  Result<void> load_pictures(const std::optional<Evaluation>& before);
  /// Calls work(i) for every picture, side by side, and returns the first failure.
  Result<void> for_pictures(const std::function<Result<void>(std::size_t)>& work) const;
  /// Runs a part of the graph over every picture. `use` is called side by side.
  Result<void> run_graph(const std::vector<std::string>& outputs,
                         const std::function<void(std::size_t picture, const Graph&)>& use) const;
  /// Finds the models of good pictures in the graph, and the ranges of what products read.
  Result<void> move_models();
  Result<void> extend_bank(const Node& node);
  void move_subspace(const Node& node, std::size_t fold);
  void move_probe(const Node& node, std::size_t fold);
  Result<void> widen_ranges();
  Result<void> level_cells();
  Result<std::vector<Measured>> measure() const;
  Result<void> move_pools();
  /// Writes locations, scales and limits into a manifest, from these pictures.
  void set_pools(Manifest& m, const std::vector<Measured>& measured, const std::vector<std::size_t>& pictures) const;
  /// Widens the ranges of values, and finds out whether fewer digits decide alike on the pictures next to the threshold.
  Result<void> compare();
  Result<void> remember_golden();
  Result<void> write(const std::filesystem::path& folder);
  /// Returns how many of the pictures the model calls anomalous, as a whole.
  Result<std::int64_t> count_alarms() const;

  const TrainingJob& job_;
  const int threads_;
  const ProgressSink& sink_;
  Artifact artifact_;
  const std::size_t folds_;
  const InputSize input_;
  std::vector<const TrainingPicture*> used_;
  std::vector<RgbImage> images_;
  // What the models of good pictures compare, by the name of the value: for each picture its rows, of banks at most
  // kMostRowsOfPicture.
  std::map<std::string, std::vector<std::vector<float>>> rows_;
  std::map<std::string, std::size_t> stride_;  // Each n-th row of the value was taken.
  std::int64_t letterboxed_ = 0;
  Evaluation evaluation_;
};

std::vector<std::size_t> Rebasing::pictures_without(std::optional<std::size_t> fold) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < images_.size(); ++i)
    if (!fold || fold_of(i) != *fold) out.push_back(i);
  return out;
}

Result<void> Rebasing::for_pictures(const std::function<Result<void>(std::size_t)>& work) const {
  std::vector<std::optional<Error>> failures(images_.size());
  side_by_side(images_.size(), strands(), [&](std::size_t i) {
    if (auto ok = work(i); !ok) failures[i] = ok.error();
  });
  for (const auto& failure : failures)
    if (failure) return *failure;
  return {};
}

Result<void> Rebasing::run_graph(const std::vector<std::string>& outputs,
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

Result<void> Rebasing::check_model() const {
  if (folds_ < 2) return invalid_input("The model has a single fold, so that it cannot be moved.");
  // Whatever else may be wrong with the model shows here and not in the midst of the work.
  if (auto engine = Engine::create(artifact_); !engine) return engine.error();
  return {};
}

Result<void> Rebasing::load_pictures(const std::optional<Evaluation>& before) {
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
    auto loaded = load_picture(
        picture, {}, m.image_height, m.image_width, job_.letterbox_mixed_sizes, {m.input_height, m.input_width},
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

Result<void> Rebasing::extend_bank(const Node& node) {
  auto& bank = artifact_.tensors.at(node.tensors.at("bank"));
  auto& groups = artifact_.tensors.at(node.tensors.at("groups"));
  if (groups.count != folds_ + 1)
    return invalid_input(
        fmt::format("The bank of the model has {} groups, but the model has {} folds.", groups.count - 1, folds_));
  const auto components = bank.size(1);
  const auto width = static_cast<std::size_t>(components);
  // `vedette report` shows where rows come from, if the model tells it.
  auto& sources = evaluation_.bank_sources;
  if (sources.size() != static_cast<std::size_t>(bank.size(0))) sources.clear();
  const int columns = std::max(1, static_cast<int>(node.numbers.at("width")));
  const auto& rows_of = rows_.at(node.inputs[0]);
  const int stride = static_cast<int>(stride_.at(node.inputs[0]));
  std::vector<std::vector<float>> parts(folds_);
  std::vector<std::vector<BankSource>> sources_of(folds_);
  run_parallel(folds_, threads_, [&](std::size_t f) {
    const auto first = static_cast<std::size_t>(groups.data()[f]), end = static_cast<std::size_t>(groups.data()[f + 1]);
    const auto known = bank.values().subspan(first * width, (end - first) * width);
    std::vector<float> rows;
    std::vector<BankSource> source_of;
    for (std::size_t i = f; i < rows_of.size(); i += folds_) {
      rows.insert(rows.end(), rows_of[i].begin(), rows_of[i].end());
      for (int row = 0; static_cast<std::size_t>(row) < rows_of[i].size() / width; ++row)
        source_of.push_back({used_[i]->image.string(), row * stride / columns, row * stride % columns});
    }
    const auto add = [&](std::span<const float> values, const std::vector<BankSource>& from, std::size_t row) {
      const auto own = values.subspan(row * width, width);
      parts[f].insert(parts[f].end(), own.begin(), own.end());
      if (!sources.empty()) sources_of[f].push_back(from[row]);
    };
    std::vector<BankSource> known_from;
    if (!sources.empty())
      known_from.assign(sources.begin() + static_cast<std::ptrdiff_t>(first),
                        sources.begin() + static_cast<std::ptrdiff_t>(end));
    // A bank that has been moved often keeps its size: then some rows must go before others come.
    const std::size_t most = std::max(kMostBankRows / folds_, std::size_t{2});
    const auto added =
        rows.empty() ? 0 : static_cast<std::size_t>(std::ceil(kBankGrowth * static_cast<double>(end - first)));
    const std::size_t kept = std::min(end - first, most - std::min(added, most / 2));
    if (kept == end - first) {
      for (std::size_t row = 0; row < kept; ++row) add(known, known_from, row);
    } else {
      for (const auto row : select_coreset(known, components, kept, kSeed + f)) add(known, known_from, row);
    }
    for (const auto row : select_coreset(rows, components, std::min(added, most - kept), kSeed + f))
      add(rows, source_of, row);
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
  return {};
}

void Rebasing::move_subspace(const Node& node, std::size_t fold) {
  auto& mean = artifact_.tensors.at(node.tensors.at("mean"));
  auto& basis = artifact_.tensors.at(node.tensors.at("basis"));
  const auto& weight = artifact_.tensors.at(node.tensors.at("weight"));
  std::vector<std::span<const float>> pictures;
  for (const auto i : pictures_without(fold)) pictures.emplace_back(rows_.at(node.inputs[0])[i]);
  auto moved = move_position_subspace({mean, basis, weight}, pictures, threads_);
  mean = std::move(moved.mean);
  basis = std::move(moved.basis);
}

void Rebasing::move_probe(const Node& node, std::size_t fold) {
  auto& center = artifact_.tensors.at(node.tensors.at("center"));
  std::vector<double> sum(center.count);
  const auto pictures = pictures_without(fold);
  for (const auto i : pictures)
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += rows_.at(node.inputs[0])[i][c];
  std::vector<float> moved;
  for (const double v : sum) moved.push_back(static_cast<float>(v / static_cast<double>(pictures.size())));
  center = Tensor::make(center.shape, std::move(moved));
}

Result<void> Rebasing::move_models() {
  // Nodes that no map needs were never checked, and a tensor is moved once, whoever shares it.
  struct Move {
    const Node* node;
    std::optional<std::size_t> fold;
  };
  std::vector<Move> moves;
  std::set<std::string> moved;
  for (const auto& node : artifact_.manifest.graph) {
    const bool is_bank = node.op == "nearest_distance";
    if (!is_bank && node.op != "position_subspace" && node.op != "probe") continue;
    const auto& tensor = node.tensors.at(is_bank ? "bank" : node.op == "probe" ? "center" : "mean");
    if (is_bank) {
      const bool is_read =
          std::any_of(artifact_.manifest.graph.begin(), artifact_.manifest.graph.end(), [&](const auto& n) {
            return n.op == "nearest_other_group" && n.inputs == std::vector{node.output} &&
                   reader_of(artifact_.manifest, n.output);
          });
      if (is_read && moved.insert(tensor).second) moves.push_back({&node, {}});
    } else if (const auto reader = reader_of(artifact_.manifest, node.output); reader && moved.insert(tensor).second) {
      moves.push_back({&node, reader->fold});
    }
  }
  std::vector<std::string> names;
  for (const auto& move : moves) {
    const auto& name = move.node->inputs[0];
    if (rows_.contains(name)) continue;
    names.push_back(name);
    rows_[name].resize(images_.size());
    const bool is_bank = !move.fold;
    const auto cells =
        is_bank ? static_cast<std::size_t>(move.node->numbers.at("width") * move.node->numbers.at("height")) : 1;
    stride_[name] = (cells + kMostRowsOfPicture - 1) / kMostRowsOfPicture;
  }
  auto ok = run_graph(names, [&](std::size_t i, const Graph& graph) {
    for (const auto& name : names) {
      const auto& value = graph.output(name);
      const auto stride = stride_.at(name);
      auto& own = rows_.at(name)[i];
      if (stride <= 1 || value.shape.size() != 2) {
        own = value.copy();
        continue;
      }
      const auto width = static_cast<std::size_t>(value.shape[1]);
      for (std::size_t row = 0; row < static_cast<std::size_t>(value.shape[0]); row += stride)
        own.insert(own.end(), value.data.begin() + static_cast<std::ptrdiff_t>(row * width),
                   value.data.begin() + static_cast<std::ptrdiff_t>((row + 1) * width));
    }
  });
  if (!ok) return ok;
  for (const auto& [node, fold] : moves) {
    if (!fold) {
      if (auto extended = extend_bank(*node); !extended) return extended;
    } else if (node->op == "probe") {
      move_probe(*node, *fold);
    } else {
      move_subspace(*node, *fold);
    }
  }
  rows_.clear();
  return {};
}

Result<void> Rebasing::widen_ranges() {
  auto& m = artifact_.manifest;
  std::vector<std::string> ranged;
  for (const auto& node : m.graph)
    if (node.numbers.contains("range")) ranged.push_back(node.output);
  if (ranged.empty()) return {};
  // One graph suffices: all of its values stay in memory.
  auto graph = Graph::plan(m.graph, artifact_.tensors, ranged, m.input_height, m.input_width);
  if (!graph) return graph.error();
  for (const auto& image : images_) {
    graph->run(resize_to_planes(image, m.input_height, m.input_width));
    for (auto& node : m.graph)
      if (node.numbers.contains("range")) {
        const auto& values = graph->output(node.output).data;
        widen_range(node, *std::max_element(values.begin(), values.end()));
      }
  }
  return {};
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
  if (names.empty()) return {};
  std::vector<std::vector<std::vector<float>>> maps(images_.size());  // [picture][contestant], by the own fold's models
  auto ok = run_graph(names, [&](std::size_t i, const Graph& graph) {
    for (const auto& nodes : scaled) {
      auto& map = maps[i].emplace_back();
      if (const auto* node = nodes[fold_of(i)]) map = graph.output(node->output).copy();
    }
  });
  if (!ok) return ok;
  for (std::size_t c = 0; c < scaled.size(); ++c)
    for (std::size_t f = 0; f < folds_; ++f) {
      if (scaled[c][f] == nullptr) continue;
      auto& factors = artifact_.tensors.at(scaled[c][f]->tensors.at("factors"));
      std::vector<double> sums(factors.count);
      double count = 0, total = 0;
      for (const auto i : pictures_without(f)) {
        if (maps[i][c].size() != sums.size())
          return invalid_input("The maps of the model's folds differ in size, so that it cannot be moved.");
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

Result<std::vector<Measured>> Rebasing::measure() const {
  auto engine = Engine::create(artifact_);
  if (!engine) return engine.error();
  std::vector<Measured> out(images_.size());
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

void Rebasing::set_pools(Manifest& m, const std::vector<Measured>& measured,
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

Result<void> Rebasing::move_pools() {
  const auto measured = measure();
  if (!measured) return measured.error();
  // Each picture is judged with numbers that were chosen without its fold.
  for (std::size_t f = 0; f < folds_; ++f) {
    Manifest m = artifact_.manifest;
    set_pools(m, *measured, pictures_without(f));
    for (std::size_t i = f; i < images_.size(); i += folds_) {
      double logit = m.fusion_bias;
      for (std::size_t c = 0; c < m.contestants.size(); ++c)
        for (std::size_t p = 0; p < m.contestants[c].pools.size(); ++p) {
          const auto& pool = m.contestants[c].pools[p];
          if (pool.weight != 0) logit += pool.weight * ((*measured)[i].scores[c][p] - pool.location) / pool.scale;
        }
      const auto verdict = decide(logit, decision_numbers(m), (*measured)[i].statistics);
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

Result<void> Rebasing::compare() {
  auto& m = artifact_.manifest;
  if (auto ok = widen_ranges(); !ok) return ok;
  std::vector<std::size_t> order(images_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::map<std::string, double> distance;
  for (const auto& p : evaluation_.predictions) distance[p.image] = std::abs(p.anomaly_score - m.threshold);
  std::sort(order.begin(), order.end(), [&](auto x, auto y) {
    return std::pair(distance[used_[x]->image.string()], x) < std::pair(distance[used_[y]->image.string()], y);
  });
  std::vector<RgbImage> nearest;
  for (std::size_t k = 0; k < std::min(order.size(), kMostCompared); ++k) nearest.push_back(images_[order[k]]);
  return compare_precisions(artifact_, nearest, strands());
}

Result<void> Rebasing::remember_golden() {
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

Result<Evaluation> Rebasing::run(const std::filesystem::path& folder, const std::optional<Evaluation>& before) {
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

}  // namespace

Result<Evaluation> rebase(const TrainingJob& job, const std::filesystem::path& base,
                          const std::filesystem::path& model_folder, int threads, const ProgressSink& progress) {
  const ThreadCount count(threads);
  auto artifact = read_artifact(base);
  if (!artifact) return artifact.error();
  auto evaluation = read_evaluation(base);
  return Rebasing(job, std::move(*artifact), ThreadCount::current(), progress)
      .run(model_folder, evaluation ? std::optional(std::move(*evaluation)) : std::nullopt);
}

}  // namespace vedette
