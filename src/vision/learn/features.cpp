#include "vision/learn/features.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace vedette {
namespace {

constexpr double kInputPixels = 307'200;  // 640 × 480
constexpr int kCell = 8;
constexpr int kOctaves = 4;
constexpr int kFirstSignedOctave = 2;
constexpr int kFirstColorOctave = 1;  // cameras resolve colour less finely than brightness (and JPEG stores half of it)
constexpr int kOrientations = 6;
constexpr double kLightSigma = 56;  // pixels of the working size

/// A square filter, row-major.
struct Kernel {
  int side;
  std::vector<double> values;
};

/// Derivative of an elongated Gaussian across direction `angle`: an edge (first) or bar (second order) along it.
Kernel oriented(int side, int order, double angle, double across, double along) {
  Kernel k{side, {}};
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const double dx = x - side / 2, dy = y - side / 2;  // NOLINT: whole pixels
      const double u = std::cos(angle) * dx + std::sin(angle) * dy, v = -std::sin(angle) * dx + std::cos(angle) * dy;
      const double s2 = across * across;
      const double g = std::exp(-v * v / (2 * s2) - u * u / (2 * along * along));
      k.values.push_back(order == 1 ? -v / s2 * g : (v * v / s2 - 1) / s2 * g);
    }
  return k;
}

Kernel sum(Kernel a, const Kernel& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

/// Zero mean, unit energy: all responses are then on the scale of the picture's contrast.
Kernel normalized(Kernel k) {
  double mean = 0, energy = 0;
  for (double v : k.values) mean += v / static_cast<double>(k.values.size());
  for (double& v : k.values) v -= mean;
  for (double v : k.values) energy += v * v;
  for (double& v : k.values) v /= std::sqrt(energy);
  return k;
}

Kernel laplacian(int side, double sigma) {
  return sum(oriented(side, 2, 0, sigma, sigma), oriented(side, 2, std::numbers::pi / 2, sigma, sigma));
}

/// Every filter on every input channel: [filters · channels, channels, side, side].
Tensor bank(const std::vector<Kernel>& filters, std::size_t channels) {
  const std::size_t area = filters[0].values.size();
  std::vector<float> weights(channels * filters.size() * channels * area, 0.0F);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t f = 0; f < filters.size(); ++f) {
      const Kernel k = normalized(filters[f]);
      for (std::size_t i = 0; i < area; ++i)
        weights[((c * filters.size() + f) * channels + c) * area + i] = static_cast<float>(k.values[i]);
    }
  return Tensor::make({static_cast<std::int64_t>(channels * filters.size()), static_cast<std::int64_t>(channels),
                       filters[0].side, filters[0].side},
                      std::move(weights));
}

/// Edges and bars in six directions, a Laplacian, and the finest contrast: a pixel against its surroundings.
Tensor luminance_bank() {
  constexpr int side = 9;
  std::vector<Kernel> filters;
  for (int order = 1; order <= 2; ++order)
    for (int o = 0; o < kOrientations; ++o)
      filters.push_back(oriented(side, order, o * std::numbers::pi / kOrientations, 1.0, 2.2));
  filters.push_back(laplacian(side, 1.5));
  Kernel point{side, std::vector<double>(side * side, 0.0)};
  point.values[side * side / 2] = 1;
  filters.push_back(point);
  return bank(filters, 1);
}

Tensor color_bank() {
  constexpr int side = 7;
  return bank({oriented(side, 1, 0, 1.2, 1.2), oriented(side, 1, std::numbers::pi / 2, 1.2, 1.2), laplacian(side, 1.2)},
              2);
}

/// 5×5 binomial low pass per channel, for halving the size (Burt & Adelson 1983).
Tensor pyramid_filter(std::size_t channels) {
  constexpr std::array<double, 5> binomial = {1 / 16.0, 4 / 16.0, 6 / 16.0, 4 / 16.0, 1 / 16.0};
  std::vector<float> weights(channels * channels * 25, 0.0F);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t y = 0; y < 5; ++y)
      for (std::size_t x = 0; x < 5; ++x)
        weights[(c * channels + c) * 25 + y * 5 + x] = static_cast<float>(binomial[y] * binomial[x]);
  const auto n = static_cast<std::int64_t>(channels);
  return Tensor::make({n, n, 5, 5}, std::move(weights));
}

