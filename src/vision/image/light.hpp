#pragma once

#include <cstdint>

namespace vedette {

/// Gaussian of `sigma` pixels in place, edges replicated, by three box filters each way (Wells, PAMI 1986). [height, width].
void gaussian_blur(float* plane, std::int64_t height, std::int64_t width, double sigma);

/// Takes uneven light and contrast from a plane of values 0 … 1: (x − mean) / (deviation + 0.05) over a Gaussian
/// neighbourhood of `sigma` pixels. [height, width] → same; in and out may not overlap. Most results lie in −3 … 3.
/// From sigma 16 on, with sides that are multiples of 4, mean and deviation are taken at every fourth pixel and interpolated.
void normalize_light(const float* in, float* out, std::int64_t height, std::int64_t width, double sigma);

}  // namespace vedette
