#include "vision/learn/features.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace vedette {
namespace {

constexpr double kInputPixels = 307'200;  // 640 × 480
constexpr int kCell = 8;
constexpr int kOctaves = 4;
constexpr int kFirstSignedOctave = 2;
constexpr int kKernel = 7;
constexpr double kSigma = 1.2;
constexpr double kLightSigma = 56;  // pixels of the working size

using Kernel = std::vector<double>;  // kKernel × kKernel

Kernel derivative(int order_x, int order_y) {
  const auto along = [](int order, double t) {
    const double s2 = kSigma * kSigma, g = std::exp(-t * t / (2 * s2));
    if (order == 0) return g;
    if (order == 1) return -t / s2 * g;
    return (t * t / s2 - 1) / s2 * g;
  };
  Kernel k(kKernel * kKernel);
  for (int y = 0; y < kKernel; ++y)
    for (int x = 0; x < kKernel; ++x)
      k[static_cast<std::size_t>(y * kKernel + x)] = along(order_x, x - kKernel / 2) * along(order_y, y - kKernel / 2);
  return k;
}

Kernel sum(const Kernel& a, const Kernel& b, double factor) {
  Kernel out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] + factor * b[i];
  return out;
}

/// Zero mean, unit energy: all responses are then on the scale of the picture's contrast.
Kernel normalized(Kernel k) {
  double mean = 0, energy = 0;
  for (double v : k) mean += v / static_cast<double>(k.size());
  for (double& v : k) v -= mean;
  for (double v : k) energy += v * v;
  for (double& v : k) v /= std::sqrt(energy);
  return k;
}

/// Twelve filters over luminance (6) and the two opponent colours (3 each).
Tensor filter_bank() {
  const Kernel dx = normalized(derivative(1, 0)), dy = normalized(derivative(0, 1));
  const Kernel dxx = derivative(2, 0), dyy = derivative(0, 2);
  const Kernel laplacian = normalized(sum(dxx, dyy, 1)), saddle = normalized(sum(dxx, dyy, -1)), cross = normalized(derivative(1, 1));
  Kernel centre(kKernel * kKernel, 0.0);
  centre[kKernel * kKernel / 2] = 1;
  const Kernel point = normalized(centre);  // finest contrast: a pixel against its surroundings
  const std::vector<std::pair<int, Kernel>> filters = {{0, dx}, {0, dy}, {0, laplacian}, {0, saddle}, {0, cross}, {0, point},
                                                       {1, dx}, {1, dy}, {1, laplacian}, {2, dx}, {2, dy}, {2, laplacian}};
  const auto area = static_cast<std::size_t>(kKernel * kKernel);
  std::vector<float> weights(filters.size() * 3 * area, 0.0F);
  for (std::size_t f = 0; f < filters.size(); ++f)
    for (std::size_t i = 0; i < area; ++i)
      weights[(f * 3 + static_cast<std::size_t>(filters[f].first)) * area + i] = static_cast<float>(filters[f].second[i]);
  return Tensor::make({static_cast<std::int64_t>(filters.size()), 3, kKernel, kKernel}, std::move(weights));
}

/// 5×5 binomial low pass per channel, for halving the size (Burt & Adelson 1983).
Tensor pyramid_filter() {
  constexpr std::array<double, 5> binomial = {1 / 16.0, 4 / 16.0, 6 / 16.0, 4 / 16.0, 1 / 16.0};
  std::vector<float> weights(3 * 3 * 25, 0.0F);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t y = 0; y < 5; ++y)
      for (std::size_t x = 0; x < 5; ++x) weights[(c * 3 + c) * 25 + y * 5 + x] = static_cast<float>(binomial[y] * binomial[x]);
  return Tensor::make({3, 3, 5, 5}, std::move(weights));
}

/// Luminance and two opponent colours (red–green, blue–yellow).
Tensor color_transform() {
  return Tensor::make({3, 3, 1, 1}, {0.299F, 0.587F, 0.114F, 1.0F, -1.0F, 0.0F, -0.5F, -0.5F, 1.0F});
}

class Builder {
 public:
  std::string add(std::string op, std::string output, std::vector<std::string> inputs, std::map<std::string, std::string> tensors = {},
                  std::map<std::string, double> numbers = {}) {
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
  out.tensors = {{"filters.bank", filter_bank()}, {"filters.pyramid", pyramid_filter()}, {"filters.color", color_transform()}};
  const std::map<std::string, double> grid = {{"height", out.grid_height}, {"width", out.grid_width}};
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
    std::string level = b.add("convolution", name("color", 0), {picture}, {{"weights", "filters.color"}}, {{"stride", 1}});
    std::vector<std::string> parts;
    for (int octave = 0; octave < kOctaves; ++octave) {
      if (octave > 0) level = b.add("convolution", name("color", octave), {level}, {{"weights", "filters.pyramid"}}, {{"stride", 2}});
      const std::string response = b.add("convolution", name("response", octave), {level}, {{"weights", "filters.bank"}}, {{"stride", 1}});
      const std::string magnitude = b.add("absolute", name("magnitude", octave), {response});
      // Every octave ends on the grid of cells: the fine ones are averaged, the coarse ones enlarged.
      const int pool = kCell >> octave;
      const auto to_grid = [&](const std::string& what, const std::string& value) {
        if (pool > 1) return b.add("average_pool", name(what, octave), {value}, {}, {{"size", pool}});
        if (pool == 1) return value;
        return b.add("resize", name(what, octave), {value}, {}, grid);
      };
      const std::string energy = to_grid("energy_mean", magnitude);
      parts.push_back(b.add("square_root", name("energy", octave), {energy}));
      parts.push_back(to_grid("mean", level));
      if (octave >= kFirstSignedOctave) parts.push_back(to_grid("signed", response));
    }
    out.features.push_back(b.add("concatenate", light + ".features", parts));
    out.outputs.push_back(b.add("tokens", light + ".tokens", {out.features.back()}));
  }
  out.nodes = std::move(b.nodes);
  return out;
}

}  // namespace vedette
