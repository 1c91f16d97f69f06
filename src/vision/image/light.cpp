#include "vision/image/light.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/target_clones.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kCell = 4;    // The side of a cell, in pixels.
constexpr double kSmoothSigma = 16;  // From this sigma on, statistics of cells are as good as those of pixels.

/// Takes the mean over a window of 2·radius + 1 along kCount rows at once, by running sums; edges are replicated.
/// Several rows are worked on side by side, since each sum waits for the one before.
template <int kCount>
void box_filter(const float* in, float* out, std::int64_t length, std::int64_t radius) {
  double sums[kCount] = {};
  const auto at = [&](int row, std::int64_t i) {
    return in[row * length + std::clamp<std::int64_t>(i, 0, length - 1)];
  };
  for (std::int64_t i = -radius; i <= radius; ++i)
    for (int row = 0; row < kCount; ++row) sums[row] += at(row, i);
  const double scale = 1.0 / static_cast<double>(2 * radius + 1);
  for (std::int64_t i = 0; i < length; ++i) {
    const auto enter = std::min(i + radius + 1, length - 1), leave = std::max<std::int64_t>(i - radius, 0);
    for (int row = 0; row < kCount; ++row) {
      out[row * length + i] = static_cast<float>(sums[row] * scale);
      sums[row] += in[row * length + enter] - in[row * length + leave];
    }
  }
}

/// Does the same down the columns of a plane, row by row so that memory is read in order.
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
  constexpr int side_by_side = 8;
  std::int64_t y = 0;
  for (; y + side_by_side <= height; y += side_by_side)
    box_filter<side_by_side>(plane + y * width, scratch + y * width, width, radius);
  for (; y < height; ++y) box_filter<1>(plane + y * width, scratch + y * width, width, radius);
  box_filter_columns(scratch, plane, height, width, radius, sum);
}

/// Approximates a Gaussian by three box filters (Wells, PAMI 1986): the variance of three boxes of radius r is r(r+1).
void gaussian_plane(float* plane, float* scratch, std::int64_t height, std::int64_t width, double sigma,
                    std::vector<double>& sum) {
  const auto radius = std::max<std::int64_t>(1, std::llround(0.5 * (std::sqrt(4.0 * sigma * sigma + 1.0) - 1.0)));
  for (int pass = 0; pass < 3; ++pass) box_plane(plane, scratch, height, width, radius, sum);
}

/// Computes the means of the cells' values and of their squares.
VEDETTE_TARGET_CLONES void sum_cells(const float* rows, std::int64_t columns, float* __restrict sums,
                                     float* __restrict squares) {
  constexpr float share = 1.0F / (kCell * kCell);
  for (std::int64_t x = 0; x < columns; ++x) {
    float sum = 0, square = 0;
    for (int dy = 0; dy < kCell; ++dy)
      for (int dx = 0; dx < kCell; ++dx) {
        const float v = rows[(dy * columns + x) * kCell + dx];
        sum += v, square += v * v;
      }
    sums[x] = share * sum;
    squares[x] = share * square;
  }
}

VEDETTE_TARGET_CLONES void light_of_row(const float* means, const float* squares, std::int64_t count,
                                        float* __restrict mean, float* __restrict gain) {
  for (std::int64_t i = 0; i < count; ++i) {
    mean[i] = means[i];
    const float variance = squares[i] - means[i] * means[i];
    // The floor keeps sensor noise on flat areas from being blown up to full contrast.
    gain[i] = 1 / (std::sqrt(variance > 0 ? variance : 0.0F) + 0.05F);
  }
}

/// Normalises a row of pixels, given mean and gain at the centres of the cells; the first and the last cell are there
/// twice.
VEDETTE_TARGET_CLONES void normalize_row(const float* in, const float* mean, const float* gain, std::int64_t columns,
                                         float* __restrict out) {
  constexpr std::int64_t half = kCell / 2;
  constexpr float phase[kCell] = {0.125F, 0.375F, 0.625F, 0.875F};
  // These pixels lie between the centres of neighbouring cells: in the last half of one cell and the first half of the
  // next.
  for (std::int64_t k = half; k < kCell; ++k) out[k - half] = (in[k - half] - mean[0]) * gain[0];
  for (std::int64_t x = 1; x < columns; ++x)
    for (std::int64_t k = 0; k < kCell; ++k) {
      const auto p = x * kCell - half + k;
      out[p] = (in[p] - mean[x] - phase[k] * (mean[x + 1] - mean[x])) * (gain[x] + phase[k] * (gain[x + 1] - gain[x]));
    }
  for (std::int64_t p = columns * kCell - half; p < columns * kCell; ++p)
    out[p] = (in[p] - mean[columns]) * gain[columns];
}

}  // namespace

