#include "vision/infer/infer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "vision/infer/graph.hpp"

namespace vedette {
namespace {

double softplus(double x) {
  return x > 30 ? x : std::log1p(std::exp(x));
}
double inverse_softplus(double y) {
  return y > 30 ? y : std::log(std::expm1(std::max(y, 1e-300)));
}

/// Which fold maps take part.
std::vector<std::size_t> chosen_folds(const ContestantOutput& output, std::optional<std::int64_t> fold) {
  if (fold) return {static_cast<std::size_t>(*fold)};
  std::vector<std::size_t> all(output.maps.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

/// The label whose described training regions are nearest on average (three nearest neighbours, Euclidean).
std::size_t classify_region(std::span<const float> description, const Tensor& bank, const Tensor& labels,
                            std::size_t label_count) {
  const auto channels = static_cast<std::size_t>(bank.size(1));
  std::vector<std::vector<double>> distances(label_count);
  for (std::size_t r = 0; r < static_cast<std::size_t>(bank.size(0)); ++r) {
    double sum = 0;
    for (std::size_t c = 0; c < channels; ++c) {
      const double d = static_cast<double>(description[c]) - bank.data()[r * channels + c];
      sum += d * d;
    }
    distances[static_cast<std::size_t>(labels.data()[r])].push_back(std::sqrt(sum));
  }
  std::size_t best = 0;
  double best_distance = HUGE_VAL;
  for (std::size_t label = 0; label < label_count; ++label) {
    auto& d = distances[label];
    if (d.empty()) continue;
    const std::size_t n = std::min<std::size_t>(3, d.size());
    std::partial_sort(d.begin(), d.begin() + static_cast<std::ptrdiff_t>(n), d.end());
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += d[i] / static_cast<double>(n);
    if (mean < best_distance) best_distance = mean, best = label;
  }
  return best;
}

/// Labels at picture size: where the enlarged map reaches the threshold, the label of the nearest labelled cell.
Grid<std::uint8_t> draw_labels(const Artifact& artifact, const Grid<float>& map, std::span<const float> features) {
  const auto& m = artifact.manifest;
  const auto& s = *m.segmentation;
  int count = 0;
  const auto regions = find_regions(map, s.map_threshold, count);
  Grid<std::uint8_t> out(m.image_height, m.image_width);
  if (count == 0) return out;
  std::vector<std::uint8_t> label_of(static_cast<std::size_t>(count) + 1, 0);
  for (int r = 1; r <= count; ++r)
    label_of[static_cast<std::size_t>(r)] = static_cast<std::uint8_t>(
        1 + (s.labels.size() == 1
                 ? 0
                 : classify_region(describe_region(regions, r, features), artifact.tensors.at(s.region_bank),
                                   artifact.tensors.at(s.region_labels), s.labels.size())));
  const auto enlarged = resize_map(map, m.image_height, m.image_width);
  for (int y = 0; y < out.height; ++y) {
    const int cy = y * map.height / out.height;
    for (int x = 0; x < out.width; ++x) {
      if (!(enlarged.at(y, x) >= s.map_threshold)) continue;
      const int cx = x * map.width / out.width;
      int region = regions.at(cy, cx);
      // Interpolation may reach half a cell beyond the region: ask the neighbours.
      for (int dy = -1; dy <= 1 && region == 0; ++dy)
        for (int dx = -1; dx <= 1 && region == 0; ++dx)
          if (cy + dy >= 0 && cy + dy < map.height && cx + dx >= 0 && cx + dx < map.width)
            region = regions.at(cy + dy, cx + dx);
      out.at(y, x) = label_of[static_cast<std::size_t>(region)];
    }
  }
  return out;
}

}  // namespace

double pool_largest(std::span<const float> values, double fraction) {
  const auto n = std::clamp<std::size_t>(
      static_cast<std::size_t>(std::llround(fraction * static_cast<double>(values.size()))), 1, values.size());
  std::vector<float> copy(values.begin(), values.end());
  std::nth_element(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(n - 1), copy.end(), std::greater<>());
  // Summed in descending order, so that the result does not depend on nth_element's leftovers.
  std::sort(copy.begin(), copy.begin() + static_cast<std::ptrdiff_t>(n), std::greater<>());
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += copy[i];
  return sum / static_cast<double>(n);
}

Grid<float> combine_maps(const Manifest& manifest, std::span<const ContestantOutput> outputs,
                         std::optional<std::int64_t> fold) {
  const auto& first = outputs[0].maps[0];
  Grid<float> map(first.height, first.width);
  double weight_sum = 0;
  for (const auto& c : manifest.contestants) weight_sum += c.map_weight;
  for (std::size_t c = 0; c < outputs.size(); ++c) {
    const auto& contestant = manifest.contestants[c];
    if (contestant.map_weight <= 0 || !(weight_sum > 0)) continue;
    const auto folds = chosen_folds(outputs[c], fold);
    // exp(location) is the typical score of a good picture: in that unit the contestants' maps can be averaged.
    const auto w = static_cast<float>(contestant.map_weight / weight_sum / std::exp(contestant.location) /
                                      static_cast<double>(folds.size()));
    for (auto f : folds)
      for (std::size_t i = 0; i < map.values.size(); ++i) map.values[i] += w * outputs[c].maps[f].values[i];
  }
  return map;
}

Grid<int> find_regions(const Grid<float>& map, double threshold, int& count) {
  Grid<int> regions(map.height, map.width);
  count = 0;
  std::vector<std::pair<int, int>> open;
  for (int y = 0; y < map.height; ++y)
    for (int x = 0; x < map.width; ++x) {
      if (regions.at(y, x) != 0 || !(map.at(y, x) >= threshold)) continue;
      regions.at(y, x) = ++count;
      open.emplace_back(y, x);
      while (!open.empty()) {
        const auto [cy, cx] = open.back();
        open.pop_back();
        for (int ny = std::max(0, cy - 1); ny <= std::min(map.height - 1, cy + 1); ++ny)
          for (int nx = std::max(0, cx - 1); nx <= std::min(map.width - 1, cx + 1); ++nx)
            if (regions.at(ny, nx) == 0 && map.at(ny, nx) >= threshold) {
              regions.at(ny, nx) = count;
              open.emplace_back(ny, nx);
            }
      }
    }
  return regions;
}

std::vector<float> describe_region(const Grid<int>& regions, int region, std::span<const float> features) {
  const std::size_t channels = features.size() / regions.values.size();
  std::vector<double> sum(channels);
  double cells = 0;
  for (std::size_t i = 0; i < regions.values.size(); ++i) {
    if (regions.values[i] != region) continue;
    cells += 1;
    for (std::size_t c = 0; c < channels; ++c) sum[c] += features[i * channels + c];
  }
  std::vector<float> mean(channels);
  for (std::size_t c = 0; c < channels; ++c) mean[c] = static_cast<float>(sum[c] / std::max(1.0, cells));
  return mean;
}

Detection combine(const Artifact& artifact, std::span<const ContestantOutput> outputs,
                  std::span<const float> region_features, std::optional<std::int64_t> fold) {
  const auto& m = artifact.manifest;
  double fused = m.fusion_bias;
  for (std::size_t c = 0; c < outputs.size(); ++c) {
    const auto& contestant = m.contestants[c];
    if (contestant.score_weight == 0) continue;
    const auto folds = chosen_folds(outputs[c], fold);
    double z = 0;
    for (auto f : folds)
      z += (std::log(std::max(outputs[c].scores[f], 1e-12)) - contestant.location) / contestant.scale /
           static_cast<double>(folds.size());
    fused += contestant.score_weight * z;
  }
  Detection detection;
  detection.anomaly_score = softplus(fused);
  detection.is_anomalous = detection.anomaly_score >= m.threshold;
  const double logit = m.confidence_slope * (inverse_softplus(detection.anomaly_score) - inverse_softplus(m.threshold));
  detection.confidence = std::clamp(1.0 / (1.0 + std::exp(-std::abs(logit))), 0.5, m.confidence_limit);
  detection.anomaly_map = combine_maps(m, outputs, fold);
  if (m.segmentation) detection.label_map = draw_labels(artifact, detection.anomaly_map, region_features);
  return detection;
}

struct Engine::State {
  Artifact artifact;
  std::mutex mutex;                          // guards idle
  std::vector<std::unique_ptr<Graph>> idle;  // planned graphs that no call is using
  std::size_t weight_bytes = 0;

  Result<std::unique_ptr<Graph>> take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto graph = std::move(idle.back());
        idle.pop_back();
        return graph;
      }
    }
    const auto& m = artifact.manifest;
    auto graph = Graph::plan(m.graph, artifact.tensors, m.input_height, m.input_width);
    if (!graph) return graph.error();
    return std::make_unique<Graph>(std::move(*graph));
  }
  void give_back(std::unique_ptr<Graph> graph) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(graph));
  }

  Result<Measurement> run(const Planes& planes) {
    auto graph = take();
    if (!graph) return graph.error();
    (*graph)->run(planes);
    Measurement measurement;
    for (const auto& contestant : artifact.manifest.contestants) {
      ContestantOutput output;
      for (const auto& name : contestant.maps) {
        const auto& value = (*graph)->output(name);
        Grid<float> map(static_cast<int>(value.shape[0]), static_cast<int>(value.shape[1]));
        map.values = value.data;
        output.scores.push_back(pool_largest(map.values, contestant.pool_fraction));
        output.maps.push_back(std::move(map));
      }
      measurement.outputs.push_back(std::move(output));
    }
    if (artifact.manifest.segmentation)
      measurement.region_features = (*graph)->output(artifact.manifest.segmentation->region_features).data;
    give_back(std::move(*graph));
    return measurement;
  }
};

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

