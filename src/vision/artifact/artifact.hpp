#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The trained model on disk: a folder with `manifest.json` and content-addressed `blobs/<sha256>.safetensors`. It
/// holds no times and no names of projects: the same data and seed give the same bytes. docs/artifact.md describes the
/// format.
namespace vedette {

/// A dense float32 array, row-major. It is a value that shares its storage, which may be the memory of a whole file:
/// copying is cheap, and the numbers never change.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::shared_ptr<const float> storage;
  std::size_t count = 0;

  static Tensor make(std::vector<std::int64_t> shape, std::vector<float> values);
  [[nodiscard]] std::int64_t size(std::size_t axis) const { return shape.at(axis); }
  [[nodiscard]] const float* data() const { return storage.get(); }
  [[nodiscard]] std::span<const float> values() const { return {storage.get(), count}; }
  [[nodiscard]] std::vector<float> copy() const { return {storage.get(), storage.get() + count}; }
};

/// One operation of the model's graph. `infer/graph.hpp` lists the operations with their tensors and numbers.
struct Node {
  std::string op;
  std::string output;
  std::vector<std::string> inputs;             ///< The outputs of earlier nodes.
  std::map<std::string, std::string> tensors;  ///< The name of the tensor for each role ("weights").
  std::map<std::string, double> numbers;       ///< The parameters ("stride").
};

/// One way to turn a contestant's map into a number. The number is the mean of the map's largest cells, divided by the
/// mean of all cells to a power, as a logarithm. A defect may be a spot or a changed surface, so a contestant has
/// several pools.
struct Pool {
  double fraction = 1;        ///< The share of the cells that counts, > 0 and at most 1.
  double level_exponent = 0;  ///< The power of the mean of all cells, 0 … 1.
  double location = 0;        ///< The mean of the number over good pictures, out of fold.
  double scale = 1;   ///< Its standard deviation over good pictures, out of fold, > 0; a moved model has a mean of two.
  double weight = 0;  ///< The weight of the standardised number in the fused score.
};

/// One member of the detector ensemble. For each cross-fitting fold it has one anomaly map of the graph. Maps of
/// different contestants may differ in size; a contestant that judges pictures as a whole has maps of one cell.
struct Contestant {
  std::string name;               ///< A name such as "memory_bank".
  std::vector<std::string> maps;  ///< One graph output per fold, [height, width], ≥ 0.
  std::vector<Pool> pools;        ///< At least one.
  /// How high the map of a good picture reaches, > 0. Maps of different contestants are averaged in this unit.
  double map_unit = 1;
  double map_weight = 0;  ///< The weight in the anomaly map.
  /// Returns the weight of all pools in the fused score; 0: the contestant counts only in the map.
  [[nodiscard]] double score_weight() const;
  /// Returns what the contestant adds to the fused score. If it adds nothing, its pools count alike, so that it can be
  /// judged all the same. `numbers` has one entry per pool.
  [[nodiscard]] double alone(std::span<const double> numbers) const;
};

struct Label {
  std::string name;
  std::string color;  ///< "#rrggbb", as the dataset wrote it
};

/// Says which cells are drawn: those at or above `map` whose connected region reaches `peak` somewhere (hysteresis;
/// Canny, PAMI 1986). Pixels (0 … 1) are drawn likewise, by `pixel` and `pixel_peak`; above 1 none are.
struct MaskThresholds {
  double map = 0, peak = 0, pixel = 2, pixel_peak = 2;
};

/// How regions of the map become labelled areas. Only segmentation models have it.
struct Segmentation {
  std::vector<Label> labels;
  /// One per label, since thin scratches and wide stains differ in how they stand out.
  std::vector<MaskThresholds> thresholds;
  std::vector<std::string> class_maps;  ///< One graph output per fold, [labels, height, width], logits.
  /// The graph output [folds, input height, input width] that says of each pixel how probably it belongs to a defect.
  /// Empty in models whose masks are drawn from the anomaly map alone.
  std::string details = {};
};

/// The range that the training pictures had, good and bad, with room to spare (infer/plausibility.hpp). A picture
/// beyond it is called anomalous whatever its map says.
struct Plausibility {
  double darkest = 0, brightest = 1;  ///< The range of the mean brightness, 0 … 1.
  double least_sharpness = 0;
  double highest_level = 1e30;  ///< The highest mean of the position-aware contestant's map.
};

