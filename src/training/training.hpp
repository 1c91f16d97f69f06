#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "training/sandbox.hpp"

/// The job folder, the contract between whoever wants a model and `vedette-trainer`: `job.json` and pictures in;
/// `progress.jsonl`, `model/` (the artifact) and `evaluation.json` (or `failure.json`) out. docs/training-job.md shows
/// it. Both sides can be run by hand.
namespace vedette {

/// One entry of a mask's colour map, as the dataset wrote it.
struct MaskColor {
  std::string name;
  std::string color;  ///< "#rrggbb"
};

struct TrainingSample {
  std::string source_ref;            ///< names the picture in messages and in the evaluation
  std::filesystem::path image;       ///< absolute, or relative to the job folder
  std::optional<bool> is_anomalous;  ///< empty: unlabelled, left out
  std::optional<std::filesystem::path> mask;
  std::vector<MaskColor> mask_colors;
  bool is_binary_mask = false;  ///< instead of colours: whatever is not background shows the first of mask_colors
  /// "#rrrrggggbbbb" of a binary mask, in common with the other masks of its folder; empty: the mask's own (vision/image/mask_file)
  std::optional<std::string> mask_background;
};

/// Fewest usable pictures; fewer is a failure that says so.
struct MinimumCounts {
  std::int64_t train_normal = 4;
  std::int64_t train_anomaly = 0;
  std::int64_t train_per_label = 0;  ///< pictures holding only that label, for at least one label
  std::int64_t test_normal = 0;
  std::int64_t test_anomaly = 0;
};

/// What a training is to aim at. By default a fixed number of steps: the same job gives the same model, however fast the machine.
struct TrainingPlan {
  std::optional<int> steps;              ///< of the decoders; a model's manifest says how many it took
  std::optional<double> budget_seconds;  ///< for all of the training; the steps are fitted to it
  /// Share of good pictures that may be called anomalous. By default the threshold balances both kinds of error.
  std::optional<double> false_alarm_budget;
  std::optional<std::filesystem::path> backbone;  ///< ONNX file (vision/onnx) to be used instead of the shipped weights
};

struct TrainingJob {
  std::vector<TrainingSample> train;
  std::optional<std::vector<TrainingSample>> test;  ///< empty: evaluated out of fold on the training pictures
  std::uint64_t seed = 0;
  bool letterbox_mixed_sizes = false;  ///< else pictures of different sizes are a failure
  bool takes_all_formats = false;      ///< BMP, TIFF and WebP, too; else JPEG and PNG alone, as the API does
  MinimumCounts minimum;
  TrainingPlan plan;
};

struct Progress {
  std::string stage;
  double fraction = 0;                 ///< of the whole job, 0 … 1
  std::optional<double> seconds_left;  ///< once it can be estimated
};

struct Prediction {
  std::string source_ref;
  bool is_anomalous = false;      ///< the label
  bool called_anomalous = false;  ///< the verdict
  double confidence = 0;          ///< of the verdict
  double anomaly_score = 0;
  std::string image;                 ///< path of the picture, as the job gave it
  std::optional<std::int64_t> fold;  ///< whose models judged it, if not all together
  bool is_suspect = false;           ///< the label may be wrong: models that never saw the picture firmly disagree
  std::string reason = {};  ///< not empty: the verdict is that the picture is none the model can judge, in words
};

/// A cell of a good training picture that the memory bank holds: row and column of the bank's grid, from the registered
/// picture if there is registration.
struct BankSource {
  std::string image;
  int row = 0, column = 0;
};

/// A figure is empty where it is not defined: without a picture that holds the label, or is given it.
struct LabelMetrics {
  std::string name;
  std::optional<double> precision, recall, f1;  ///< over all pixels of the test pictures
  std::optional<double> aiou;                   ///< mean IoU over the test pictures that hold or are given the label
};

struct Evaluation {
  bool is_out_of_fold = false;  ///< tested on training pictures by fold models that had not seen them
  std::int64_t training_images = 0;
  std::int64_t testing_images = 0;
  /// 0 … 1, each empty where the pictures do not define it. All but the last need anomalous pictures, the first two also good ones, and
  /// the precision a picture that is called anomalous. The last is the share of the good pictures that are called anomalous.
  std::optional<double> image_auroc, average_precision, precision, recall, f1, false_alarm_rate;
  double ece = 0, brier = 0;
  /// 95 % intervals of "image_auroc", "precision", "recall" and "false_alarm_rate", where they are defined: low, high; after a
  /// training of "expected_false_alarm_rate", too: what new good pictures are to expect by the ranks of those seen.
  std::map<std::string, std::pair<double, double>> intervals;
  std::optional<double> pixel_auroc, pixel_average_precision;
  std::vector<LabelMetrics> labels;  ///< segmentation models only
  std::vector<Prediction> predictions;
  std::vector<std::string> skipped;  ///< "source-ref: reason" of pictures that could not be used
  std::vector<std::string> warnings;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> stage_seconds;  ///< what they were spent on, in order
  std::vector<std::pair<int, double>> decoder_loss;           ///< by step, averaged over some steps
  std::vector<BankSource> bank_sources;                       ///< per row of the tensor "bank"
};

Result<void> write_job(const std::filesystem::path& folder, const TrainingJob& job);
Result<TrainingJob> read_job(const std::filesystem::path& folder);
Result<void> append_progress(const std::filesystem::path& folder, const Progress& progress);
Result<void> write_evaluation(const std::filesystem::path& folder, const Evaluation& evaluation);
Result<Evaluation> read_evaluation(const std::filesystem::path& folder);
/// One JSON object, the predictions left out: what `train` and `evaluate` print last.
std::string summary_json(const Evaluation& evaluation);
Result<void> write_failure(const std::filesystem::path& folder, const Error& error);

/// Runs `program --job folder` as a child of low priority that dies with this process, forwards its progress lines, and
/// returns its evaluation. The child has this process's standard output and standard error, but none of its other files
/// and sockets, and only those variables of its environment that say how to compute. Blocks. Setting `cancel` kills the child; the failure is then `unavailable`.
/// Fails with invalid_input if the pictures are at fault (the message is for the user), else internal.
/// With `sandbox` the child is confined before it begins (training/sandbox.hpp); it fails if that cannot be done.
Result<Evaluation> run_trainer(const std::filesystem::path& program, const std::filesystem::path& folder,
                               const std::function<void(const Progress&)>& on_progress, const std::atomic<bool>* cancel,
                               const std::optional<TrainerSandbox>& sandbox = std::nullopt);

/// The trainer beside the running program, if it is there, else the one on the PATH.
std::filesystem::path find_trainer();

}  // namespace vedette
