#include "vision/infer/infer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/parallel.hpp"
#include "vision/infer/code_memory.hpp"
#include "vision/infer/decide.hpp"
#include "vision/infer/graph.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kLargestMapSide = 16'384;  // The largest side of a working size.

constexpr int kBand = 64;               // rows of a picture that one thread resizes at a time
constexpr double kLeastHeight = 1e-12;  // of a map whose logarithm is taken

Error wrong_size(const Manifest& m, int height, int width, int orientation = 1) {
  const bool is_turned = is_quarter_turn(orientation) && height == m.image_width && width == m.image_height;
  return invalid_input(fmt::format("The image has {}x{} pixels, but the model was trained with {}x{}.{}", width, height,
                                   m.image_width, m.image_height,
                                   is_turned ? " Its EXIF orientation is a quarter turn, which is ignored." : ""));
}

class Stopwatch {
 public:
  /// Notes how long the step took that began at the last lap.
  StageTime lap(const char* name) {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double, std::milli> ms = now - last_;
    last_ = now;
    return {name, ms.count()};
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Returns the indices of the fold maps that take part.
std::vector<std::size_t> chosen_folds(const ContestantOutput& output, std::optional<std::int64_t> fold) {
  if (fold) return {static_cast<std::size_t>(*fold)};
  std::vector<std::size_t> all(output.maps.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

}  // namespace

double pool_largest(std::span<const float> values, double fraction) {
  const auto n = std::clamp<std::size_t>(
      static_cast<std::size_t>(std::llround(fraction * static_cast<double>(values.size()))), 1, values.size());
  std::vector<float> copy(values.begin(), values.end());
  std::nth_element(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(n - 1), copy.end(), std::greater<>());
  // The values are added in descending order, so that the result does not depend on the order in which nth_element
  // leaves them.
  std::sort(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(n), std::greater<>());
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += copy[i];
  return sum / static_cast<double>(n);
}

std::vector<double> pool_map(std::span<const float> values, std::span<const Pool> pools) {
  const auto count_of = [&](double fraction) {
    return std::clamp<std::size_t>(
        static_cast<std::size_t>(std::llround(fraction * static_cast<double>(values.size()))), 1, values.size());
  };
  std::size_t most = 1;
  for (const auto& pool : pools) most = std::max(most, count_of(pool.fraction));
  std::vector<float> largest(values.begin(), values.end());
  const auto end = largest.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(largest.begin(), end - 1, largest.end(), std::greater<>());
  // The values are added in descending order, so that the result does not depend on the order in which nth_element
  // leaves them.
  std::sort(largest.begin(), end, std::greater<>());
  std::vector<double> sums;  // The sums of the 1, 2, 3 … largest values.
  sums.reserve(most);
  double sum = 0;
  for (auto v = largest.begin(); v != end; ++v) sums.push_back(sum += *v);
  const auto logarithm = [](double x) { return std::log(std::max(x, kLeastHeight)); };
  double level = 0;
  for (float v : values) level += v;
  level = logarithm(level / static_cast<double>(values.size()));
  std::vector<double> out;
  for (const auto& pool : pools) {
    const auto n = count_of(pool.fraction);
    out.push_back(logarithm(sums[n - 1] / static_cast<double>(n)) - pool.level_exponent * level);
  }
  return out;
}

double level_of(const Manifest& manifest, std::span<const ContestantOutput> outputs, std::optional<std::int64_t> fold) {
  const auto known = std::find_if(manifest.contestants.begin(), manifest.contestants.end(),
                                  [](const auto& c) { return c.name == kLevelContestant; });
  const auto& output =
      outputs[known == manifest.contestants.end() ? 0 : static_cast<std::size_t>(known - manifest.contestants.begin())];
  double sum = 0, count = 0;
  for (auto f : chosen_folds(output, fold)) {
    for (float v : output.maps[f].values) sum += v;
    count += static_cast<double>(output.maps[f].values.size());
  }
  return sum / count;
}

Grid<float> combine_maps(const Manifest& manifest, std::span<const ContestantOutput> outputs,
                         std::optional<std::int64_t> fold) {
  Grid<float> map;
  double weight_sum = 0;
  for (const auto& output : outputs)
    if (output.maps[0].values.size() > map.values.size())
      map = Grid<float>(output.maps[0].height, output.maps[0].width);
  for (const auto& c : manifest.contestants) weight_sum += c.map_weight;
  for (std::size_t c = 0; c < outputs.size(); ++c) {
    const auto& contestant = manifest.contestants[c];
    if (contestant.map_weight <= 0 || !(weight_sum > 0)) continue;
    const auto folds = chosen_folds(outputs[c], fold);
    const auto w = static_cast<float>(contestant.map_weight / weight_sum / contestant.map_unit /
                                      static_cast<double>(folds.size()));
    Grid<float> sum(outputs[c].maps[0].height, outputs[c].maps[0].width);
    for (auto f : folds)
      for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += w * outputs[c].maps[f].values[i];
    if (sum.values.size() != map.values.size()) sum = resize_map(sum, map.height, map.width);
    for (std::size_t i = 0; i < map.values.size(); ++i) map.values[i] += sum.values[i];
  }
  return map;
}

Detection combine(const Manifest& m, std::span<const ContestantOutput> outputs, std::span<const Planes> class_maps,
                  const PixelMaps& details, PictureStatistics statistics, std::optional<std::int64_t> fold) {
  double fused = m.fusion_bias;
  for (std::size_t c = 0; c < outputs.size(); ++c) {
    const auto& contestant = m.contestants[c];
    const auto folds = chosen_folds(outputs[c], fold);
    for (std::size_t p = 0; p < contestant.pools.size(); ++p) {
      const auto& pool = contestant.pools[p];
      if (pool.weight == 0) continue;  // A number that does not count may not be finite.
      double number = 0;
      for (auto f : folds) number += outputs[c].scores[f][p] / static_cast<double>(folds.size());
      fused += pool.weight * (number - pool.location) / pool.scale;
    }
  }
  statistics.level = level_of(m, outputs, fold);
  auto decided = decide(fused, decision_numbers(m), statistics);
  Detection detection;
  detection.anomaly_score = decided.anomaly_score;
  detection.confidence = decided.confidence;
  detection.is_anomalous = decided.is_anomalous;
  detection.reason = std::move(decided.reason);
  detection.statistics = statistics;
  detection.anomaly_map = combine_maps(m, outputs, fold);
  if (m.segmentation) detection.label_map = draw_labels(m, detection.anomaly_map, class_maps, details, fold);
  return detection;
}

LeastSize least_size(const Manifest& m) {
  LeastSize least{m.input_height, m.input_width};
  for (const auto& node : m.graph)
    if (node.op == kClosePicture)
      // Whether the numbers are there and in their range shows when the graph is planned.
      for (const auto& [name, value] : node.numbers) {
        const int side = value >= 1 && value <= 16384 ? static_cast<int>(value) : 1;
        if (name == "height") least.height = std::max(least.height, side);
        if (name == "width") least.width = std::max(least.width, side);
      }
  return least;
}

void close_picture(const RgbImage& image, int height, int width, float* out) {
  const auto size = static_cast<std::int64_t>(height) * width;
  if (image.height == height && image.width == width) {
#pragma omp parallel for
    for (std::int64_t i = 0; i < size; ++i) {
      const auto* p = image.pixels.data() + 3 * i;
      out[i] = static_cast<float>(p[0] + 2 * p[1] + p[2]) / (4 * 255.0F);
    }
    return;
  }
  std::vector<float> planes(3 * static_cast<std::size_t>(size));
  const int bands = std::max(1, height / kBand);
#pragma omp parallel for
  for (int b = 0; b < bands; ++b)
    resize_rows(image, height, width, b * height / bands, (b + 1) * height / bands, planes.data());
#pragma omp parallel for
  for (std::int64_t i = 0; i < size; ++i)
    out[i] = 0.25F * (planes[static_cast<std::size_t>(i)] + 2 * planes[static_cast<std::size_t>(size + i)] +
                      planes[static_cast<std::size_t>(2 * size + i)]);
}

struct Engine::State {
  Artifact artifact;
  Precision precision = Precision::fp32;
  mutable std::optional<GraphPool> graphs;
  std::map<const void*, std::size_t> weights;
  double seconds_per_picture = 0;
  /// Where the graph has the features of cells. The names are empty if it has none, or none of a pose.
  struct CellSource {
    std::string rows, pose, bank;
    int height = 0, width = 0;
    double pose_scale = 1;  ///< cells per unit of the pose
  } cells;

  /// The whitened features are what the memory bank compares.
  void find_cells() {
    const auto& graph = artifact.manifest.graph;
    const auto number = [](const Node& node, const char* name) {
      const auto it = node.numbers.find(name);
      return it == node.numbers.end() ? 0 : it->second;
    };
    for (const auto& node : graph) {
      if (node.op == "nearest_distance" && cells.rows.empty() && node.inputs.size() == 1) {
        cells.rows = node.inputs[0];
        if (const auto bank = node.tensors.find("bank"); bank != node.tensors.end()) cells.bank = bank->second;
        cells.height = static_cast<int>(std::clamp(number(node, "height"), 0.0, 16384.0));
        cells.width = static_cast<int>(std::clamp(number(node, "width"), 0.0, 16384.0));
      }
      if (node.op == "warp_to_reference" && cells.pose.empty() && node.inputs.size() == 2) {
        cells.pose = node.inputs[1];
        cells.pose_scale = number(node, "scale");
      }
    }
    if (cells.height > 0) cells.pose_scale *= static_cast<double>(cells.height) / artifact.manifest.input_height;
    if (cells.rows.empty()) cells.pose.clear();
  }
  [[nodiscard]] CellFeatures copy_cells(const Graph& graph) const {
    CellFeatures out;
    if (cells.rows.empty()) return out;
    out.height = cells.height;
    out.width = cells.width;
    out.rows = graph.output(cells.rows).copy();
    if (const auto bank = artifact.tensors.find(cells.bank); bank != artifact.tensors.end())
      out.bank = bank->second.values();
    if (cells.pose.empty()) return out;
    const auto& pose = graph.output(cells.pose).data;
    out.pose = RigidTransform{pose[0] * cells.pose_scale, pose[1] * cells.pose_scale, pose[2]};
    return out;
  }

  [[nodiscard]] auto take() const {
    return graphs->take(artifact.manifest.input_height, artifact.manifest.input_width);
  }

  void resize(const RgbImage& image, Graph& graph) const {
    const int height = artifact.manifest.input_height, width = artifact.manifest.input_width;
    const int bands = std::max(1, height / kBand);
#pragma omp parallel for
    for (int b = 0; b < bands; ++b)
      resize_rows(image, height, width, b * height / bands, (b + 1) * height / bands, graph.input().data());
    fill_close_picture(image, graph);
  }
  static void fill_close_picture(const RgbImage& image, Graph& graph) {
    if (const auto* close = graph.close_picture())
      close_picture(image, static_cast<int>(close->shape[1]), static_cast<int>(close->shape[2]), close->data.data());
  }

  /// Measures the picture that is in the graph's input.
  Measurement run(Graph& graph, bool with_cells = false) const {
    Measurement measurement;
    measurement.statistics =
        describe_picture(graph.input().data(), artifact.manifest.input_height, artifact.manifest.input_width);
    graph.run();
    struct FoldMap {
      std::size_t contestant, fold;
    };
    std::vector<FoldMap> places;
    const auto& contestants = artifact.manifest.contestants;
    measurement.outputs.resize(contestants.size());
    for (std::size_t c = 0; c < contestants.size(); ++c) {
      measurement.outputs[c].maps.resize(contestants[c].maps.size());
      measurement.outputs[c].scores.resize(contestants[c].maps.size());
      for (std::size_t f = 0; f < contestants[c].maps.size(); ++f) places.push_back({c, f});
    }
#pragma omp parallel for schedule(dynamic)
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto [c, f] = places[i];
      const auto& value = graph.output(contestants[c].maps[f]);
      Grid<float> map(static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]));
      map.values = value.copy();
      measurement.outputs[c].scores[f] = pool_map(map.values, contestants[c].pools);
      measurement.outputs[c].maps[f] = std::move(map);
    }
    if (artifact.manifest.segmentation)
      for (const auto& name : artifact.manifest.segmentation->class_maps) {
        const auto& value = graph.output(name);
        measurement.class_maps.push_back({static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]),
                                          static_cast<int>(value.shape[2]), value.copy()});
      }
    if (artifact.manifest.segmentation && !artifact.manifest.segmentation->details.empty()) {
      const auto& value = graph.output(artifact.manifest.segmentation->details);
      auto& details = measurement.details;
      details = {static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]), static_cast<int>(value.shape[2]),
                 std::vector<std::uint8_t>(value.data.size())};
