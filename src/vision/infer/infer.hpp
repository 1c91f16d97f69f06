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
#include "vision/infer/graph.hpp"
#include "vision/infer/plausibility.hpp"

namespace vedette {

/// What one contestant saw in one picture, fold by fold.
struct ContestantOutput {
  std::vector<Grid<float>> maps;  ///< one per fold, ≥ 0
  std::vector<double> scores;     ///< pooled from the maps
};

/// How long a step of a detection took.
struct StageTime {
  const char* name;  ///< a literal
  double ms;
};

/// What one model says about one picture. A value: copy it, move it, keep it.
struct Detection {
  double anomaly_score = 0;   ///< > 0, larger is more anomalous; not comparable between models
  double confidence = 0;      ///< 0.5 … 1, calibrated out of fold, of the class returned: the API's Confidence
  bool is_anomalous = false;  ///< anomaly_score ≥ the artifact's threshold
  /// Not empty: the picture is anomalous because it is none that the model can judge (plausibility.hpp), in words for people.
  std::string reason;
  Grid<float> anomaly_map;  ///< [map height, map width], ≥ 0; 1 is the height that good pictures reach
  /// Segmentation models only: [picture height, picture width], 0 is background, else index of the label + 1.
  std::optional<Grid<std::uint8_t>> label_map;
  std::vector<StageTime> stages;  ///< in order

  /// Probability of the anomalous class.
  [[nodiscard]] double anomaly_probability() const { return is_anomalous ? confidence : 1.0 - confidence; }
};

/// Mean of the `fraction` largest values (at least one).
double pool_largest(std::span<const float> values, double fraction);
/// A map's score: its largest values, by how much they stand out if level_exponent > 0. A picture that is odd everywhere (rough
/// texture, other light) is less suspicious than one that is odd at one place.
double score_map(std::span<const float> values, double pool_fraction, double level_exponent);

/// The contestant whose maps' level tells whether a picture shows what the model knows. What is right elsewhere but not here raises it, so
/// that another part cannot pass for the known one.
inline constexpr const char* kLevelContestant = "position_subspace";
/// The mean over all cells of that contestant's maps (the first contestant's if there is none of the name), of one fold or, if `fold` is
/// empty, of all.
double level_of(const Manifest& manifest, std::span<const ContestantOutput> outputs, std::optional<std::int64_t> fold);

/// Combines what the contestants saw by the manifest's numbers, and decides (decide.hpp), using one fold's maps or, if `fold` is empty, all
/// folds'. `class_maps` are the values that the manifest's segmentation names, one per fold; unused without segmentation. The level of
/// `statistics` is set here.
Detection combine(const Manifest& manifest, std::span<const ContestantOutput> outputs,
                  std::span<const Planes> class_maps, PictureStatistics statistics, std::optional<std::int64_t> fold);

/// The anomaly map alone, with the given map weights, at the size of the largest of all maps.
Grid<float> combine_maps(const Manifest& manifest, std::span<const ContestantOutput> outputs,
                         std::optional<std::int64_t> fold);

/// Connected regions (8 neighbours) of cells at or above the threshold that reach the peak somewhere: 0 is none, else the
/// region's number from 1.
Grid<int> find_regions(const Grid<float>& map, double threshold, double peak, int& count);

/// Index into the labels + 1 of each region, by the class probabilities of its cells, weighed by the square of the map: those that are
/// surely defective know best; 0 for region 0. Class maps per fold (Engine::Measurement).
std::vector<std::uint8_t> classify_regions(const Grid<float>& map, const Grid<int>& regions, int count,
                                           std::span<const Planes> class_maps, std::optional<std::int64_t> fold);

/// The quickest that the processor has and the training found to decide as fp32 does (bf16 also if it did not ask).
Precision quickest_precision(const Manifest& manifest);

/// A model ready to run. Thread-safe: each concurrent call uses its own working memory, which is kept for later calls. Every call runs on the
/// calling thread and on as many helpers as that thread's ThreadCount (base/parallel.hpp) allows; without one, on all cores.
class Engine {
 public:
  enum class Check {
    all,      ///< digests and golden samples
    nothing,  ///< of what this process has checked before
  };
  /// Reads, verifies and plans, in quickest_precision() unless said; runs the golden samples. If one deviates, the next precision is
  /// taken; if one deviates in fp32, fails with invalid_input.
  static Result<std::shared_ptr<const Engine>> load(const std::filesystem::path& folder, Check check = Check::all,
                                                    std::optional<Precision> precision = {});
  /// The same without golden samples, for the trainer.
  static Result<std::shared_ptr<const Engine>> create(Artifact artifact, std::optional<Precision> precision = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const Manifest& manifest() const;
  /// A picture as detect() takes it, decoded no larger than it needs and by the model's range: JPEG or PNG. Fails with invalid_input as
  /// decode_image does, and if its size is not the training pictures'; with unavailable once `abandoned` is requested.
  [[nodiscard]] Result<RgbImage> decode(std::span<const std::uint8_t> bytes, std::stop_token abandoned = {}) const;
  /// Fails with invalid_input if the picture's size is not the training pictures', or that reduced by 2, 4 or 8 as decode_image does.
  Result<Detection> detect(const RgbImage& image) const;

  /// All that detect() computes before it combines.
  struct Measurement {
    std::vector<ContestantOutput> outputs;
    std::vector<Planes> class_maps;  ///< per fold, [labels, height, width]; segmentation models only
    PictureStatistics statistics;    ///< without the level
  };
  Result<Measurement> measure(const RgbImage& image) const;

  struct StepTime {
    Graph::Work work;
    double seconds = 0;
  };
  /// The network's steps and how long each took on this picture: the least of `rounds` runs.
  Result<std::vector<StepTime>> profile(const RgbImage& image, int rounds) const;
  struct Memory {
    std::size_t own = 0;                         ///< bytes to work in; it grows with the calls that run at once
    std::map<const void*, std::size_t> weights;  ///< bytes by address: models may share them
    [[nodiscard]] std::size_t bytes() const;
  };
  [[nodiscard]] Memory memory() const;
  [[nodiscard]] Precision precision() const;
  /// How long the golden samples took when they were checked, times the threads that the loading thread might use: core seconds. 0 if they
  /// were not run.
  [[nodiscard]] double seconds_per_picture() const;
  /// Judges a golden sample once more and tells how many seconds that takes now. 0 if there is none.
  [[nodiscard]] double time_golden_sample() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Relative deviation of the golden samples' scores that still counts as the same model (other processors round
/// differently).
inline constexpr double kGoldenTolerance = 1e-2, kGoldenToleranceInt8 = 5e-2;

}  // namespace vedette
