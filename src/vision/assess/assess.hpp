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

struct LoadedPicture {
  RgbImage image;
  /// 0 is background, otherwise the index into the labels + 1; labels.size() + 1 is a label that is not among them.
  std::optional<Grid<std::uint8_t>> truth;
  bool was_letterboxed = false;
  int orientation = 1;  ///< The orientation that the file's EXIF tells and that was ignored (ImageHeader).
  int used_bits = 0;    ///< The value of RgbImage::used_bits.
};

/// Returns the labels of a set in the order of their first appearance, each with the colour that was seen first.
/// Pictures that are classed normal do not count.
std::vector<Label> collect_labels(std::span<const TrainingPicture> samples);
/// Returns the names of the labels that the colour map of a picture's mask lists: none without a mask, or if the picture
/// is classed normal.
std::vector<std::string> label_names(const TrainingPicture& sample);

/// The largest side, in pixels, and the largest file, in bytes, that the local tools and the trainer read.
inline constexpr SizeLimits kTrainingSizeLimits{32, 16384};
inline constexpr std::uint64_t kImageFileLimit = 256ULL << 20;

/// The Error::code of a picture that cannot be read or decoded. Such a picture may be skipped; a wrong mask or size may
/// not.
inline constexpr const char* kUnreadable = "unreadable";

/// Decodes a picture and its mask. If height and width are given and differ from the picture's, it is letterboxed, or
/// the call fails with invalid_input. Messages name the picture. The mask of a normal picture is ignored, since it can
/// only be background. A picture of the given size may come reduced (decode_image()) if `least` says at what size it is
/// wanted. `rules` apply to the picture; a manifest's mask must be PNG, and a mask of a folder may have any format.
Result<LoadedPicture> load_picture(const TrainingPicture& sample, std::span<const Label> labels, int height, int width,
                                   bool letterbox_mixed_sizes, LeastSize least, const DecodeRules& rules);

/// What an evaluation says of a picture that load_picture() failed on.
SkippedPicture skipped_picture(const TrainingPicture& sample, const Error& error);
/// The first of them and how many others there are, in one line.
std::string list_skipped(std::span<const SkippedPicture> skipped);

/// What is to be said of a set's EXIF orientations, each picture's given: nothing if all are upright.
std::vector<std::string> describe_orientations(std::span<const int> orientations);

/// Counts the verdicts by what they are called and by what the pictures are labelled.
ConfusionCounts count_confusion(const Evaluation& evaluation);

/// Computes the classification figures from the predictions, as far as they are defined. `probability` is that of the
/// anomalous class. Where folds judged the pictures, and the folds are no batches,
/// only pictures of the same fold are ranked against each other.
void summarize_predictions(Evaluation& evaluation);

/// Counts the pixels of each label over a set, and computes the metrics from the counts.
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

/// Runs the model on every labelled picture. Unreadable pictures are skipped and named. Pictures whose mask cannot be
/// used, or shows labels that the model does not know, are judged all the same, with a warning: the former count in no
/// pixel figures; the latter count as any defect, but not in the figures of labels. `on_result` is called with each
/// detection.
/// Fails with invalid_input if no labelled picture can be read.
Result<Evaluation> evaluate_model(
    const Engine& engine, std::span<const TrainingPicture> samples, bool letterbox_mixed_sizes, FormatSet formats,
    const std::function<void(std::size_t done, const TrainingPicture&, const Detection&)>& on_result);

/// Looks at a test set before a training spends its time: decodes all pictures and masks. Unreadable pictures do not
/// count. Fails with invalid_input if there are fewer normal or anomalous pictures than `minimum` asks for (of each
/// kind at least one), and says how many can be used and why others cannot. It also fails if a mask or a size is wrong.
Result<void> check_test_set(std::span<const TrainingPicture> samples, const MinimumCounts& minimum, int height,
                            int width, bool letterbox_mixed_sizes, const DecodeRules& rules, int threads);

}  // namespace vedette
