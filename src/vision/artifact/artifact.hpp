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

/// Dense float32 array, row-major. A value that shares its storage, which may be that of a whole file: copying is cheap, the numbers never
/// change.
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
  std::vector<std::string> inputs;             ///< outputs of earlier nodes
  std::map<std::string, std::string> tensors;  ///< role ("weights") → tensor name
  std::map<std::string, double> numbers;       ///< parameters ("stride")
};

/// One member of the detector ensemble: for each cross-fitting fold one anomaly map of the graph. Maps of different
/// contestants may differ in size.
struct Contestant {
  std::string name;               ///< "memory_bank.raw"
  std::vector<std::string> maps;  ///< one graph output per fold, [height, width], ≥ 0
  double pool_fraction = 0;       ///< the score is the mean of this share of the map's largest cells …
  double level_exponent = 0;      ///< … divided by the mean of all to this power, 0 … 1
  double location = 0;            ///< mean of log(score) over good pictures, out of fold
  double scale = 1;               ///< its standard deviation, > 0
  double score_weight = 0;        ///< weight in the fused score; 0: only in the map
  double map_weight = 0;          ///< weight in the anomaly map
};

struct Label {
  std::string name;
  std::string color;  ///< "#rrggbb" as the dataset wrote it
};

/// Which cells are drawn: those at or above `map` whose connected region reaches `peak` somewhere (hysteresis; Canny, PAMI 1986).
struct MaskThresholds {
  double map = 0, peak = 0;
};

/// How regions of the map become labelled areas. Present in segmentation models.
struct Segmentation {
  std::vector<Label> labels;
  std::vector<MaskThresholds> thresholds;  ///< per label: thin scratches and wide stains differ in how they stand out
  std::vector<std::string> class_maps;     ///< one graph output per fold, [labels, height, width]: logits
};

/// What the training pictures had, good and bad, with room to spare (infer/plausibility.hpp). A picture beyond is called anomalous whatever its map says.
struct Plausibility {
  double darkest = 0, brightest = 1;  ///< mean brightness
  double least_sharpness = 0;
  double highest_level = 1e30;  ///< mean of the position-aware contestant's map
};

/// A picture and what the trained model said about it, checked whenever the model is loaded.
struct GoldenSample {
  std::string image;  ///< tensor [height, width, 3], values 0 … 255, at the model's input size
  double anomaly_score = 0;
};

struct Manifest {
  int image_height = 0;  ///< of the training pictures, pixels
  int image_width = 0;
  /// 8 … 16: the low bits of 16-bit samples that the training pictures use. Pictures are decoded by this range
  /// (DecodeRules::sample_bits), in training and afterwards.
  int sample_bits = 16;
  int input_height = 0;  ///< what the graph takes
  int input_width = 0;
  std::int64_t folds = 0;
  std::vector<Node> graph;
  std::vector<Contestant> contestants;
  double fusion_bias = 0;
  double threshold = 0;         ///< on the anomaly score: ≥ is anomalous
  double confidence_slope = 1;  ///< > 0: logit of the confidence per unit of fused logit beyond the threshold
  double confidence_limit = 1;  ///< < 1: what so few pictures can support
  Plausibility plausibility;
  std::optional<Segmentation> segmentation;
  std::vector<GoldenSample> golden;
  /// Whether verdicts in these precisions are those in fp32 on the pictures of the evaluation next to the threshold; unset if the training's
  /// processor does not have them.
  std::optional<bool> bf16_agrees, int8_agrees;
  std::int64_t decoder_steps = 0;              ///< that the training took; 0 without decoders
  std::map<std::string, std::string> tensors;  ///< tensor name → SHA-256 of its blob
};

struct Artifact {
  Manifest manifest;
  std::map<std::string, Tensor> tensors;
  /// What keeps blobs findable that this artifact has in common with others in memory. Empty if it was not read.
  std::vector<std::shared_ptr<const std::map<std::string, Tensor>>> blobs = {};
};

/// Writes into an empty or missing folder. `blobs` groups tensor names that belong in one file together.
Result<void> write_artifact(const std::filesystem::path& folder, Manifest manifest,
                            const std::map<std::string, Tensor>& tensors,
                            const std::vector<std::vector<std::string>>& blobs);

/// Reads and verifies: every blob's hash (unless `check_hashes` is false: this process has seen the folder before), every tensor's
/// shape, every reference. Tensors stay in the blobs' bytes; blobs that models have in common are in memory once. Fails with invalid_input naming what is wrong.
Result<Artifact> read_artifact(const std::filesystem::path& folder, bool check_hashes = true);

/// safetensors (huggingface/safetensors, format 0.3), F32 and F16; a tensor is written as F16 if all its values are halves.
std::string to_safetensors(const std::map<std::string, Tensor>& tensors);
/// `owner`, if given, keeps the bytes: tensors stay in them where they can.
Result<std::map<std::string, Tensor>> parse_safetensors(std::string_view bytes,
                                                        const std::shared_ptr<const void>& owner = nullptr);

}  // namespace vedette
