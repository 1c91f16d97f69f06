#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/decoder/decoder.hpp"
#include "vision/infer/half.hpp"
#include "vision/infer/infer.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/fusion.hpp"
#include "vision/learn/learn.hpp"
#include "vision/learn/normality.hpp"
#include "vision/learn/pools.hpp"

/// Declares the steps of one training, which run() calls in this order: pictures.cpp, fit.cpp, draw.cpp, probe.cpp,
/// judge.cpp, segmentation.cpp, train.cpp. Only files of vision/learn include this header.
namespace vedette {

/// The number of pictures on which precisions are compared, and the number on which ranges are measured. More pictures
/// than the first number are not needed, since fewer digits move scores by less than the distance between so many
/// pictures.
inline constexpr std::size_t kMostCompared = 16, kMostRanged = 16;

/// Turns the steps of one training into a fraction of the whole and an estimate of the time left.
class ProgressMeter {
 public:
  ProgressMeter(const ProgressSink& sink) : sink_(sink), start_(std::chrono::steady_clock::now()) {}
  void report(const char* stage, double fraction) {
    const double now = seconds();
    if (stage != stage_) {
      if (!stage_.empty()) stages_.emplace_back(stage_, now - begun_);
      stage_ = stage;
      begun_ = now;
    }
    Progress p{stage, fraction, {}};
    if (fraction > 0.05) p.seconds_left = now * (1 - fraction) / fraction;
    if (sink_) sink_(p);
  }
  /// Returns the seconds of each stage so far, without the stage that is in progress.
  [[nodiscard]] const std::vector<std::pair<std::string, double>>& stages() const { return stages_; }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const ProgressSink& sink_;
  std::chrono::steady_clock::time_point start_;
  std::string stage_;
  double begun_ = 0;
  std::vector<std::pair<std::string, double>> stages_;
};

/// A labelled picture that takes part in the training.
struct Picture {
  const TrainingPicture* sample;
  bool is_anomalous;
  bool has_mask;
  std::int64_t fold = 0;
  /// The index of the first picture of the class with the same pixels, which is the picture's own index unless it is a
  /// copy.
  std::size_t original = 0;
};

/// The outputs of the graph (FeatureGraph) for one picture.
struct PictureFeatures {
  std::vector<float> rows, coarse_rows;
};

/// The results for one picture of the models of its own fold, which never saw it.
struct OutOfFold {
  ScoreRow scores;                     ///< not standardised
  std::vector<ContestantOutput> maps;  ///< One map per contestant; empty if they are not kept.
  std::vector<Planes> class_maps;      ///< One element, or none if it is not kept.
  std::optional<Grid<std::uint8_t>> truth;
  PictureStatistics statistics;
};

class Trainer {
 public:
  Trainer(const TrainingJob& job, int threads, const ProgressSink& progress)
      : job_(job), threads_(threads), meter_(progress), random_(job.seed) {}

  Result<Evaluation> run(const std::filesystem::path& folder);

 private:
  // These methods choose the pictures (pictures.cpp).
  Result<void> select_pictures();
  /// Chooses the size that most pictures have. Where no size has a majority (cropped parts), it is the median height
  /// and width.
  Result<void> choose_image_size();
  [[nodiscard]] std::int64_t count_distinct_normals() const;
  /// Chooses the smallest usual number of bits that all 16-bit pictures fit into. `used_bits` is what each picture uses
  /// (0: it has not 16 bits).
  void choose_sample_bits(std::span<const int> used_bits);
  void assign_folds();
  /// Finds out whether the good pictures show one part in slightly different places. If so, everything is compared in
  /// the frame of their mean.
  Result<void> find_reference();

  // These methods fit the models of good pictures (fit.cpp).
  /// Returns how many pictures run through a graph side by side, each on one thread. A large picture runs alone on all
  /// threads, since its values take gigabytes.
  [[nodiscard]] int strands() const { return input_.pixels() > 8 * kInputPixels ? 1 : threads_; }
  /// Calls work(i) for i in [0, count) on strands() strands.
  void for_pictures(std::size_t count, const std::function<void(std::size_t)>& work) const;
  /// Returns how many pictures are in memory at once, with their feature maps.
  [[nodiscard]] std::size_t chunk() const {
    return std::max(static_cast<std::size_t>(strands()),
                    static_cast<std::size_t>(16 * std::min(1.0, kInputPixels / input_.pixels())));
  }
  /// Runs the feature graph over the good pictures in chunks. `use` is called with each chunk's values, in order.
  Result<void> for_each_normal(const char* stage, double from, double to,
                               const std::function<void(std::size_t first, const std::vector<PictureFeatures>&)>& use);
  Result<void> sample_features();
  /// The whitening is shared. Every other model part is kept per fold, so that a fold's models are all parts but its
  /// own.
  void fit_banks();
  Result<void> fit_positions();
  void build_artifact();
  /// Returns the map, or, if pictures are registered, a new node that warps it back. A cell of the map has `cell`
  /// pixels of the working size.
  std::string in_place(const std::string& map, double cell);
  static constexpr const char* kInPlace = ".in_place";
  /// Calibrates the cells of the maps. At some places (the edges of a part that moves) good pictures are farther from
  /// the models than at others. So each fold's map is divided by the level that good pictures outside the fold, each
  /// judged by the models of its own fold, have at that place.
  Result<void> calibrate_cells();

