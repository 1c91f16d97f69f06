// The operation `edge_energies`: how much edge of each direction and scale a cell has.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/target_clones.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kOctaves = 4;   // Each sees the picture at half the size of the one before.
constexpr std::int64_t kEnergies = 5;  // four directions, and the difference from the neighbourhood
constexpr std::int64_t kColors = 2;    // red − green and blue − green
constexpr std::int64_t kNumbers = kOctaves * kEnergies + kColors;
constexpr std::int64_t kRow = 2 * kNumbers;  // a cell and its neighbourhood
constexpr float kLeastEnergy = 1e-3F;        // What a picture without any edge is divided by.
constexpr float kDiagonal = 0.70710678F;     // A step along a diagonal is so much smaller in each direction.

/// Smooths a row with the binomial kernel 1 4 6 4 1, whose variance is 1 (Burt & Adelson 1983). The ends are replicated.
VEDETTE_TARGET_CLONES void smooth_row(const float* in, float* __restrict out, std::int64_t width) {
  const auto at = [&](std::int64_t x) { return in[std::clamp<std::int64_t>(x, 0, width - 1)]; };
  const auto slow = [&](std::int64_t x) {
    return 0.0625F * (at(x - 2) + at(x + 2)) + 0.25F * (at(x - 1) + at(x + 1)) + 0.375F * at(x);
  };
  const auto inner = std::max<std::int64_t>(width - 2, 2);
  for (std::int64_t x = 0; x < std::min<std::int64_t>(2, width); ++x) out[x] = slow(x);
  for (std::int64_t x = 2; x < inner; ++x)
    out[x] = 0.0625F * (in[x - 2] + in[x + 2]) + 0.25F * (in[x - 1] + in[x + 1]) + 0.375F * in[x];
  for (std::int64_t x = inner; x < width; ++x) out[x] = slow(x);
}

VEDETTE_TARGET_CLONES void smooth_column(const std::array<const float*, 5>& rows, float* __restrict out,
                                         std::int64_t width) {
  const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3], *e = rows[4];
  for (std::int64_t x = 0; x < width; ++x) out[x] = 0.0625F * (a[x] + e[x]) + 0.25F * (b[x] + d[x]) + 0.375F * c[x];
}

/// Adds the energies of a row of pixels to `sums` [kEnergies, width]. `above` and `below` are the rows beside `row`.
VEDETTE_TARGET_CLONES void add_energies(const float* picture, const float* above, const float* row, const float* below,
                                        const float* smoother, float* __restrict sums, std::int64_t width) {
  const auto add = [&](std::int64_t x, std::int64_t left, std::int64_t right) {
    const float across = row[right] - row[left], down = below[x] - above[x];
    sums[x] += std::abs(across);
    sums[width + x] += std::abs(down);
    sums[2 * width + x] += kDiagonal * std::abs(across + down);
    sums[3 * width + x] += kDiagonal * std::abs(across - down);
    sums[4 * width + x] += std::abs(picture[x] - smoother[x]);
  };
  add(0, 0, std::min<std::int64_t>(1, width - 1));
  for (std::int64_t x = 1; x < width - 1; ++x) add(x, x - 1, x + 1);
  if (width > 1) add(width - 1, width - 2, width - 1);
}

VEDETTE_TARGET_CLONES void halve_row(const float* above, const float* below, float* __restrict out,
                                     std::int64_t width) {
  for (std::int64_t x = 0; x < width; ++x)
    out[x] = 0.25F * (above[2 * x] + above[2 * x + 1] + below[2 * x] + below[2 * x + 1]);
}

/// Smooths a plane; `scratch` has its size.
void smooth_plane(const float* in, float* scratch, float* out, std::int64_t height, std::int64_t width) {
#pragma omp parallel for
  for (std::int64_t y = 0; y < height; ++y) smooth_row(in + y * width, scratch + y * width, width);
#pragma omp parallel for
  for (std::int64_t y = 0; y < height; ++y) {
    std::array<const float*, 5> rows{};
    for (std::int64_t k = 0; k < 5; ++k)
      rows[static_cast<std::size_t>(k)] = scratch + std::clamp<std::int64_t>(y + k - 2, 0, height - 1) * width;
    smooth_column(rows, out + y * width, width);
  }
}

/// Takes the mean of each cell of `cell` × `cell` pixels of one row of cells. Writes the values of a cell's channel to
/// out[cell · stride].
void mean_of_cells(const float* sums, std::int64_t cells, std::int64_t cell, float* out, std::int64_t stride) {
  const float share = 1 / static_cast<float>(cell * cell);
  for (std::int64_t c = 0; c < cells; ++c) {
    float sum = 0;
    for (std::int64_t x = c * cell; x < (c + 1) * cell; ++x) sum += sums[x];
    out[c * stride] = share * sum;
  }
}

}  // namespace

