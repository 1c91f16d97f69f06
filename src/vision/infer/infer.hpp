#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/image/image.hpp"
#include "vision/infer/examples.hpp"
#include "vision/infer/graph.hpp"
#include "vision/infer/plausibility.hpp"

namespace vedette {

/// Holds the results of one contestant for one picture, one per fold.
struct ContestantOutput {
  std::vector<Grid<float>> maps;            ///< one map per fold, values ≥ 0
  std::vector<std::vector<double>> scores;  ///< for each fold the numbers of the pools (Pool), in their order
};

/// Holds for each pixel of a model's input how probably it belongs to a defect, 1 … 255, by each fold. Only what stands
/// out at all is looked at pixel by pixel; everywhere else the values are 0.
struct PixelMaps {
  int folds = 0, height = 0, width = 0;
  std::vector<std::uint8_t> values;  ///< [folds, height, width]; empty if the model has none
};

/// Says how long one step of a detection took.
struct StageTime {
  const char* name;  ///< a string literal
  double ms;
};

/// Holds what one model says about one picture. It is a plain value that may be copied, moved and kept.
struct Detection {
  double anomaly_score = 0;   ///< > 0; a larger score is more anomalous; scores of two models cannot be compared
  double confidence = 0;      ///< confidence in the verdict, 0.5 … 1, calibrated out of fold (the API's Confidence)
  bool is_anomalous = false;  ///< whether anomaly_score reaches the model's threshold
  /// If this text is not empty, the model cannot judge the picture (plausibility.hpp), which therefore counts as
  /// anomalous; the text says why, in words for people.
  std::string reason;
  Grid<float> anomaly_map;  ///< [map height, map width], values ≥ 0; 1 is the height that good pictures reach
  /// The label of each pixel, [picture height, picture width]: 0 is background, any other value is the label's index +
  /// 1. Only segmentation models have it.
  std::optional<Grid<std::uint8_t>> label_map;
  PictureStatistics statistics;   ///< of the picture, with its level
  std::vector<Place> places;      ///< only if they were asked for
  std::vector<StageTime> stages;  ///< the steps in their order

