// Finds good pictures that look otherwise than the other good ones.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "vision/dataset_check/parts.hpp"

namespace vedette::dataset_check {
namespace {

constexpr std::size_t kLeastPictures = 20;
// An outlier is further from the median than so many robust deviations (1.4826 times the median of the deviations),
// and further than a number of its own, because pictures of a steady camera hardly differ at all.
constexpr double kMostDeviations = 6, kRobust = 1.4826;
constexpr double kLeastBrightness = 0.1;
constexpr double kLeastFocus = 0.6;    // of the logarithm: a factor of 1.8
constexpr double kLeastFraming = 0.5;  // of the logarithm: a factor of 1.6
constexpr double kFlat = 1e-6;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Norm {
  double middle = 0, most = 0;  ///< the median, and how far from it a value may be
};
Norm norm_of(const std::vector<double>& values, double least) {
  Norm out;
  out.middle = median(values);
  std::vector<double> deviations;
  for (const double v : values) deviations.push_back(std::abs(v - out.middle));
  out.most = std::max(least, kMostDeviations * kRobust * median(deviations));
  return out;
}

}  // namespace

void find_outliers(const Pictures& pictures, const std::vector<std::size_t>& usable, const Likeness& likeness,
                   std::vector<Finding>& out) {
  std::vector<std::size_t> good;  // places in `usable`
  for (std::size_t i = 0; i < usable.size(); ++i)
    if (!pictures[usable[i]].is_anomalous) good.push_back(i);
  if (good.size() < kLeastPictures) return;
  std::vector<double> brightness, focus, framing;
  for (const auto i : good) {
    const auto& look = *pictures[usable[i]].look;
    brightness.push_back(static_cast<double>(look.brightness));
    focus.push_back(std::log(std::max(kFlat, static_cast<double>(look.sharpness))));
    framing.push_back(std::log(std::max(kFlat, static_cast<double>(likeness.distances[i]))));
  }
  const auto usual_brightness = norm_of(brightness, kLeastBrightness), usual_focus = norm_of(focus, kLeastFocus),
             usual_framing = norm_of(framing, kLeastFraming);
  for (std::size_t g = 0; g < good.size(); ++g) {
    const auto picture = usable[good[g]];
    const auto add = [&](FindingKind kind, std::string detail) {
      out.push_back({kind, picture, {}, pictures[picture].is_test, std::move(detail)});
    };
    if (std::abs(brightness[g] - usual_brightness.middle) > usual_brightness.most)
      add(FindingKind::brightness_outlier,
          fmt::format("Its mean brightness is {:.0f} %; that of good pictures is about {:.0f} %.", 100 * brightness[g],
                      100 * usual_brightness.middle));
    if (const double difference = focus[g] - usual_focus.middle; std::abs(difference) > usual_focus.most)
      add(FindingKind::focus_outlier,
          difference < 0
              ? fmt::format("Its edges are {:.1f} times as soft as those of good pictures.", std::exp(-difference))
              : fmt::format("Its edges are {:.1f} times as sharp as those of good pictures.", std::exp(difference)));
    if (const double difference = framing[g] - usual_framing.middle; difference > usual_framing.most)
      add(FindingKind::framing_outlier,
          fmt::format(
              "It is {:.1f} times as far from the good pictures that look most like it as other good pictures are.",
              std::exp(difference)));
  }
}

}  // namespace vedette::dataset_check
