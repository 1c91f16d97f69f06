#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vision/infer/infer.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/learn.hpp"
#include "vision/learn/precisions.hpp"

/// The steps of one move of a model to another batch (rebase.hpp). Only rebase.cpp and move_models.cpp include this
/// header.
namespace vedette {

/// The contestant and the fold whose map is computed from a value of the graph.
struct MapReader {
  std::size_t contestant = 0, fold = 0;
};

/// Returns which map needs the value: the one of the contestant of which only one fold needs it. (Decoders read the maps
/// of all folds.) Empty if nobody needs the value, or if all folds of all contestants do.
std::optional<MapReader> reader_of(const Manifest& m, const std::string& value);

/// What the models of a picture's own fold, which have not seen it, say of it.
struct OwnFoldMeasurement {
  std::vector<std::vector<double>> scores;  // [contestant][pool]
  PictureStatistics statistics;
};

/// One move of one model. It is used by one thread, which shares its work out.
class ModelMove {
 public:
  ModelMove(const TrainingJob& job, Artifact artifact, int threads, const ProgressSink& sink)
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
  // These methods move what has learned from pictures (move_models.cpp).
  /// Finds the models of good pictures in the graph, and moves them.
  Result<void> move_models();
  Result<void> extend_bank(const Node& node);
  void move_subspace(const Node& node, std::size_t fold);
  void move_probe(const Node& node, std::size_t fold);
  Result<void> widen_ranges();
  Result<void> level_cells();
  Result<std::vector<OwnFoldMeasurement>> measure() const;
  Result<void> move_pools();
  /// Writes locations, scales and limits into a manifest, from these pictures.
  void set_pools(Manifest& m, const std::vector<OwnFoldMeasurement>& measured,
                 const std::vector<std::size_t>& pictures) const;
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

}  // namespace vedette