  /// Returns the probability of the anomalous class.
  [[nodiscard]] double anomaly_probability() const { return is_anomalous ? confidence : 1.0 - confidence; }
};

/// Returns the mean of the largest values: the `fraction` (0 … 1) of all values, but at least one.
double pool_largest(std::span<const float> values, double fraction);
/// Returns for each pool the logarithm of the mean of the map's largest values. If its level_exponent is above 0, the
/// number says by how much they stand out from the mean of the map, because a picture that is odd everywhere (rough
/// texture, other light) is less suspicious than one that is odd at one place. The values are ≥ 0.
std::vector<double> pool_map(std::span<const float> values, std::span<const Pool> pools);

/// The contestant whose maps show by their level whether a picture shows what the model knows. A cell that would be
/// right at another place but not here raises the level, so that another part cannot pass for the known one.
inline constexpr const char* kLevelContestant = "position_subspace";
/// Returns the mean over all cells of the maps of kLevelContestant (or of the first contestant, if none has that name).
/// It uses the maps of one fold or, if `fold` is empty, of all folds.
double level_of(const Manifest& manifest, std::span<const ContestantOutput> outputs, std::optional<std::int64_t> fold);

/// Combines what the contestants found by the numbers of the manifest, and decides (decide.hpp). It uses the maps of
/// one fold or, if `fold` is empty, of all folds. `class_maps` are the values that the manifest's segmentation names,
/// one per fold, and `details` are its pixels; models without segmentation do not use them. The function sets the level
/// in `statistics`.
Detection combine(const Manifest& manifest, std::span<const ContestantOutput> outputs,
                  std::span<const Planes> class_maps, const PixelMaps& details, PictureStatistics statistics,
                  std::optional<std::int64_t> fold);

/// Returns only the anomaly map, combined with the given map weights, at the size of the largest of all maps.
Grid<float> combine_maps(const Manifest& manifest, std::span<const ContestantOutput> outputs,
                         std::optional<std::int64_t> fold);

/// Finds connected regions (8 neighbours) of cells at or above the threshold in which some cell reaches the peak. In
/// the result 0 means no region; any other value is the number of the region, from 1.
Grid<int> find_regions(const Grid<float>& map, double threshold, double peak, int& count);

/// Returns the region of a cell, or else a region that one of its eight neighbours lies in, or 0.
int region_near(const Grid<int>& regions, int y, int x);

/// Returns for each region the index of its label + 1, and 0 for region 0. The class probabilities of the region's
/// cells decide, weighted by the square of the map, because the cells that are most surely defective know the class
/// best. `class_maps` has one element per fold (Engine::Measurement).
std::vector<std::uint8_t> classify_regions(const Grid<float>& map, const Grid<int>& regions, int count,
                                           std::span<const Planes> class_maps, std::optional<std::int64_t> fold);

/// Returns the pixels of one fold or, if `fold` is empty, the mean of all folds, 0 … 1; 0 where no fold looked.
Grid<float> details_of(const PixelMaps& details, std::optional<std::int64_t> fold);

/// Returns the highest of the pixels in each cell of a map of this size.
Grid<float> highest_pixels(const Grid<float>& pixels, int height, int width);

/// Draws the labels at the picture's size. A label is drawn in those regions, found with its own thresholds, whose
/// cells the class maps assign to it. Regions are sought among the cells' highest pixels first, and the pixels say where
/// their edges are, up to one cell beyond the region. Then they are sought in the map, and where no region of pixels
/// is, the enlarged map says where their edges are. Where regions of two labels meet, the one that stands out more is
/// drawn.
Grid<std::uint8_t> draw_labels(const Manifest& manifest, const Grid<float>& map, std::span<const Planes> class_maps,
                               const PixelMaps& details, std::optional<std::int64_t> fold);

/// Returns the least size to which a picture may be reduced for this model, while it is decoded: the working size, or
/// the size of the close picture (Graph) if the model has one.
LeastSize least_size(const Manifest& manifest);
/// Writes the brightness of a picture at another size, 0 … 1, into `out` [height, width].
void close_picture(const RgbImage& image, int height, int width, float* out);

/// Returns the quickest precision of those that the processor has and with which, as the training found, the model
/// decides as in fp32. bf16 is also returned if the training did not compare it.
Precision quickest_precision(const Manifest& manifest);

/// A model that is ready to judge pictures. It is thread-safe: each concurrent call has its own working memory, which
/// is kept for later calls. Every call runs on the calling thread and on as many helping threads as that thread's
/// ThreadCount (base/parallel.hpp) allows; without a ThreadCount it runs on all cores.
class Engine {
 public:
  enum class Check {
    all,      ///< checks digests and golden samples
    nothing,  ///< skips whatever this process has checked before
  };
  /// Reads, verifies and plans a model, in quickest_precision() unless another one is given, and runs the golden
  /// samples. If a sample deviates, the next precision is tried; if one deviates in fp32, the call fails with
  /// invalid_input.
  static Result<std::shared_ptr<const Engine>> load(const std::filesystem::path& folder, Check check = Check::all,
                                                    std::optional<Precision> precision = {});
  /// Makes an engine from an artifact without running golden samples, for the trainer.
  static Result<std::shared_ptr<const Engine>> create(Artifact artifact, std::optional<Precision> precision = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const Manifest& manifest() const;
  [[nodiscard]] const Artifact& artifact() const;
  /// Decodes a picture (JPEG or PNG) for detect(), no larger than detect() needs it, and in the model's range of
  /// values. Fails with invalid_input as decode_image does, and if the size is not that of the training pictures. Fails
  /// with unavailable once `abandoned` is requested.
  [[nodiscard]] Result<RgbImage> decode(std::span<const std::uint8_t> bytes, std::stop_token abandoned = {}) const;
  /// Judges a picture. Fails with invalid_input unless its size is that of the training pictures, or that size reduced
  /// by 2, 4 or 8 as decode_image does. `with_places`: see find_places(), which gets `at`.
  Result<Detection> detect(const RgbImage& image, bool with_places = false, std::optional<PicturePoint> at = {}) const;
  /// Whether detect() can tell the places of a picture: a model without a memory bank cannot.
  [[nodiscard]] bool tells_places() const;

  /// Holds all that detect() computes before it combines the results.
  struct Measurement {
    std::vector<ContestantOutput> outputs;
    std::vector<Planes> class_maps;  ///< one per fold, [labels, height, width]; empty without segmentation
    PixelMaps details;               ///< those of all folds, if the model has them
    PictureStatistics statistics;    ///< statistics of the picture, in which the level is not set
    CellFeatures cells;              ///< only if they were asked for and the model has them
  };
  Result<Measurement> measure(const RgbImage& image, bool with_cells = false) const;

  struct StepTime {
    Graph::Work work;
    double seconds = 0;
  };
  /// Returns the network's steps and how long each took for this picture, which is the shortest time of `rounds` runs.
  Result<std::vector<StepTime>> profile(const RgbImage& image, int rounds) const;
  struct Memory {
    std::size_t own = 0;                         ///< bytes of working memory; they grow with the calls that run at once
    std::map<const void*, std::size_t> weights;  ///< bytes of weights by their address, since models may share them
    [[nodiscard]] std::size_t bytes() const;
  };
  [[nodiscard]] Memory memory() const;
  [[nodiscard]] Precision precision() const;
  /// Returns the core seconds per picture that the golden samples took when they were checked: the time multiplied by
  /// the number of threads that the loading thread could use. Returns 0 if they were not run.
  [[nodiscard]] double seconds_per_picture() const;
  /// Judges a golden sample once more and returns how many seconds that takes now. Returns 0 if there is no golden
  /// sample.
  [[nodiscard]] double time_golden_sample() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The relative deviation of the golden samples' scores up to which the model still counts as the same. It is not 0,
/// because other processors round differently.
inline constexpr double kGoldenTolerance = 1e-2, kGoldenToleranceInt8 = 5e-2;

}  // namespace vedette
