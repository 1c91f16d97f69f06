#pragma once

#include <cstdint>

namespace vedette {

/// Returns the squared Euclidean distance of two rows of n numbers.
float squared_distance(const float* a, const float* b, std::int64_t n);

}  // namespace vedette
