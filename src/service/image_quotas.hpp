#pragma once

#include <cstdint>

namespace vedette {

/// Says how many pictures datasets and trainings may have. The defaults are the limits that the original service
/// published.
struct ImageQuotas {
  std::int64_t train = 16'000, test = 4'000;
  std::int64_t segmentation_train = 8'000, segmentation_test = 800;  ///< checked when a model is trained
};

}  // namespace vedette