void Planner::edge_energies(const Node& node) {
  const auto& in = input(node, 3);
  const auto height = in.shape[1], width = in.shape[2];
  const auto cell = integer(node, "cell", 1 << (kOctaves - 1), 4096);
  if (in.shape[0] != 3 || cell % (1 << (kOctaves - 1)) != 0 || height % cell != 0 || width % cell != 0)
    throw PlanFailure{node.output + " needs a picture of three channels that cells divide"};
  const auto rows = height / cell, columns = width / cell;
  const auto plane = static_cast<std::size_t>(height * width);
  auto& out = make_output(node, {rows * columns, kRow});
  std::array<float*, 4> planes{};
  for (auto& p : planes) p = buffer(kTransient, plane * sizeof(float));
  add_step([&in, &out, planes, height, width, cell, rows, columns, plane] {
    float *picture = planes[0], *smooth = planes[1], *smoother = planes[2], *scratch = planes[3];
    const float *red = in.data.data(), *green = red + plane, *blue = green + plane;
#pragma omp parallel for
    for (std::size_t i = 0; i < plane; ++i) picture[i] = (red[i] + green[i] + blue[i]) * (1.0F / 3);
    for (std::int64_t octave = 0; octave < kOctaves; ++octave) {
      const auto h = height >> octave, w = width >> octave, side = cell >> octave;
      smooth_plane(picture, scratch, smooth, h, w);
      smooth_plane(smooth, scratch, smoother, h, w);
#pragma omp parallel for
      for (std::int64_t r = 0; r < rows; ++r) {
        std::vector<float> sums(static_cast<std::size_t>(kEnergies * w));
        for (std::int64_t y = r * side; y < (r + 1) * side; ++y)
          add_energies(picture + y * w, smooth + std::max<std::int64_t>(y - 1, 0) * w, smooth + y * w,
                       smooth + std::min(y + 1, h - 1) * w, smoother + y * w, sums.data(), w);
        for (std::int64_t e = 0; e < kEnergies; ++e)
          mean_of_cells(sums.data() + e * w, columns, side,
                        out.data.data() + r * columns * kRow + octave * kEnergies + e, kRow);
      }
      if (octave + 1 == kOctaves) break;
#pragma omp parallel for
      for (std::int64_t y = 0; y < h / 2; ++y)
        halve_row(smooth + 2 * y * w, smooth + (2 * y + 1) * w, picture + y * (w / 2), w / 2);
    }
#pragma omp parallel for
    for (std::int64_t r = 0; r < rows; ++r) {
      std::vector<float> sums(static_cast<std::size_t>(kColors * width));
      for (std::int64_t y = r * cell; y < (r + 1) * cell; ++y)
        for (std::int64_t x = 0; x < width; ++x) {
          const auto i = y * width + x;
          sums[static_cast<std::size_t>(x)] += red[i] - green[i];
          sums[static_cast<std::size_t>(width + x)] += blue[i] - green[i];
        }
      for (std::int64_t c = 0; c < kColors; ++c)
        mean_of_cells(sums.data() + c * width, columns, cell,
                      out.data.data() + r * columns * kRow + kOctaves * kEnergies + c, kRow);
    }
    const auto cells = rows * columns;
    for (std::int64_t e = 0; e < kOctaves * kEnergies; ++e) {
      double sum = 0;
      for (std::int64_t i = 0; i < cells; ++i) sum += out.data[static_cast<std::size_t>(i * kRow + e)];
      const float share = 1 / (static_cast<float>(sum / static_cast<double>(cells)) + kLeastEnergy);
      for (std::int64_t i = 0; i < cells; ++i) out.data[static_cast<std::size_t>(i * kRow + e)] *= share;
    }
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        float* wide = out.data.data() + (r * columns + c) * kRow + kNumbers;
        std::fill_n(wide, kNumbers, 0.0F);
        float count = 0;
        for (auto y = std::max<std::int64_t>(r - 1, 0); y <= std::min(r + 1, rows - 1); ++y)
          for (auto x = std::max<std::int64_t>(c - 1, 0); x <= std::min(c + 1, columns - 1); ++x, count += 1) {
            const float* own = out.data.data() + (y * columns + x) * kRow;
            for (std::int64_t n = 0; n < kNumbers; ++n) wide[n] += own[n];
          }
        for (std::int64_t n = 0; n < kNumbers; ++n) wide[n] /= count;
      }
  });
}

}  // namespace vedette
