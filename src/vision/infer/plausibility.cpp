#include "vision/infer/plausibility.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/target_clones.hpp"

namespace vedette {
namespace {

// The side of the squares of pixels that are averaged, because noise and compression show in single pixels.
constexpr int kCell = 4;
// A glint may be brighter than anything in the training, but a scene with a larger share beyond has another range.
constexpr double kMostBeyondRange = 0.05;
constexpr double kFlat = 1e-5;  // below this variance a picture has nothing that could be sharp

VEDETTE_TARGET_CLONES void add(float* __restrict sums, const float* __restrict row, int count) {
  for (int i = 0; i < count; ++i) sums[i] += row[i];
}

/// Returns the mean square of the differences of neighbouring cells over the variance of all cells. An edge that is
/// blurred over n cells has an n-th of the energy, and as much variance as before.
double sharpness_of(const Grid<float>& cells) {
  double energy = 0, pairs = 0, sum = 0, square = 0;
  for (int y = 0; y < cells.height; ++y)
    for (int x = 0; x < cells.width; ++x) {
      const double v = cells.at(y, x);
      sum += v, square += v * v;
      if (x + 1 < cells.width) energy += std::pow(cells.at(y, x + 1) - v, 2), ++pairs;
      if (y + 1 < cells.height) energy += std::pow(cells.at(y + 1, x) - v, 2), ++pairs;
    }
  const auto count = static_cast<double>(cells.values.size());
  const double variance = square / count - sum / count * (sum / count);
  return variance < kFlat ? 0 : energy / pairs / variance;
}

}  // namespace

PictureStatistics describe_picture(const float* rgb, int height, int width) {
  Grid<float> cells(height / kCell, width / kCell);
  const auto plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  constexpr float share = 1.0F / (3 * kCell * kCell);
#pragma omp parallel
  {
    std::vector<float> sums(static_cast<std::size_t>(width));
#pragma omp for
    for (int y = 0; y < cells.height; ++y) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      for (std::size_t c = 0; c < 3; ++c)
        for (int k = 0; k < kCell; ++k)
          add(sums.data(), rgb + c * plane + static_cast<std::size_t>(y * kCell + k) * static_cast<std::size_t>(width),
              width);
      for (int x = 0; x < cells.width; ++x) {
        float sum = 0;
        for (int k = 0; k < kCell; ++k) sum += sums[static_cast<std::size_t>(x * kCell + k)];
        cells.at(y, x) = share * sum;
      }
    }
  }
  PictureStatistics out;
  out.brightness =
      std::accumulate(cells.values.begin(), cells.values.end(), 0.0) / static_cast<double>(cells.values.size());
  out.sharpness = sharpness_of(cells);
  return out;
}

std::string implausible_because(const Plausibility& limits, const PictureStatistics& picture) {
  if (picture.beyond_range > kMostBeyondRange)
    return "The picture's values go beyond the range of the training pictures: more of their 16 bits are in use.";
  if (picture.brightness < limits.darkest) return "The picture is much darker than those of the training.";
  if (picture.brightness > limits.brightest) return "The picture is much brighter than those of the training.";
  if (picture.sharpness < limits.least_sharpness) return "The picture is out of focus.";
  if (picture.level > limits.highest_level) return "The picture is unlike all of the training.";
  return {};
}

}  // namespace vedette
