#include "vision/image/light.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vedette {
namespace {

/// Mean over a window of 2·radius + 1 along one axis, edges replicated, by running sums.
void box_filter(const float* in, float* out, std::int64_t length, std::int64_t stride, std::int64_t radius) {
  double sum = 0;
  const auto at = [&](std::int64_t i) { return in[std::clamp<std::int64_t>(i, 0, length - 1) * stride]; };
  for (std::int64_t i = -radius; i <= radius; ++i) sum += at(i);
  const double scale = 1.0 / static_cast<double>(2 * radius + 1);
  for (std::int64_t i = 0; i < length; ++i) {
    out[i * stride] = static_cast<float>(sum * scale);
    sum += at(i + radius + 1) - at(i - radius);
  }
}

/// The same down the columns of a plane, row by row so that memory is read in order.
void box_filter_columns(const float* in, float* out, std::int64_t height, std::int64_t width, std::int64_t radius,
                        std::vector<double>& sum) {
  sum.assign(static_cast<std::size_t>(width), 0.0);
  const auto row = [&](std::int64_t y) { return in + std::clamp<std::int64_t>(y, 0, height - 1) * width; };
  for (std::int64_t i = -radius; i <= radius; ++i)
    for (std::int64_t x = 0; x < width; ++x) sum[static_cast<std::size_t>(x)] += row(i)[x];
  const double scale = 1.0 / static_cast<double>(2 * radius + 1);
  for (std::int64_t y = 0; y < height; ++y) {
    const float* enter = row(y + radius + 1);
    const float* leave = row(y - radius);
    for (std::int64_t x = 0; x < width; ++x) {
      out[y * width + x] = static_cast<float>(sum[static_cast<std::size_t>(x)] * scale);
      sum[static_cast<std::size_t>(x)] += static_cast<double>(enter[x]) - leave[x];
    }
  }
}

void box_plane(float* plane, float* scratch, std::int64_t height, std::int64_t width, std::int64_t radius,
               std::vector<double>& sum) {
  for (std::int64_t y = 0; y < height; ++y) box_filter(plane + y * width, scratch + y * width, width, 1, radius);
  box_filter_columns(scratch, plane, height, width, radius, sum);
}

/// Gaussian by three box filters (Wells, PAMI 1986): the variance of three boxes of radius r is r(r+1).
void gaussian_plane(float* plane, float* scratch, std::int64_t height, std::int64_t width, double sigma,
                    std::vector<double>& sum) {
  const auto radius = std::max<std::int64_t>(1, std::llround(0.5 * (std::sqrt(4.0 * sigma * sigma + 1.0) - 1.0)));
  for (int pass = 0; pass < 3; ++pass) box_plane(plane, scratch, height, width, radius, sum);
}

}  // namespace

void gaussian_blur(float* plane, std::int64_t height, std::int64_t width, double sigma) {
  std::vector<float> scratch(static_cast<std::size_t>(height * width));
  std::vector<double> sum;
  gaussian_plane(plane, scratch.data(), height, width, sigma, sum);
}

void normalize_light(const float* in, float* out, std::int64_t height, std::int64_t width, double sigma) {
  const auto plane = static_cast<std::size_t>(height * width);
  std::vector<float> mean(in, in + plane), square(plane), scratch(plane);
  std::vector<double> sum;
  for (std::size_t i = 0; i < plane; ++i) square[i] = in[i] * in[i];
  gaussian_plane(mean.data(), scratch.data(), height, width, sigma, sum);
  gaussian_plane(square.data(), scratch.data(), height, width, sigma, sum);
  for (std::size_t i = 0; i < plane; ++i) {
    // The floor keeps sensor noise on flat areas from being blown up to full contrast.
    const float deviation = std::sqrt(std::max(0.0F, square[i] - mean[i] * mean[i]));
    out[i] = (in[i] - mean[i]) / (deviation + 0.05F);
  }
}

}  // namespace vedette
