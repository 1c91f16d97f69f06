#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace vedette {

/// Gaussian of `sigma` pixels in place, edges replicated, by three box filters each way (Wells, PAMI 1986). [height, width].
void gaussian_blur(float* plane, std::int64_t height, std::int64_t width, double sigma);

/// Takes uneven light and contrast from a plane of values 0 … 1: (x − mean) / (deviation + 0.05) over a Gaussian
/// neighbourhood of `sigma` pixels. [height, width] → same; in and out may not overlap. Most results lie in −3 … 3.
/// From sigma 16 on, with sides that are multiples of 4, mean and deviation are taken at every fourth pixel and interpolated.
void normalize_light(const float* in, float* out, std::int64_t height, std::int64_t width, double sigma);

/// The steps of normalize_light for one plane, for whoever has threads: each step needs the one before done everywhere, its calls may run
/// side by side if their rows of cells do not overlap.
class LocalLight {
 public:
  static constexpr int kMaps = 2;
  LocalLight(std::int64_t height, std::int64_t width, double sigma);
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  void sum(const float* in, std::int64_t first, std::int64_t end);
  void smooth(int map);
  void apply(const float* in, float* out, std::int64_t first, std::int64_t end) const;

 private:
  std::int64_t cell_, rows_, columns_;
  double sigma_;                                 // in cells
  std::array<std::vector<float>, kMaps> means_;  // [rows, columns] of values and of their squares
};

}  // namespace vedette
