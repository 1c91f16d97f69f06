#pragma once

#include "training/training.hpp"

namespace vedette {

/// The least numbers of usable pictures with which the service trains a model: the original's. One dataset must serve
/// for training and test if there is no test dataset, and then needs more.
constexpr MinimumCounts minimum_counts(bool has_test_dataset) {
  return has_test_dataset ? MinimumCounts{10, 0, 10, 10, 10} : MinimumCounts{20, 10, 20, 0, 0};
}

}  // namespace vedette
