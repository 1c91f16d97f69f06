#include "vision/image/light.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vedette {
namespace {

constexpr std::int64_t kCell = 4;    // pixels
constexpr double kSmoothSigma = 16;  // from here on statistics of cells are as good as those of pixels

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
  // The neighbourhood is so smooth that its mean and deviation at every fourth pixel tell all others.
  const std::int64_t cell = sigma >= kSmoothSigma && height % kCell == 0 && width % kCell == 0 ? kCell : 1;
  const auto rows = height / cell, columns = width / cell;
  const auto cells = static_cast<std::size_t>(rows * columns);
  std::vector<float> mean(cells), gain(cells), scratch(cells);
  const auto share = 1.0F / static_cast<float>(cell * cell);
  for (std::int64_t y = 0; y < height; ++y) {
    const float* row = in + y * width;
    float* sums = mean.data() + y / cell * columns;
    float* squares = gain.data() + y / cell * columns;
    for (std::int64_t x = 0; x < columns; ++x)
      for (std::int64_t k = 0; k < cell; ++k) {
        const float v = row[x * cell + k];
        sums[x] += share * v;
        squares[x] += share * v * v;
      }
  }
  std::vector<double> sum;
  const double cell_sigma = sigma / static_cast<double>(cell);
  gaussian_plane(mean.data(), scratch.data(), rows, columns, cell_sigma, sum);
  gaussian_plane(gain.data(), scratch.data(), rows, columns, cell_sigma, sum);
  for (std::size_t i = 0; i < cells; ++i)
    // The floor keeps sensor noise on flat areas from being blown up to full contrast.
    gain[i] = 1 / (std::sqrt(std::max(0.0F, gain[i] - mean[i] * mean[i])) + 0.05F);
  if (cell == 1) {
    for (std::size_t i = 0; i < cells; ++i) out[i] = (in[i] - mean[i]) * gain[i];
    return;
  }
  // Bilinear between cell centres, which lie at (kCell − 1) / 2 + n · kCell; edges replicated.
  const auto place = [](std::int64_t pixel, std::int64_t count, std::int64_t& low, std::int64_t& high) {
    const double at = (static_cast<double>(pixel) + 0.5) / kCell - 0.5;
    const auto below = static_cast<std::int64_t>(std::floor(at));
    low = std::clamp<std::int64_t>(below, 0, count - 1);
    high = std::clamp<std::int64_t>(below + 1, 0, count - 1);
    return static_cast<float>(at - static_cast<double>(below));
  };
  // A row of both, between two rows of cells, with the first and last cell repeated.
  std::vector<float> mean_row(static_cast<std::size_t>(columns + 2)), gain_row(mean_row.size());
  float phase[kCell];
  for (std::int64_t k = 0; k < kCell; ++k) phase[k] = (static_cast<float>(k) + 0.5F) / kCell;
  for (std::int64_t y = 0; y < height; ++y) {
    std::int64_t low = 0, high = 0;
    const float share_high = place(y, rows, low, high);
    for (std::int64_t x = 0; x < columns; ++x) {
      const auto i = static_cast<std::size_t>(x + 1);
      const auto a = static_cast<std::size_t>(low * columns + x), b = static_cast<std::size_t>(high * columns + x);
      mean_row[i] = mean[a] + share_high * (mean[b] - mean[a]);
      gain_row[i] = gain[a] + share_high * (gain[b] - gain[a]);
    }
    mean_row.front() = mean_row[1], gain_row.front() = gain_row[1];
    mean_row.back() = mean_row[mean_row.size() - 2], gain_row.back() = gain_row[gain_row.size() - 2];
    const float* from = in + y * width;
    float* to = out + y * width;
    // Pixels between the centres of neighbouring cells: the last half of one cell and the first of the next.
    constexpr std::int64_t half = kCell / 2;
    for (std::int64_t x = 0; x <= columns; ++x) {
      const auto i = static_cast<std::size_t>(x);
      const float m = mean_row[i], dm = mean_row[i + 1] - m, g = gain_row[i], dg = gain_row[i + 1] - g;
      for (std::int64_t k = 0; k < kCell; ++k) {
        const auto p = x * kCell - half + k;
        if (p < 0 || p >= width) continue;
        to[p] = (from[p] - m - phase[k] * dm) * (g + phase[k] * dg);
      }
    }
  }
}

}  // namespace vedette
