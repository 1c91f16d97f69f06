#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "training/training.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/infer.hpp"

/// Loads labelled pictures and judges a model on them.
namespace vedette {

struct LoadedSample {
  RgbImage image;
  std::optional<Grid<std::uint8_t>>
      truth;  ///< 0 background, else index into the labels + 1; labels.size() + 1: a label not among them
  bool was_letterboxed = false;
  int orientation = 1;  ///< that the file's EXIF says and that was ignored (ImageHeader)
  int used_bits = 0;    ///< RgbImage::used_bits
};

/// The labels of a set in order of first appearance, with the colour first seen. Pictures classed normal do not count.
std::vector<Label> collect_labels(std::span<const TrainingSample> samples);

/// Largest side and file the local tools and the trainer read.
inline constexpr SizeLimits kTrainingSizeLimits{32, 16384};
inline constexpr std::uint64_t kImageFileLimit = 256ULL << 20;

/// Error::code of a picture that cannot be read or decoded: such a one may be skipped, a wrong mask or size may not.
inline constexpr const char* kUnreadable = "unreadable";

/// Decodes picture and mask. If height and width are given and differ, letterboxes or fails with invalid_input.
/// Messages name the picture. A normal picture's mask is ignored: it can only be background. A picture of the given size may come
/// reduced (decode_image), if `least` says what it is wanted for. `rules` are the picture's; a manifest's mask is PNG, one of a folder may
/// have any format.
Result<LoadedSample> load_sample(const TrainingSample& sample, std::span<const Label> labels, int height, int width,
                                 bool letterbox_mixed_sizes, LeastSize least, const DecodeRules& rules);

/// What is to be said of a set's EXIF orientations, each picture's given: nothing if all are upright.
std::vector<std::string> describe_orientations(std::span<const int> orientations);

/// Of the verdicts as they are called.
ConfusionCounts count_confusion(const Evaluation& evaluation);

/// Fills the classification figures from predictions, those that are defined; `probability` is of the anomalous class.
void summarize_predictions(Evaluation& evaluation);

/// Per-label pixel counts over a set, then the metrics.
class SegmentationTally {
 public:
  explicit SegmentationTally(std::vector<std::string> names)
      : names_(std::move(names)), pixels_(names_.size()), ious_(names_.size()) {}
  void add(const Grid<std::uint8_t>& predicted, const Grid<std::uint8_t>& truth);
  [[nodiscard]] std::vector<LabelMetrics> metrics() const;

 private:
  struct Pixels {
    std::int64_t intersection = 0, predicted = 0, truth = 0;
  };
  std::vector<std::string> names_;
  std::vector<Pixels> pixels_;
  std::vector<std::vector<double>> ious_;
};

/// Runs the model on every labelled picture. Unreadable ones are skipped and named. Pictures whose mask cannot be used, or shows labels that
/// the model does not know, are judged all the same, with a warning: the former count in no pixel figures, the latter as any defect but
/// not in the figures of labels. `on_result` sees each detection.
/// Fails with invalid_input if no labelled picture can be read.
Result<Evaluation> evaluate_model(
    const Engine& engine, std::span<const TrainingSample> samples, bool letterbox_mixed_sizes, FormatSet formats,
    const std::function<void(std::size_t done, const TrainingSample&, const Detection&)>& on_result);

/// Looks at a test set before a training spends its time: decodes all pictures and masks. Unreadable pictures do not count. Fails with
/// invalid_input, saying how many can be used and why others cannot, if there are fewer normal or anomalous pictures than `minimum` asks
/// for (of each at least one); and if a mask or a size is wrong.
Result<void> check_test_set(std::span<const TrainingSample> samples, const MinimumCounts& minimum, int height,
                            int width, bool letterbox_mixed_sizes, const DecodeRules& rules, int threads);

}  // namespace vedette