#pragma omp parallel for
      for (std::size_t i = 0; i < value.data.size(); ++i) {
        // A hostile model's values need not be numbers.
        const float v = value.data[i] > 0 ? 254 * value.data[i] + 1.5F : 0.0F;
        details.values[i] = static_cast<std::uint8_t>(static_cast<int>(v < 255 ? v : 255));
      }
    }
    if (with_cells) measurement.cells = copy_cells(graph);
    return measurement;
  }

  struct GoldenRun {
    Measurement measurement;
    double seconds = 0;
  };
  Result<GoldenRun> run_golden(const GoldenSample& golden) const {
    const auto& image = artifact.tensors.at(golden.image);
    auto graph = take();
    if (!graph) return graph.error();
    const auto input = (*graph)->input();
    const std::size_t plane = input.size() / 3;
    for (std::size_t i = 0; i < plane; ++i)
      for (std::size_t c = 0; c < 3; ++c) input[c * plane + i] = image.data()[3 * i + c] / 255.0F;
    if ((*graph)->close_picture()) {
      RgbImage picture{artifact.manifest.input_height, artifact.manifest.input_width, {}};
      for (const float v : image.values())
        picture.pixels.push_back(static_cast<std::uint8_t>(std::lround(v >= 0 ? std::min(v, 255.0F) : 0.0F)));
      fill_close_picture(picture, **graph);
    }
    const auto start = std::chrono::steady_clock::now();
    auto measurement = run(**graph);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    graphs->give_back(std::move(*graph));
    return GoldenRun{std::move(measurement), taken.count()};
  }

  Result<void> check_golden_samples() {
    for (const auto& golden : artifact.manifest.golden) {
      const auto done = run_golden(golden);
      if (!done) return done.error();
      const auto& measurement = done->measurement;
      seconds_per_picture = done->seconds * ThreadCount::current();
      const auto detection = combine(artifact.manifest, measurement.outputs, measurement.class_maps,
                                     measurement.details, measurement.statistics, std::nullopt);
      const bool is_int8 = precision == Precision::int8;
      const double expected = is_int8 ? golden.int8_score.value_or(golden.anomaly_score) : golden.anomaly_score;
      if (!(std::abs(detection.anomaly_score - expected) <=
            (is_int8 ? kGoldenToleranceInt8 : kGoldenTolerance) * (1.0 + std::abs(expected))))
        return invalid_input(
            fmt::format("The model does not reproduce its golden sample on this machine: {} instead of {}.",
                        detection.anomaly_score, expected));
    }
    return {};
  }
};

