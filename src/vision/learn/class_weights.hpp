#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace vedette {

/// Weights with which both classes count alike, and which sum to 1 over all pictures if both are present.
struct ClassWeights {
  double normal, anomaly;
  explicit ClassWeights(std::span<const std::uint8_t> labels) {
    const auto a = static_cast<double>(std::count_if(labels.begin(), labels.end(), [](auto l) { return l != 0; }));
    const auto n = static_cast<double>(labels.size()) - a;
    normal = n > 0 ? 0.5 / n : 0;
    anomaly = a > 0 ? 0.5 / a : 0;
  }
  [[nodiscard]] double of(std::uint8_t label) const { return label ? anomaly : normal; }
};

inline bool has_both_classes(std::span<const std::uint8_t> labels) {
  return std::count(labels.begin(), labels.end(), 0) > 0 &&
         std::any_of(labels.begin(), labels.end(), [](auto l) { return l != 0; });
}

}  // namespace vedette