/// How the good training pictures look to models that had not seen them. Each list holds quantiles at equal steps of
/// probability, from the lowest value to the highest, so it rises; it has at least two. A stream of pictures is compared
/// with them (infer/drift.hpp).
struct TrainingLooks {
  std::int64_t pictures = 0;  ///< The number of good pictures, at least one.
  std::vector<double> anomaly_score, level, brightness, sharpness;
};

/// A picture and what the trained model said about it. It is checked whenever the model is loaded.
struct GoldenSample {
  std::string image;  ///< The name of the tensor [height, width, 3], values 0 … 255, at the model's input size.
  double anomaly_score = 0;
  /// The score in int8, if the training could multiply it and the model decides alike in it.
  std::optional<double> int8_score = {};
};

struct Manifest {
  int image_height = 0;  ///< The size of the training pictures, in pixels.
  int image_width = 0;
  /// How many low bits of 16-bit samples the training pictures use, 8 … 16. Pictures are decoded by this range
  /// (DecodeRules::sample_bits), in training and afterwards.
  int sample_bits = 16;
  int input_height = 0;  ///< The size that the graph takes, in pixels.
  int input_width = 0;
  std::int64_t folds = 0;
  std::vector<Node> graph;
  std::vector<Contestant> contestants;
  double fusion_bias = 0;
  double threshold = 0;         ///< A picture whose anomaly score is ≥ this threshold is anomalous.
  double confidence_slope = 1;  ///< The logit of the confidence per unit of fused logit beyond the threshold, > 0.
  double confidence_limit = 1;  ///< The highest confidence that so few pictures can support, < 1.
  /// The threshold that the training chose, if a user moved `threshold` since then. Both verdicts are equally probable
  /// at it, so the confidence is measured from it.
  std::optional<double> trained_threshold;
  Plausibility plausibility;
  std::optional<TrainingLooks> looks;  ///< Models of earlier versions lack them.
  std::optional<Segmentation> segmentation;
  std::vector<GoldenSample> golden;
  /// Whether verdicts in these precisions equal those in fp32 on the pictures of the evaluation next to the threshold.
  /// Unset if the processor of the training does not have the precision.
  std::optional<bool> bf16_agrees, int8_agrees;
  std::int64_t decoder_steps = 0;  ///< The number of steps that the training took; 0 without decoders.
  /// The share of the good pictures that may be called anomalous, if the user gave one, 0 … 1. The threshold keeps it.
  std::optional<double> false_alarm_budget;
  /// The SHA-256 of the blob that holds each tensor, by the tensor's name.
  std::map<std::string, std::string> tensors;
};

struct Artifact {
  Manifest manifest;
  std::map<std::string, Tensor> tensors;
  /// Keeps blobs findable that this artifact has in common with other artifacts in memory. Empty if the artifact was
  /// not read.
  std::vector<std::shared_ptr<const std::map<std::string, Tensor>>> blobs = {};
};

/// Writes an artifact into an empty or missing folder. `blobs` groups the names of tensors that belong together in one
/// file.
Result<void> write_artifact(const std::filesystem::path& folder, Manifest manifest,
                            const std::map<std::string, Tensor>& tensors,
                            const std::vector<std::vector<std::string>>& blobs);

/// Reads an artifact and verifies every blob's hash, every tensor's shape and every reference. `check_hashes` may be
/// false if this process has seen the folder before. Tensors stay in the blobs' bytes; blobs that several models have
/// in common are in memory once. Fails with invalid_input and names what is wrong.
Result<Artifact> read_artifact(const std::filesystem::path& folder, bool check_hashes = true);

/// Reads the text of a manifest.json. Fails with invalid_input if it is none of a version that this program knows. What
/// the manifest names need not exist.
Result<Manifest> parse_manifest(std::string_view json);
/// Writes another threshold into the manifest.json of a model's folder, and keeps the trained one beside it. Fails with
/// invalid_input if the folder holds no model.
Result<void> move_threshold(const std::filesystem::path& folder, double threshold);

/// Writes safetensors (huggingface/safetensors, format 0.3), F32 and F16; a tensor is written as F16 if all its values
/// are halves.
std::string to_safetensors(const std::map<std::string, Tensor>& tensors);
/// Reads safetensors. `owner`, if given, keeps the bytes in memory: tensors stay in them where they can.
Result<std::map<std::string, Tensor>> parse_safetensors(std::string_view bytes,
                                                        const std::shared_ptr<const void>& owner = nullptr);

}  // namespace vedette