Precision quickest_precision(const Manifest& manifest) {
  if (multiplies_int8() && manifest.int8_agrees.value_or(false)) return Precision::int8;
  return manifest.bf16_agrees.value_or(true) ? best_precision() : Precision::fp32;
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

const Manifest& Engine::manifest() const {
  return state_->artifact.manifest;
}
const Artifact& Engine::artifact() const {
  return state_->artifact;
}

std::size_t Engine::Memory::bytes() const {
  std::size_t sum = own;
  for (const auto& [address, bytes] : weights) sum += bytes;
  return sum;
}

Engine::Memory Engine::memory() const {
  return {state_->graphs->bytes(), state_->weights};
}

Precision Engine::precision() const {
  return state_->precision;
}

double Engine::seconds_per_picture() const {
  return state_->seconds_per_picture;
}

double Engine::time_golden_sample() const {
  const auto& golden = manifest().golden;
  if (golden.empty()) return 0;
  const auto done = state_->run_golden(golden.front());
  return done ? done->seconds : 0;
}

Result<std::shared_ptr<const Engine>> Engine::create(Artifact artifact, std::optional<Precision> precision) {
  static const auto can_run = check_code_memory();
  if (!can_run) return can_run.error();
  auto state = std::make_unique<State>();
  state->artifact = std::move(artifact);
  state->precision = precision.value_or(quickest_precision(state->artifact.manifest));
  const auto& m = state->artifact.manifest;
  std::vector<std::string> outputs;
  for (const auto& contestant : m.contestants)
    outputs.insert(outputs.end(), contestant.maps.begin(), contestant.maps.end());
  if (m.segmentation)
    outputs.insert(outputs.end(), m.segmentation->class_maps.begin(), m.segmentation->class_maps.end());
  if (m.segmentation && !m.segmentation->details.empty()) outputs.push_back(m.segmentation->details);
  state->find_cells();
  for (const auto* name : {&state->cells.rows, &state->cells.pose})
    if (!name->empty()) outputs.push_back(*name);
  state->graphs.emplace(m.graph, state->artifact.tensors, std::move(outputs), state->precision);
  auto graph = state->take();
  if (!graph) return graph.error();
  // Drawing computes with the products of two sides, which must fit into an int.
  const auto is_drawable = [](const std::vector<std::int64_t>& shape) {
    return std::max(shape[shape.size() - 1], shape[shape.size() - 2]) <= kLargestMapSide;
  };
  for (const auto& contestant : m.contestants)
    for (const auto& name : contestant.maps)
      if ((*graph)->output(name).shape.size() != 2 ||
          (*graph)->output(name).shape != (*graph)->output(contestant.maps[0]).shape ||
          !is_drawable((*graph)->output(name).shape))
        return invalid_input("The model cannot run: " + name + " is no map like its folds'.");
  if (m.segmentation)
    for (const auto& name : m.segmentation->class_maps)
      if (const auto& shape = (*graph)->output(name).shape;
          shape.size() != 3 || shape[0] != static_cast<std::int64_t>(m.segmentation->labels.size()) ||
          !is_drawable(shape))
        return invalid_input("The model cannot run: " + name + " does not fit the labels.");
  if (m.segmentation && !m.segmentation->details.empty() &&
      (*graph)->output(m.segmentation->details).shape !=
          std::vector<std::int64_t>{m.folds, m.input_height, m.input_width})
    return invalid_input("The model cannot run: " + m.segmentation->details + " does not fit the pixels.");
  if (!state->cells.rows.empty()) {
    const auto& rows = (*graph)->output(state->cells.rows).shape;
    if (rows.size() != 2 || rows[0] != static_cast<std::int64_t>(state->cells.height) * state->cells.width ||
        (!state->cells.pose.empty() && (*graph)->output(state->cells.pose).data.size() != 3))
      return invalid_input("The model cannot run: " + state->cells.rows + " does not fit the cells.");
  }
  state->weights = (*graph)->packed_weights();
  for (const auto& [name, tensor] : state->artifact.tensors)
    state->weights[tensor.data()] = tensor.count * sizeof(float);
  state->graphs->give_back(std::move(*graph));
  return std::shared_ptr<const Engine>(new Engine(std::move(state)));
}

Result<std::shared_ptr<const Engine>> Engine::load(const std::filesystem::path& folder, Check check,
                                                   std::optional<Precision> precision) {
  auto artifact = read_artifact(folder, check == Check::all);
  if (!artifact) return artifact.error();
  auto engine = create(std::move(*artifact), precision);
  if (!engine || check == Check::nothing) return engine;
  auto ok = (*engine)->state_->check_golden_samples();
  while (!ok && (*engine)->precision() != Precision::fp32) {
    // Processors with VNNI alone compute bf16, too, but slower than fp32.
    const auto next = (*engine)->precision() == Precision::int8 ? best_precision() : Precision::fp32;
    engine = create(std::move((*engine)->state_->artifact), next);
    if (!engine) return engine;
    ok = (*engine)->state_->check_golden_samples();
  }
  if (!ok) return ok.error();
  return engine;
}

Result<RgbImage> Engine::decode(std::span<const std::uint8_t> bytes, std::stop_token abandoned) const {
  const auto& m = state_->artifact.manifest;
  const auto header = read_image_header(bytes);
  if (!header) return header.error();
  // If a picture is outside these limits, decode_image says so before it decodes any pixel.
  const SizeLimits limits;
  const bool is_possible = std::min(header->height, header->width) >= limits.minimum_side &&
                           std::max(header->height, header->width) <= limits.maximum_side;
  if (is_possible && (header->height != m.image_height || header->width != m.image_width))
    return wrong_size(m, header->height, header->width, header->orientation);
  return decode_image(bytes, limits, least_size(m), {.sample_bits = m.sample_bits, .abandoned = std::move(abandoned)});
}

bool Engine::tells_places() const {
  return !state_->cells.rows.empty();
}

Result<Engine::Measurement> Engine::measure(const RgbImage& image, bool with_cells) const {
  const auto& m = state_->artifact.manifest;
  if (!is_reduction_of(image.height, image.width, m.image_height, m.image_width))
    return wrong_size(m, image.height, image.width);
  auto graph = state_->take();
  if (!graph) return graph.error();
  state_->resize(image, **graph);
  auto measurement = state_->run(**graph, with_cells);
  state_->graphs->give_back(std::move(*graph));
  measurement.statistics.beyond_range = image.beyond_range;
  return measurement;
}

Result<std::vector<Engine::StepTime>> Engine::profile(const RgbImage& image, int rounds) const {
  auto graph = state_->take();
  if (!graph) return graph.error();
  std::vector<StepTime> out;
  for (const auto& step : (*graph)->steps()) out.push_back({step.work, HUGE_VAL});
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> seconds;
    state_->resize(image, **graph);
    (*graph)->run(&seconds);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].seconds = std::min(out[i].seconds, seconds[i]);
  }
  state_->graphs->give_back(std::move(*graph));
  return out;
}

Result<Detection> Engine::detect(const RgbImage& image, bool with_places, std::optional<PicturePoint> at) const {
  Stopwatch watch;
  const auto& m = state_->artifact.manifest;
  if (!is_reduction_of(image.height, image.width, m.image_height, m.image_width))
    return wrong_size(m, image.height, image.width);
  auto graph = state_->take();
  if (!graph) return graph.error();
  state_->resize(image, **graph);
  const auto resize = watch.lap("resize");
  auto measurement = state_->run(**graph, with_places);
  state_->graphs->give_back(std::move(*graph));
  measurement.statistics.beyond_range = image.beyond_range;
  const auto network = watch.lap("network");
  auto detection = combine(m, measurement.outputs, measurement.class_maps, measurement.details, measurement.statistics,
                           std::nullopt);
  if (with_places && tells_places()) detection.places = find_places(detection.anomaly_map, measurement.cells, at);
  detection.stages = {resize, network, watch.lap("mask")};
  return detection;
}

}  // namespace vedette
