#include "vision/infer/plausibility.hpp"

#include <cmath>

namespace vedette {
namespace {

constexpr int kCell = 4;               // pixels that are averaged: noise and compression live below
constexpr int kFine = 1, kCoarse = 4;  // distances of the contrasts, in cells
constexpr double kFlat = 0.002;        // coarse contrast below which there is nothing to be sharp

/// Mean absolute difference of cells `distance` apart, along both axes.
double contrast(const Grid<float>& cells, int distance) {
  double sum = 0, count = 0;
  for (int y = 0; y < cells.height; ++y)
    for (int x = 0; x < cells.width; ++x) {
      if (x + distance < cells.width) sum += std::abs(cells.at(y, x + distance) - cells.at(y, x)), ++count;
      if (y + distance < cells.height) sum += std::abs(cells.at(y + distance, x) - cells.at(y, x)), ++count;
    }
  return sum / count;
}

}  // namespace

PictureStatistics describe_picture(const Planes& planes) {
  Grid<float> cells(planes.height / kCell, planes.width / kCell);
  const auto plane = static_cast<std::size_t>(planes.height) * static_cast<std::size_t>(planes.width);
  double sum = 0;
  for (int c = 0; c < planes.channels; ++c)
    for (int y = 0; y < cells.height * kCell; ++y) {
      const float* row = planes.values.data() + static_cast<std::size_t>(c) * plane +
                         static_cast<std::size_t>(y) * static_cast<std::size_t>(planes.width);
      for (int x = 0; x < cells.width; ++x) {
        float part = 0;
        for (int k = 0; k < kCell; ++k) part += row[x * kCell + k];
        cells.at(y / kCell, x) += part;
        sum += part;
      }
    }
  const auto shares = static_cast<float>(planes.channels * kCell * kCell);
  for (auto& v : cells.values) v /= shares;
  PictureStatistics out;
  out.brightness = sum / shares / static_cast<double>(cells.values.size());
  const double coarse = contrast(cells, kCoarse);
  out.sharpness = coarse < kFlat ? 0 : contrast(cells, kFine) / coarse;
  return out;
}

std::string implausible_because(const Plausibility& limits, const PictureStatistics& picture) {
  if (picture.brightness < limits.darkest) return "The picture is much darker than those of the training.";
  if (picture.brightness > limits.brightest) return "The picture is much brighter than those of the training.";
  if (picture.sharpness < limits.least_sharpness) return "The picture is out of focus.";
  if (picture.level > limits.highest_level) return "The picture is unlike all of the training.";
  return {};
}

}  // namespace vedette
