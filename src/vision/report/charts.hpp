#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

/// Draws charts as inline SVG. These functions are internal to vision/report.
namespace vedette::charts {

struct Line {
  std::vector<std::pair<double, double>> points;
  std::string style;  ///< The CSS class.
};
struct Axes {
  std::string x, y;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;
};
std::string plot(const Axes& axes, std::span<const Line> lines);

/// Draws the scores of good and anomalous pictures in equal bins side by side, with a vertical line at the threshold.
/// The axis is logarithmic.
std::string score_histogram(std::span<const double> good, std::span<const double> anomalous, double threshold);

}  // namespace vedette::charts
