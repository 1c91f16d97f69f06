#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace vedette {

/// Blurs a plane [height, width] in place with a Gaussian of `sigma` pixels. Edges are replicated. The method is three
/// box filters each way (Wells, PAMI 1986).
void gaussian_blur(float* plane, std::int64_t height, std::int64_t width, double sigma);

/// Removes uneven light and contrast from a plane of values 0 … 1: the result is (x − mean) / (deviation + 0.05) over a
/// Gaussian neighbourhood of `sigma` pixels. Both planes are [height, width] and must not overlap. Most results lie in
/// −3 … 3. If sigma is 16 or more and the sides are multiples of 4, mean and deviation are taken at every fourth pixel
/// and interpolated.
void normalize_light(const float* in, float* out, std::int64_t height, std::int64_t width, double sigma);

/// The steps of normalize_light() for one plane, for callers that have threads. Each step needs the step before done
/// everywhere. Calls of one step may run side by side if their rows of cells do not overlap.
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
  std::array<std::vector<float>, kMaps> means_;  // [rows, columns] of the means of values and of their squares
};

}  // namespace vedette