void gaussian_blur(float* plane, std::int64_t height, std::int64_t width, double sigma) {
  std::vector<float> scratch(static_cast<std::size_t>(height * width));
  std::vector<double> sum;
  gaussian_plane(plane, scratch.data(), height, width, sigma, sum);
}

LocalLight::LocalLight(std::int64_t height, std::int64_t width, double sigma)
    // The neighbourhood is so smooth that mean and deviation at every fourth pixel tell those of all other pixels.
    : cell_(sigma >= kSmoothSigma && height % kCell == 0 && width % kCell == 0 ? kCell : 1),
      rows_(height / cell_),
      columns_(width / cell_),
      sigma_(sigma / static_cast<double>(cell_)) {
  for (auto& map : means_) map.resize(static_cast<std::size_t>(rows_ * columns_));
}

void LocalLight::sum(const float* in, std::int64_t first, std::int64_t end) {
  for (std::int64_t y = first; y < end; ++y) {
    float* sums = means_[0].data() + y * columns_;
    float* squares = means_[1].data() + y * columns_;
    const float* rows = in + y * cell_ * cell_ * columns_;
    if (cell_ == kCell)
      sum_cells(rows, columns_, sums, squares);
    else
      for (std::int64_t x = 0; x < columns_; ++x) sums[x] = rows[x], squares[x] = rows[x] * rows[x];
  }
}

void LocalLight::smooth(int map) {
  std::vector<float> scratch(means_[0].size());
  std::vector<double> sum;
  gaussian_plane(means_[static_cast<std::size_t>(map)].data(), scratch.data(), rows_, columns_, sigma_, sum);
}

void LocalLight::apply(const float* in, float* out, std::int64_t first, std::int64_t end) const {
  const auto size = static_cast<std::size_t>(columns_ + 2);
  // `mean` and `gain` hold two rows of cells, above and below the pixels, with the first and last cell repeated. Below,
  // values between the two rows are interpolated.
  std::array<std::vector<float>, 2> mean, gain;
  for (auto* rows : {&mean, &gain})
    for (auto& row : *rows) row.resize(size);
  std::array<std::int64_t, 2> held = {-1, -1};
  const auto hold = [&](std::size_t slot, std::int64_t row) {
    if (held[slot] == row) return;
    held[slot] = row;
    light_of_row(means_[0].data() + row * columns_, means_[1].data() + row * columns_, columns_, mean[slot].data() + 1,
                 gain[slot].data() + 1);
    for (auto* values : {&mean[slot], &gain[slot]})
      values->front() = (*values)[1], values->back() = (*values)[size - 2];
  };
  const auto width = columns_ * cell_;
  if (cell_ == 1) {
    for (std::int64_t y = first; y < end; ++y) {
      hold(0, y);
      for (std::int64_t x = 0; x < width; ++x)
        out[y * width + x] =
            (in[y * width + x] - mean[0][static_cast<std::size_t>(x + 1)]) * gain[0][static_cast<std::size_t>(x + 1)];
    }
    return;
  }
  // Values are bilinear between cell centres, which lie at (kCell − 1) / 2 + n · kCell; edges are replicated.
  std::vector<float> mean_row(size), gain_row(size);
  for (std::int64_t y = first * kCell; y < end * kCell; ++y) {
    const double at = (static_cast<double>(y) + 0.5) / kCell - 0.5;
    const auto below = static_cast<std::int64_t>(std::floor(at));
    const auto share = static_cast<float>(at - static_cast<double>(below));
    hold(0, std::clamp<std::int64_t>(below, 0, rows_ - 1));
    hold(1, std::clamp<std::int64_t>(below + 1, 0, rows_ - 1));
    for (std::size_t i = 0; i < size; ++i) {
      mean_row[i] = mean[0][i] + share * (mean[1][i] - mean[0][i]);
      gain_row[i] = gain[0][i] + share * (gain[1][i] - gain[0][i]);
    }
    normalize_row(in + y * width, mean_row.data(), gain_row.data(), columns_, out + y * width);
  }
}

void normalize_light(const float* in, float* out, std::int64_t height, std::int64_t width, double sigma) {
  LocalLight light(height, width, sigma);
  light.sum(in, 0, light.rows());
  for (int map = 0; map < LocalLight::kMaps; ++map) light.smooth(map);
  light.apply(in, out, 0, light.rows());
}

}  // namespace vedette
