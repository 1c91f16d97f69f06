#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "training/sandbox.hpp"

/// The job folder is the contract between whoever wants a model and `vedette-trainer`. `job.json` and pictures go in;
/// `progress.jsonl`, `model/` (the artifact) and `evaluation.json` (or `failure.json`) come out. docs/training-job.md
/// shows it. Both sides can be run by hand.
namespace vedette {

/// One entry of a mask's colour map, as the dataset wrote it.
struct MaskColor {
  std::string name;
  std::string color;  ///< "#rrggbb"
};

struct TrainingPicture {
  std::string source_ref;            ///< the picture's name in messages and in the evaluation
  std::filesystem::path image;       ///< The path of the picture: absolute, or relative to the job folder.
  std::optional<bool> is_anomalous;  ///< Empty if the picture is unlabelled; it is then left out.
  std::optional<std::filesystem::path> mask;
  std::vector<MaskColor> mask_colors;
  bool is_binary_mask = false;  ///< The mask has no colours: whatever is not background shows the first of mask_colors.
  /// The background of a binary mask, "#rrrrggggbbbb", which all masks of its folder have in common. If empty, the
  /// mask's own background is taken (vision/image/mask_file).
  std::optional<std::string> mask_background;
  std::optional<std::string> fault = {};  ///< why the picture could not be fetched; it is skipped for this reason
};

/// The least numbers of usable pictures. If there are fewer, the training fails and says so.
struct MinimumCounts {
  std::int64_t train_normal = 4;
  std::int64_t train_anomaly = 0;
  /// The number of pictures that hold only one label, needed for at least one label.
  std::int64_t train_per_label = 0;
  std::int64_t test_normal = 0;
  std::int64_t test_anomaly = 0;
};

/// What a training aims at. By default it takes a fixed number of steps: the same job then gives the same model,
/// however fast the machine is.
struct TrainingPlan {
  /// The number of steps of the decoders; a model's manifest says how many were taken.
  std::optional<int> steps;
  std::optional<double> budget_seconds;  ///< The seconds for the whole training; the number of steps is fitted to them.
  /// The share of good pictures that may be called anomalous, 0 … 1. By default the threshold balances both kinds of
  /// error.
  std::optional<double> false_alarm_budget;
  /// An ONNX file (vision/onnx) that is used in the place of the shipped weights.
  std::optional<std::filesystem::path> backbone;
};

struct TrainingJob {
  std::vector<TrainingPicture> train;
  /// The folder of a model. If it is given, nothing is trained: the model is moved to another batch, of which `train`
  /// holds good pictures (vision/learn/rebase). The test set and the plan then do not count.
  std::optional<std::filesystem::path> base = {};
  /// If empty, the model is evaluated out of fold on the training pictures.
  std::optional<std::vector<TrainingPicture>> test;
  std::uint64_t seed = 0;
  bool letterbox_mixed_sizes = false;  ///< If not set, pictures of different sizes are a failure.
  /// Also accepts BMP, TIFF and WebP; otherwise only JPEG and PNG, as the API does.
  bool takes_all_formats = false;
  MinimumCounts minimum;
  TrainingPlan plan;
};

struct Progress {
  std::string stage;
  double fraction = 0;                 ///< The share of the whole job that is done, 0 … 1.
  std::optional<double> seconds_left;  ///< Set once it can be estimated.
};

struct Prediction {
  std::string source_ref;
  bool is_anomalous = false;      ///< What the label says.
  bool called_anomalous = false;  ///< What the verdict says.
  double confidence = 0;          ///< The confidence of the verdict, 0 … 1.
  double anomaly_score = 0;
  std::string image;  ///< The path of the picture, as the job gave it.
  /// The fold whose models judged the picture; empty if the models of all folds did together.
  std::optional<std::int64_t> fold;
  bool is_suspect = false;  ///< The label may be wrong: models that never saw the picture firmly disagree.
  std::string reason = {};  ///< if not empty, says in words why the model cannot judge the picture
  /// The names of the labels that the colour map of the picture's mask lists. Evaluations of earlier versions lack them.
  std::vector<std::string> labels = {};
};

/// Names a picture that could not be used, and says why.
struct SkippedPicture {
  std::string source_ref;
  std::string reason;
  [[nodiscard]] std::string text() const { return source_ref.empty() ? reason : source_ref + ": " + reason; }
};

/// Says how well one of the methods that together make a verdict does alone, and how much it counts.
struct ContestEntry {
  std::string name;  ///< The name of the contestant in the model's manifest.
  /// The AUROC on the training pictures, out of fold; empty unless there are good and defective ones.
  std::optional<double> auroc;
  double score_weight = 0;  ///< The weight of its score in the verdict.
  double map_weight = 0;    ///< The weight of its map in the anomaly map.
};

/// A cell of a good training picture that the memory bank holds, as row and column of the bank's grid. If there is
/// registration, the grid is that of the registered picture.
struct BankSource {
  std::string image;  ///< The path of the picture, as the job gave it.
  int row = 0, column = 0;
  std::string source_ref = {};  ///< The picture's name; empty if an evaluation of an earlier version does not tell it.
};

/// Whether the good training pictures come in batches (vision/learn/batches). If they do, and there are defective ones,
/// too, each fold is a run of them, so that the figures out of fold are those of batches that the models have not seen.
struct BatchFinding {
  bool are_clear = false;
  double share = 0;  ///< How much of what the pictures differ by goes with their place in the order of names, up to 1.
  /// What the same methods reach with random folds, whose models have seen pictures of every batch; without decoders,
  /// so it may be less than with them. Empty unless batches are clear and there are good and defective pictures.
  std::optional<double> known_auroc, known_f1;
};

/// The figures of one label. A figure is empty where it is not defined: the precision if no pixel is given the label,
/// the others if no test picture holds it.
struct LabelMetrics {
  std::string name;
  std::optional<double> precision, recall, f1;  ///< Computed over all pixels of the test pictures.
  /// The mean IoU over the test pictures that hold the label or are given it.
  std::optional<double> aiou;
};

struct Evaluation {
  bool is_out_of_fold = false;  ///< Fold models tested the training pictures that they had not seen.
  std::int64_t training_images = 0;
  std::int64_t testing_images = 0;
  /// Each is 0 … 1, or empty where the pictures do not define it. All but the last need anomalous pictures; the first
  /// two also need good ones; precision also needs a picture that is called anomalous. The last is the share of the
  /// good pictures that are called anomalous.
  std::optional<double> image_auroc, average_precision, precision, recall, f1, false_alarm_rate;
  double ece = 0, brier = 0;
  /// The 95 % intervals (low, high) of "image_auroc", "precision", "recall" and "false_alarm_rate", where they are
  /// defined. After a training, "expected_false_alarm_rate" is there, too: what new good pictures are to expect by the
  /// ranks of those seen.
  std::map<std::string, std::pair<double, double>> intervals;
  std::optional<double> pixel_auroc, pixel_average_precision;
  std::optional<BatchFinding> batches;  ///< Empty if the pictures are too few, or the model was moved and not trained.
  std::vector<LabelMetrics> labels;     ///< Segmentation models only.
  std::vector<Prediction> predictions;
  std::vector<ContestEntry> contest;  ///< Filled by a training, in the order of the model's manifest.
  std::vector<SkippedPicture> skipped;
  std::vector<std::string> warnings;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> stage_seconds;  ///< The seconds that each stage took, in order.
  /// Pairs of a step and the loss, averaged over some steps.
  std::vector<std::pair<int, double>> decoder_loss;
  std::vector<BankSource> bank_sources;  ///< The source of each row of the tensor "bank".
};

Result<void> write_job(const std::filesystem::path& folder, const TrainingJob& job);
Result<TrainingJob> read_job(const std::filesystem::path& folder);
Result<void> append_progress(const std::filesystem::path& folder, const Progress& progress);
Result<void> write_evaluation(const std::filesystem::path& folder, const Evaluation& evaluation);
/// Reads the text that write_evaluation() wrote, in this version or an earlier one. Fails with internal if the text is
/// anything else.
Result<Evaluation> parse_evaluation(std::string_view text);
/// Reads the folder's evaluation.json, which has at most 64 MiB, and fails as parse_evaluation() does.
Result<Evaluation> read_evaluation(const std::filesystem::path& folder);
/// Returns the evaluation as one JSON object without the predictions, which `train` and `evaluate` print last.
std::string summary_json(const Evaluation& evaluation);
Result<void> write_failure(const std::filesystem::path& folder, const Error& error);

/// Runs `program --job folder` as a child of low priority that dies with this process, forwards its progress lines, and
/// returns its evaluation. The child has this process's standard output and standard error, but none of its other files
/// and sockets, and only those variables of its environment that say how to compute. The call blocks. Setting `cancel`
/// kills the child; the failure is then `unavailable`.
/// Fails with invalid_input if the pictures are at fault (the message is for the user), otherwise with internal.
/// With `sandbox` the child is confined before it begins (training/sandbox.hpp); the call fails if that cannot be done.
Result<Evaluation> run_trainer(const std::filesystem::path& program, const std::filesystem::path& folder,
                               const std::function<void(const Progress&)>& on_progress, const std::atomic<bool>* cancel,
                               const std::optional<TrainerSandbox>& sandbox = std::nullopt);

/// Returns the trainer beside the running program if it is there, otherwise the one on the PATH.
std::filesystem::path find_trainer();

}  // namespace vedette
