// Finds labels that the other pictures contradict.
//   A linear model with ridge penalty learns the labels from what the backbone says of the pictures, each label with half
//   of the weight; the prediction for each picture is that of the model which has not seen it, which needs no second
//   fit: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning (2009), 7.10.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/target_clones.hpp"
#include "vision/dataset_check/parts.hpp"

namespace vedette::dataset_check {
namespace {

constexpr std::size_t kLeastPictures = 20;  // of each label
constexpr double kPenalty = 0.3;            // of the mean square of the features
constexpr double kLeastSpread = 1e-3;       // of the mean spread of all features
// The least area under the curve of the predictions, without the doubted pictures, at which the pictures are taken to
// tell their labels. Where the defects are small or faint it is not reached, and nothing is reported.
constexpr double kLeastArea = 0.97;
// A label is doubted if the picture looks as plainly like the other label as this share of that label's pictures. It is
// larger for anomalies, since faint ones look like good parts, and so is the number of its nearest neighbours that must
// have the other label.
constexpr double kPlainAnomalies = 0.5, kPlainGood = 0.8;
constexpr std::size_t kNeighbours = 5, kLeastAnomalies = 4, kLeastGood = 5;

VEDETTE_TARGET_CLONES double dot(const float* __restrict a, const float* __restrict b, std::size_t count) {
  Lanes sums = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes x, y;
    __builtin_memcpy(&x, a + i, sizeof x);
    __builtin_memcpy(&y, b + i, sizeof y);
    sums += x * y;
  }
  double sum = 0;
  for (int l = 0; l < kLanes; ++l) sum += static_cast<double>(sums[l]);
  for (; i < count; ++i) sum += static_cast<double>(a[i] * b[i]);
  return sum;
}

VEDETTE_TARGET_CLONES void add_scaled(float* __restrict to, const float* __restrict from, float scale,
                                      std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += scale * from[i];
}

/// The features of the usable pictures, [pictures, features], each with mean 0 and spread 1.
struct Features {
  std::size_t count = 0, width = 0;
  std::vector<float> values;
  [[nodiscard]] const float* row(std::size_t i) const { return values.data() + i * width; }
};

Features standardized(const Pictures& pictures, const std::vector<std::size_t>& usable) {
  Features out;
  out.count = usable.size();
  out.width = pictures[usable.front()].look->features.size();
  out.values.resize(out.count * out.width);
  const auto count = static_cast<double>(out.count);
  std::vector<double> means(out.width), spreads(out.width);
  for (const auto p : usable)
    for (std::size_t f = 0; f < out.width; ++f) {
      const double v = static_cast<double>(pictures[p].look->features[f]);
      means[f] += v / count, spreads[f] += v * v / count;
    }
  for (std::size_t f = 0; f < out.width; ++f) spreads[f] = std::sqrt(std::max(0.0, spreads[f] - means[f] * means[f]));
  const double mean_spread = std::accumulate(spreads.begin(), spreads.end(), 0.0) / static_cast<double>(out.width);
  for (std::size_t i = 0; i < out.count; ++i)
    for (std::size_t f = 0; f < out.width; ++f)
      out.values[i * out.width + f] =
          static_cast<float>((static_cast<double>(pictures[usable[i]].look->features[f]) - means[f]) /
                             (spreads[f] + kLeastSpread * mean_spread + 1e-9));
  return out;
}

/// Factors a symmetric positive matrix [n, n] into its lower triangle times that transposed, in place (Cholesky).
void factor(std::vector<float>& matrix, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double rest = static_cast<double>(matrix[i * n + j]) - dot(&matrix[i * n], &matrix[j * n], j);
      matrix[i * n + j] =
          static_cast<float>(i == j ? std::sqrt(std::max(rest, 1e-9)) : rest / static_cast<double>(matrix[j * n + j]));
    }
}
/// Solves with the lower triangle, in place.
void solve(const std::vector<float>& lower, std::size_t n, float* values) {
  for (std::size_t i = 0; i < n; ++i)
    values[i] = static_cast<float>((static_cast<double>(values[i]) - dot(&lower[i * n], values, i)) /
                                   static_cast<double>(lower[i * n + i]));
}

/// Returns for each picture what the others predict, about −1 for good and 1 for anomalous.
std::vector<double> predict_left_out(Features features, const std::vector<bool>& is_anomalous, std::size_t anomalies) {
  const auto count = features.count, width = features.width;
  std::vector<double> weights(count);  // Their sum is the number of pictures.
  for (std::size_t i = 0; i < count; ++i)
    weights[i] =
        0.5 * static_cast<double>(count) / static_cast<double>(is_anomalous[i] ? anomalies : count - anomalies);
  std::vector<double> mean(width);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t f = 0; f < width; ++f)
      mean[f] += weights[i] * static_cast<double>(features.row(i)[f]) / static_cast<double>(count);
  std::vector<float> gram(width * width), target(width);
  for (std::size_t i = 0; i < count; ++i) {
    float* row = features.values.data() + i * width;
    const double root = std::sqrt(weights[i]);
    for (std::size_t f = 0; f < width; ++f) row[f] = static_cast<float>(root * (static_cast<double>(row[f]) - mean[f]));
    for (std::size_t f = 0; f < width; ++f) add_scaled(&gram[f * width], row, row[f], f + 1);
    add_scaled(target.data(), row, static_cast<float>(is_anomalous[i] ? root : -root), width);
  }
  double trace = 0;
  for (std::size_t f = 0; f < width; ++f) trace += static_cast<double>(gram[f * width + f]);
  for (std::size_t f = 0; f < width; ++f)
    gram[f * width + f] += static_cast<float>(kPenalty * trace / static_cast<double>(count));
  factor(gram, width);
  solve(gram, width, target.data());
  std::vector<double> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    float* row = features.values.data() + i * width;
    solve(gram, width, row);
    const double root = std::sqrt(weights[i]), label = is_anomalous[i] ? root : -root;
    const double leverage = dot(row, row, width) + weights[i] / static_cast<double>(count);
    const double fitted = dot(row, target.data(), width);
    out[i] = (label - (label - fitted) / std::max(1e-3, 1 - leverage)) / root;
  }
  return out;
}

