#pragma once

#include <cstdint>

namespace vedette {

/// How many pictures datasets and trainings may have: the original's published limits unless configured.
struct ImageQuotas {
  std::int64_t train = 16'000, test = 4'000;
  std::int64_t segmentation_train = 8'000, segmentation_test = 800;  ///< checked when a model is trained
};

}  // namespace vedette