  // These methods fit the decoders that draw defects (draw.cpp).
  Result<void> fit_decoders();
  /// Loads a picture, with its mask if labels are given, no larger than the working size needs.
  [[nodiscard]] Result<LoadedPicture> load(const Picture& picture, std::span<const Label> labels = {}) const {
    return load_picture(*picture.sample, labels, image_height_, image_width_, job_.letterbox_mixed_sizes,
                        {input_.height, input_.width}, rules());
  }
  [[nodiscard]] DecodeRules rules() const { return {.formats = formats(), .sample_bits = sample_bits_}; }
  [[nodiscard]] FormatSet formats() const { return job_.takes_all_formats ? kAllFormats : kServedFormats; }
  /// Loads a picture as the decoders see it: at the input size, seen from the reference if there is one, and without
  /// distances.
  Result<DecoderSample> load_for_decoder(const Picture& picture) const;
  /// Returns the model so far. Its maps are as the reference sees the part, before they are warped back.
  [[nodiscard]] Artifact seen_from_reference() const;

  /// Fits the contestant that judges pictures as a whole and learns from labels alone, if there are labels enough
  /// (probe.cpp).
  Result<void> fit_probe();

  // These methods decide the verdicts (judge.cpp).
  Result<void> measure_out_of_fold();
  /// Weighs contestants against each other when no defect was shown. Copies of the good pictures with rendered damage,
  /// small and large, faint and plain, then stand in for defects. They do not decide any threshold, because real
  /// defects look different.
  Result<void> measure_damaged();
  void decide();

  // These methods draw masks (segmentation.cpp).
  /// A picture and its map, from which a mask is to be drawn.
  struct Drawing {
    Grid<float> map;
    /// The number of cells that the truth covers: with any label first, then with each label.
    std::vector<double> marked;
    /// The shares of each cell that the truth covers, in the same order; empty where nothing is marked.
    std::vector<Grid<float>> coverage;
    const Planes* classes = nullptr;  ///< The logits of the labels.
  };
  /// Pairs of thresholds, one for cells and one for the peaks of regions, and how good each pair is.
  struct ThresholdTable {
    std::vector<double> thresholds;  ///< They are in rising order.
    std::vector<double> quality;     ///< [threshold of cells][threshold of peaks]; 0 where the second is lower
    double pictures = 0;             ///< The number of pictures that hold what shall be drawn.
  };
  /// Returns the share of each cell that the truth covers with any label (0) or with one label.
  static Grid<float> coverage(const Grid<std::uint8_t>& truth, std::uint8_t label, int height, int width);
  /// Rates thresholds by three measures together: the mean IoU over pictures with defects, so that small defects count;
  /// the IoU of the cells of all pictures together, so that false regions cost what they cover; and how well "something
  /// is marked" tells defective pictures, where it must touch the defect, from good ones. Cells are weighted by how far
  /// the truth covers them. All regions count (label 0), or only those that are called the label.
  ThresholdTable rate_thresholds(const std::vector<Drawing>& drawings, std::uint8_t label) const;
  void fit_segmentation();

  // These methods begin and end a training (train.cpp).
  Result<void> load_backbone(const std::filesystem::path& file);
  Result<void> evaluate_test_set();
  Result<Evaluation> judge_test_set() const;
  /// Returns `count`, or less at a large working size, but at least a quarter of it.
  [[nodiscard]] std::size_t fewer_if_large(std::size_t count) const {
    return static_cast<std::size_t>(static_cast<double>(count) * std::clamp(kInputPixels / input_.pixels(), 0.25, 1.0));
  }
  /// Finds what the values that products read hardly exceed, from some of the pictures; int8 needs that.
  Result<void> set_ranges();
  /// Finds out whether bf16 and int8 decide and draw as fp32 does, by judging those of the pictures `judged` that are
  /// next to the threshold.
  Result<void> compare_precisions(std::vector<Prediction> judged);
  Result<void> write(const std::filesystem::path& folder);

  const TrainingJob& job_;
  const int threads_;
  ProgressMeter meter_;
  const Random random_;
  int image_height_ = 0, image_width_ = 0, sample_bits_ = 16;
  Backbone own_backbone_;  ///< The backbone that the plan names, if it names one.
  const Backbone* backbone_ = &shipped_backbone();
  InputSize input_{};
  FeatureGraph features_;
  std::vector<Label> labels_;
  bool is_segmentation_ = false, is_registered_ = false;
  /// The reference of registration (registration.hpp); empty if there is none.
  Grid<float> reference_;
  std::optional<double> in_place_;         ///< The `in_place` of find_pose(); empty where every picture is registered.
  std::vector<std::string> factor_names_;  ///< The names of the tensors of scale_cells, [contestant · folds + fold].
  std::vector<Picture> pictures_;
  std::vector<std::size_t> normals_;  ///< Indices into pictures_.
  std::int64_t folds_ = 0;
  std::vector<std::vector<float>> samples_;         ///< Feature rows drawn from each good picture.
  std::vector<std::vector<std::size_t>> drawn_of_;  ///< The cells that these rows describe, for each good picture.
  /// The rows or pictures of all folds together, and where each fold's part begins.
  struct Grouped {
    Tensor values, groups;
  };
  /// All coarse rows of the good pictures on which the subspaces are fitted, in the order of normals_. Empty if they
  /// would take too much memory; then the pictures are described again.
  std::vector<std::vector<Half>> coarse_rows_;
  std::vector<float> coarse_samples_;  ///< Rows of coarse features drawn from all good pictures.
  std::int64_t channels_ = 0, coarse_channels_ = 0;
  Whitening whitening_, principal_, coarse_whitening_;
  Grouped bank_;
  std::vector<PositionSubspace> subspaces_;  ///< One per fold.
  double pass_seconds_ = 0;                  ///< The seconds that calibrate_cells() took.
  Artifact artifact_;
  std::vector<std::vector<std::string>> blobs_;
  std::vector<OutOfFold> measured_;  ///< One per picture.
  struct Damaged {
    std::int64_t fold;
    OutOfFold measured;
  };
  std::vector<Damaged> damaged_;
  Evaluation evaluation_;
};

}  // namespace vedette