const Manifest& Engine::manifest() const {
  return state_->artifact.manifest;
}

std::size_t Engine::approximate_bytes() const {
  return state_->weight_bytes;
}

Result<std::shared_ptr<const Engine>> Engine::create(Artifact artifact) {
  auto state = std::make_unique<State>();
  state->artifact = std::move(artifact);
  for (const auto& [name, tensor] : state->artifact.tensors)
    state->weight_bytes += tensor.values->size() * sizeof(float);
  auto graph = state->take();
  if (!graph) return graph.error();
  const auto& m = state->artifact.manifest;
  const auto map_shape = (*graph)->output(m.contestants[0].maps[0]).shape;
  for (const auto& contestant : m.contestants)
    for (const auto& name : contestant.maps)
      if ((*graph)->output(name).shape.size() != 2 || (*graph)->output(name).shape != map_shape)
        return invalid_input("The model cannot run: its anomaly maps differ in size.");
  if (m.segmentation) {
    const auto& shape = (*graph)->output(m.segmentation->region_features).shape;
    if (shape.size() != 2 || shape[0] != map_shape[0] * map_shape[1] ||
        shape[1] != state->artifact.tensors.at(m.segmentation->region_bank).size(1))
      return invalid_input(fmt::format(
          "The model cannot run: its region features have a wrong shape ({}x{}, not {}x{}).", shape[0], shape[1],
          map_shape[0] * map_shape[1], state->artifact.tensors.at(m.segmentation->region_bank).size(1)));
  }
  state->give_back(std::move(*graph));
  return std::shared_ptr<const Engine>(new Engine(std::move(state)));
}

