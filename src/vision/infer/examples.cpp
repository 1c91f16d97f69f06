#include "vision/infer/examples.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "vision/infer/half.hpp"
#include "vision/infer/row_distance.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

// Two places are at least so far apart, as a share of the map's longer side: about three fine cells of 640 × 480.
constexpr double kLeastDistance = 0.04;
constexpr std::size_t kMostChannels = 4096;

/// Returns where a point of the picture lies on the grid of the cells, which the reference sees.
MapPoint cell_of(const CellFeatures& cells, double y, double x) {
  const MapPoint in_picture{y * cells.height - 0.5, x * cells.width - 0.5};
  return cells.pose ? to_reference(*cells.pose, in_picture, cells.height, cells.width) : in_picture;
}

std::vector<float> mean_around(const CellFeatures& cells, double y, double x) {
  const auto [row, column] = cell_of(cells, y, x);
  const auto channels = cells.rows.size() / (static_cast<std::size_t>(cells.height) * cells.width);
  std::vector<float> out(channels);
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) {
      const auto r = std::clamp(static_cast<int>(std::lround(row)) + dy, 0, cells.height - 1);
      const auto c = std::clamp(static_cast<int>(std::lround(column)) + dx, 0, cells.width - 1);
      const float* from = cells.rows.data() + (static_cast<std::size_t>(r) * cells.width + c) * channels;
      for (std::size_t i = 0; i < channels; ++i) out[i] += from[i] / 9;
    }
  return out;
}

double distance_to_bank(std::span<const float> bank, const std::vector<float>& features) {
  float least = HUGE_VALF;
  const auto channels = features.size();
  for (std::size_t row = 0; channels > 0 && row + channels <= bank.size(); row += channels)
    least = std::min(least, squared_distance(bank.data() + row, features.data(), static_cast<std::int64_t>(channels)));
  return std::sqrt(static_cast<double>(least));
}

std::string features_text(const std::vector<float>& features) {
  Bytes bytes;
  for (const float f : features) {
    const Half half = narrow(f);
    bytes.push_back(static_cast<std::uint8_t>(half & 0xFF));
    bytes.push_back(static_cast<std::uint8_t>(half >> 8));
  }
  return to_base64(bytes);
}

std::vector<float> parse_features(const std::string& text) {
  const auto bytes = from_base64(text);
  if (!bytes || bytes->empty() || bytes->size() % 2 != 0 || bytes->size() / 2 > kMostChannels)
    throw std::invalid_argument("features are not base64 of 16-bit numbers");
  std::vector<float> out;
  for (std::size_t i = 0; i < bytes->size(); i += 2) {
    out.push_back(widen(static_cast<Half>((*bytes)[i] | (*bytes)[i + 1] << 8)));
    if (!std::isfinite(out.back())) throw std::invalid_argument("features are not finite");
  }
  return out;
}

}  // namespace

std::vector<Place> find_places(const Grid<float>& map, const CellFeatures& cells, std::optional<PicturePoint> at) {
  std::vector<std::size_t> order;
  for (int y = 0; y < map.height; ++y)
    for (int x = 0; x < map.width; ++x) {
      // Only the highest of its neighbours can be the centre of a place.
      const float value = map.at(y, x);
      bool is_peak = value > 0;
      for (int v = std::max(0, y - 1); v <= std::min(map.height - 1, y + 1) && is_peak; ++v)
        for (int u = std::max(0, x - 1); u <= std::min(map.width - 1, x + 1) && is_peak; ++u)
          is_peak = map.at(v, u) <= value;
      if (is_peak) order.push_back(static_cast<std::size_t>(y) * map.width + x);
    }
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return map.values[a] > map.values[b]; });
  const double least = kLeastDistance * std::max(map.height, map.width);
  std::vector<std::pair<int, int>> taken;
  std::vector<Place> out;
  const auto add = [&](Place place) {
    place.features = mean_around(cells, place.y, place.x);
    place.distance = distance_to_bank(cells.bank, place.features);
    out.push_back(std::move(place));
  };
  if (at) {
    const auto cell = [](double share, int size) { return std::clamp(static_cast<int>(share * size), 0, size - 1); };
    add({at->y, at->x, map.at(cell(at->y, map.height), cell(at->x, map.width)), {}});
  }
  for (const auto index : order) {
    if (taken.size() == kMostPlaces) break;
    const int y = static_cast<int>(index) / map.width, x = static_cast<int>(index) % map.width;
    if (std::any_of(taken.begin(), taken.end(),
                    [&](const auto& t) { return std::hypot(t.first - y, t.second - x) < least; }))
      continue;
    taken.emplace_back(y, x);
    add({(y + 0.5) / map.height, (x + 0.5) / map.width, map.values[index], {}});
  }
  return out;
}

std::string to_text(std::span<const Example> examples) {
  Json out = Json::array();
  for (const auto& e : examples) {
    Json places = Json::array();
    for (const auto& p : e.places)
      places.push_back({{"y", p.y},
                        {"x", p.x},
                        {"height", p.height},
                        {"distance", p.distance},
                        {"features", features_text(p.features)}});
    out.push_back({{"source_ref", e.source_ref},
                   {"is_anomalous", e.is_anomalous},
                   {"is_pointed", e.is_pointed},
                   {"anomaly_score", e.anomaly_score},
                   {"places", std::move(places)}});
  }
  return out.dump();
}

Result<std::vector<Example>> parse_examples(std::string_view text) {
  try {
    std::vector<Example> out;
    std::size_t channels = 0;
    for (const auto& e : Json::parse(text)) {
      auto& example = out.emplace_back();
      example.source_ref = e.at("source_ref").get<std::string>();
      example.is_anomalous = e.at("is_anomalous").get<bool>();
      example.is_pointed = e.at("is_pointed").get<bool>();
      example.anomaly_score = e.at("anomaly_score").get<double>();
      for (const auto& p : e.at("places")) {
        auto& place = example.places.emplace_back();
        place.y = p.at("y").get<double>();
        place.x = p.at("x").get<double>();
        place.height = p.at("height").get<double>();
        place.distance = p.at("distance").get<double>();
        place.features = parse_features(p.at("features").get_ref<const std::string&>());
        if (channels == 0) channels = place.features.size();
        if (place.features.size() != channels) throw std::invalid_argument("rows differ in length");
      }
      if (example.places.size() > kMostPlaces + 1) throw std::invalid_argument("too many places");
    }
    return out;
  } catch (const std::exception& e) {
    return invalid_input(std::string("These are no examples: ") + e.what());
  }
}

}  // namespace vedette
