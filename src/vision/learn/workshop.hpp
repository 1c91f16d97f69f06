#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/assess/assess.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/learn.hpp"
#include "vision/learn/precisions.hpp"

/// What all steps of one training share. Only files of vision/learn include this header.
namespace vedette {

class Detector;

/// Turns the steps of one training into a fraction of the whole and an estimate of the time left.
class ProgressMeter {
 public:
  explicit ProgressMeter(const ProgressSink& sink) : sink_(sink), start_(std::chrono::steady_clock::now()) {}
  void report(const char* stage, double fraction) {
    const double now = seconds();
    if (stage != stage_) {
      if (!stage_.empty()) stages_.emplace_back(stage_, now - begun_);
      stage_ = stage;
      begun_ = now;
    }
    Progress p{stage, fraction, {}};
    if (fraction > 0.05) p.seconds_left = now * (1 - fraction) / fraction;
    if (sink_ && !is_silent_) sink_(p);
  }
  void silence() { is_silent_ = true; }  ///< From now on, report() only takes the time.
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
  bool is_silent_ = false;
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

/// The outputs of the feature graph for one picture.
struct PictureFeatures {
  std::vector<float> rows;                    ///< [fine cells, channels]
  std::vector<float> coarse_rows, edge_rows;  ///< [coarse cells, channels]
  /// The picture as a close look sees it, [close height, close width], light-normalised; empty without a close look.
  std::vector<float> close;
};

/// The pictures, the settings and the model so far. One step after the other fills it (steps.hpp), on one thread; the
/// methods that load pictures may be called by several threads.
struct Workshop {
  Workshop(const TrainingJob& training_job, int most_threads, const ProgressSink& progress)
      : job(training_job), threads(most_threads), meter(progress), random(training_job.seed) {}

  const TrainingJob& job;
  const int threads;
  ProgressMeter meter;
  const Random random;  ///< It is only forked, so that the order of steps does not matter.

  // These are known once the pictures have been selected (pictures.cpp).
  int image_height = 0, image_width = 0, sample_bits = 16;
  InputSize input{};
  std::vector<Label> labels;
  bool is_segmentation = false;
  std::vector<Picture> pictures;
  std::vector<std::size_t> normals;  ///< The good pictures' indices into `pictures`.
  std::int64_t folds = 0;
  Backbone own_backbone;  ///< The backbone that the plan names, if it names one.
  const Backbone* backbone = &shipped_backbone();
  /// Whether pictures are seen from a reference (infer/registration.hpp), and what find_pose() needs for that.
  bool is_registered = false;
  Grid<float> reference;
  std::optional<double> fixture_score;  ///< The `in_place` of find_pose(); empty where every picture is registered.
  FeatureGraph features;

  // The model so far, and what is to be said of it.
  Artifact artifact;
  std::vector<std::vector<std::string>> blobs = {{}, {}};  ///< The backbone's tensors, the others, the decoders'.
  std::vector<const Detector*> entered;                    ///< The detector behind each contestant of the manifest.
  std::vector<std::string> factor_names;                   ///< The tensors of levels, [contestant · folds + fold].
  double pass_seconds = 0;                                 ///< The seconds of one engine's pass over the good pictures.
  Evaluation evaluation;

  /// Returns the least size to which pictures may be reduced while they are decoded.
  [[nodiscard]] LeastSize least_size() const {
    return {std::max(input.height, input.close_height), std::max(input.width, input.close_width)};
  }
  [[nodiscard]] FormatSet formats() const { return job.takes_all_formats ? kAllFormats : kServedFormats; }
  [[nodiscard]] DecodeRules rules() const { return {.formats = formats(), .sample_bits = sample_bits}; }
  /// Loads a picture, with its mask if names of labels are given, no larger than the working size needs.
  [[nodiscard]] Result<LoadedPicture> load(const Picture& picture, std::span<const Label> names = {}) const {
    return load_picture(*picture.sample, names, image_height, image_width, job.letterbox_mixed_sizes, least_size(),
                        rules());
  }
  [[nodiscard]] int strands() const { return strands_of(input, threads); }
  /// Returns how many pictures are in memory at once, with their feature maps.
  [[nodiscard]] std::size_t chunk() const {
    return std::max(static_cast<std::size_t>(strands()),
                    static_cast<std::size_t>(16 * std::min(1.0, kInputPixels / input.pixels())));
  }
  /// Returns `count`, or less at a large working size, but at least a quarter of it.
  [[nodiscard]] std::size_t fewer_if_large(std::size_t count) const {
    return static_cast<std::size_t>(static_cast<double>(count) * std::clamp(kInputPixels / input.pixels(), 0.25, 1.0));
  }
  /// Calls work(i) for i in [0, count) on strands() strands.
  void for_pictures(std::size_t count, const std::function<void(std::size_t)>& work) const {
    side_by_side(count, strands(), work);
  }
  /// Runs the feature graph over the good pictures in chunks. `use` is called with each chunk's values, in order, on the
  /// calling thread. Progress goes from the fraction `from` to `to`.
  Result<void> for_each_normal(const char* stage, double from, double to,
                               const std::function<void(std::size_t first, const std::vector<PictureFeatures>&)>& use);

  /// Adds a tensor to the model, and returns its name.
  std::string keep(const std::string& name, const Tensor& tensor);
  /// Returns the map, or, if pictures are registered, a new node that warps it back. A cell of the map has `cell` pixels
  /// of the working size.
  std::string in_place(const std::string& map, double cell);
  /// Adds a contestant to the model, and remembers which detector it is of.
  void enter(const Detector& detector, Contestant contestant);
  /// Returns the model so far. Its maps are as the reference sees the part, before they are warped back; all contestants
  /// must have such maps.
  [[nodiscard]] Artifact seen_from_reference() const;
};

}  // namespace vedette