/// Returns the share of pairs of a good and an anomalous picture that the predictions put in order, without some
/// pictures.
double area_under_curve(const std::vector<double>& predictions, const std::vector<bool>& is_anomalous,
                        const std::vector<bool>& is_left_out) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < predictions.size(); ++i)
    if (!is_left_out[i]) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return predictions[a] < predictions[b]; });
  double good = 0, anomalies = 0, pairs = 0;
  for (const auto i : order) {
    if (is_anomalous[i])
      pairs += good, ++anomalies;
    else
      ++good;
  }
  return good > 0 && anomalies > 0 ? pairs / (good * anomalies) : 0;
}

/// Returns the value below which a share of the predictions for one label lies.
double quantile_of(const std::vector<double>& predictions, const std::vector<bool>& is_anomalous, bool label,
                   double share) {
  std::vector<double> chosen;
  for (std::size_t i = 0; i < predictions.size(); ++i)
    if (is_anomalous[i] == label) chosen.push_back(predictions[i]);
  const auto rank = std::min(static_cast<std::size_t>(share * static_cast<double>(chosen.size())), chosen.size() - 1);
  const auto at = chosen.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(chosen.begin(), at, chosen.end());
  return *at;
}

/// Returns the places of the pictures that look most like one, the nearest first. Copies of it are not among them.
std::vector<std::size_t> neighbours_of(std::size_t place, const Features& features, const Likeness& likeness,
                                       const std::vector<std::size_t>& usable) {
  std::vector<std::pair<double, std::size_t>> distances;
  const float* one = features.row(place);
  const double own = dot(one, one, features.width);
  for (std::size_t i = 0; i < features.count; ++i) {
    const auto is_copy = [&](std::size_t copy, std::size_t original) {
      return likeness.copies[copy] && likeness.copies[copy]->original == usable[original];
    };
    if (i == place || is_copy(i, place) || is_copy(place, i)) continue;
    const float* other = features.row(i);
    distances.emplace_back(own + dot(other, other, features.width) - 2 * dot(one, other, features.width), i);
  }
  const auto wanted = std::min(kNeighbours, distances.size());
  std::partial_sort(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(wanted), distances.end());
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < wanted; ++i) out.push_back(distances[i].second);
  return out;
}

}  // namespace

void find_contradictions(const Pictures& pictures, const std::vector<std::size_t>& usable, const Likeness& likeness,
                         std::vector<Finding>& out) {
  std::vector<bool> is_anomalous;
  for (const auto p : usable) is_anomalous.push_back(pictures[p].is_anomalous);
  const auto anomalies = static_cast<std::size_t>(std::count(is_anomalous.begin(), is_anomalous.end(), true));
  if (anomalies < kLeastPictures || usable.size() - anomalies < kLeastPictures) return;
  const auto features = standardized(pictures, usable);
  const auto predictions = predict_left_out(features, is_anomalous, anomalies);
  const double plainly_good = std::min(quantile_of(predictions, is_anomalous, false, 1 - kPlainGood), 0.0),
               plainly_anomalous = std::max(quantile_of(predictions, is_anomalous, true, kPlainAnomalies), 0.0);
  std::vector<bool> is_doubted(usable.size());
  std::vector<Finding> found;
  for (std::size_t i = 0; i < usable.size(); ++i) {
    if (is_anomalous[i] ? predictions[i] > plainly_good : predictions[i] < plainly_anomalous) continue;
    if (likeness.copies[i] && likeness.copies[i]->has_other_label) continue;  // It is told as such.
    const auto& picture = pictures[usable[i]];
    if (picture.mask && !picture.mask->labels.empty()) continue;  // Somebody saw the anomaly, and drew it.
    const auto neighbours = neighbours_of(i, features, likeness, usable);
    std::size_t opposed = 0;
    std::optional<std::size_t> nearest;
    for (const auto n : neighbours) {
      if (is_anomalous[n] == is_anomalous[i]) continue;
      ++opposed;
      if (!nearest) nearest = usable[n];
    }
    if (opposed < (is_anomalous[i] ? kLeastGood : kLeastAnomalies)) continue;
    is_doubted[i] = true;
    found.push_back({FindingKind::contradicted_label, usable[i], nearest, picture.is_test,
                     fmt::format("It is labelled {}, but {} of the {} pictures that look most like it are labelled {}.",
                                 is_anomalous[i] ? "as an anomaly" : "normal", opposed, neighbours.size(),
                                 is_anomalous[i] ? "normal" : "as anomalies")});
  }
  if (area_under_curve(predictions, is_anomalous, is_doubted) >= kLeastArea)
    std::move(found.begin(), found.end(), std::back_inserter(out));
}

}  // namespace vedette::dataset_check