int pool_of(int octave) {
  return kCell >> octave;
}

class Builder {
 public:
  std::string add(std::string op, std::string output, std::vector<std::string> inputs,
                  std::map<std::string, std::string> tensors = {}, std::map<std::string, double> numbers = {}) {
    nodes.push_back({std::move(op), output, std::move(inputs), std::move(tensors), std::move(numbers)});
    return output;
  }
  std::vector<Node> nodes;
};

}  // namespace

InputSize choose_input_size(int image_height, int image_width) {
  const double scale = std::min(1.0, std::sqrt(kInputPixels / (static_cast<double>(image_height) * image_width)));
  const auto side = [&](int pixels) { return std::max(64, static_cast<int>(std::lround(pixels * scale / 16)) * 16); };
  return {side(image_height), side(image_width)};
}

FeatureGraph make_feature_graph(InputSize input, const std::optional<Tensor>& reference) {
  FeatureGraph out;
  out.grid_height = input.height / kCell;
  out.grid_width = input.width / kCell;
  out.tensors = {{"filters.luminance.bank", luminance_bank()},
                 {"filters.color.bank", color_bank()},
                 {"filters.luminance.pyramid", pyramid_filter(1)},
                 {"filters.color.pyramid", pyramid_filter(2)},
                 {"filters.luminance", Tensor::make({1, 3, 1, 1}, {0.299F, 0.587F, 0.114F})},
                 // Red against green, blue against yellow.
                 {"filters.color", Tensor::make({2, 3, 1, 1}, {1.0F, -1.0F, 0.0F, -0.5F, -0.5F, 1.0F})}};
  Builder b;
  std::string seen = "image";
  if (reference) {
    out.tensors["reference"] = *reference;
    b.add("register", kTransform, {"image"}, {{"reference", "reference"}});
    seen = b.add("warp_to_reference", "registered", {"image", kTransform}, {}, {{"scale", 4}});
  }
  for (const auto& light : kLightVariants) {
    const auto name = [&](const std::string& what, int octave) { return light + "." + what + std::to_string(octave); };
    std::string picture = seen;
    if (light == "light") picture = b.add("light_normalize", "light.image", {picture}, {}, {{"sigma", kLightSigma}});
    std::vector<std::string> parts;
    for (const std::string kind : {"luminance", "color"}) {
      const auto named = [&](const std::string& what, int octave) { return name(kind + "." + what, octave); };
      std::string level =
          b.add("convolution", named("level", 0), {picture}, {{"weights", "filters." + kind}}, {{"stride", 1}});
      for (int octave = 0; octave < kOctaves; ++octave) {
        if (octave > 0)
          level = b.add("convolution", named("level", octave), {level}, {{"weights", "filters." + kind + ".pyramid"}},
                        {{"stride", 2}});
        if (kind == "color" && octave < kFirstColorOctave) continue;
        const std::string response = b.add("convolution", named("response", octave), {level},
                                           {{"weights", "filters." + kind + ".bank"}}, {{"stride", 1}});
        const std::string magnitude = b.add("absolute", named("magnitude", octave), {response});
        // Every octave ends on the grid of cells: the fine ones are averaged.
        const auto to_grid = [&](const std::string& what, const std::string& value) {
          if (pool_of(octave) == 1) return value;
          return b.add("average_pool", named(what, octave), {value}, {}, {{"size", pool_of(octave)}});
        };
        parts.push_back(b.add("square_root", named("energy", octave), {to_grid("energy_mean", magnitude)}));
        parts.push_back(to_grid("mean", level));
        if (octave >= kFirstSignedOctave) parts.push_back(to_grid("signed", response));
      }
    }
    out.features.push_back(b.add("concatenate", light + ".features", parts));
    out.outputs.push_back(b.add("tokens", light + ".tokens", {out.features.back()}));
  }
  out.nodes = std::move(b.nodes);
  return out;
}

}  // namespace vedette