Result<std::shared_ptr<const Engine>> Engine::load(const std::filesystem::path& folder) {
  auto artifact = read_artifact(folder);
  if (!artifact) return artifact.error();
  auto engine = create(std::move(*artifact));
  if (!engine) return engine;
  const auto& state = *(*engine)->state_;
  for (const auto& golden : state.artifact.manifest.golden) {
    const auto& image = state.artifact.tensors.at(golden.image);
    Planes planes{3, static_cast<int>(image.size(0)), static_cast<int>(image.size(1)),
                  std::vector<float>(image.values->size())};
    const std::size_t plane = image.values->size() / 3;
    for (std::size_t i = 0; i < plane; ++i)
      for (std::size_t c = 0; c < 3; ++c) planes.values[c * plane + i] = image.data()[3 * i + c] / 255.0F;
    auto measurement = (*engine)->state_->run(planes);
    if (!measurement) return measurement.error();
    const auto detection = combine(state.artifact, measurement->outputs, measurement->region_features, std::nullopt);
    if (!(std::abs(detection.anomaly_score - golden.anomaly_score) <=
          kGoldenTolerance * (1.0 + std::abs(golden.anomaly_score))))
      return invalid_input(
          fmt::format("The model does not reproduce its golden sample on this machine: {} instead of {}.",
                      detection.anomaly_score, golden.anomaly_score));
  }
  return engine;
}

Result<Engine::Measurement> Engine::measure(const RgbImage& image) const {
  const auto& m = state_->artifact.manifest;
  if (image.height != m.image_height || image.width != m.image_width)
    return invalid_input(fmt::format("The image has {}x{} pixels, but the model was trained with {}x{}.", image.width,
                                     image.height, m.image_width, m.image_height));
  return state_->run(resize_to_planes(image, m.input_height, m.input_width));
}

Result<Detection> Engine::detect(const RgbImage& image) const {
  auto measurement = measure(image);
  if (!measurement) return measurement.error();
  return combine(state_->artifact, measurement->outputs, measurement->region_features, std::nullopt);
}

}  // namespace vedette
