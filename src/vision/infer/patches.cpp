// The operation that compares small patches of pixels with those of good pictures: `patch_mixture`.

#include <dnnl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "base/target_clones.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

/// Returns the place of the largest value, or 0 if none is a number.
std::int64_t place_of_largest(const float* values, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i)
    if (values[i] > values[best]) best = i;
  return best;
}

/// Adds row · basis to `sums` [columns]; basis is [channels, columns].
VEDETTE_TARGET_CLONES void add_products(const float* __restrict row, const float* __restrict basis,
                                        std::int64_t channels, std::int64_t columns, float* __restrict sums) {
  std::int64_t first = 0;
  for (; first + 4 * kLanes <= columns; first += 4 * kLanes) {
    Lanes a = {}, b = {}, c = {}, d = {};
    for (std::int64_t k = 0; k < channels; ++k) {
      const float* at = basis + k * columns + first;
      Lanes v, w, x, y;
      std::memcpy(&v, at, sizeof(v));
      std::memcpy(&w, at + kLanes, sizeof(w));
      std::memcpy(&x, at + 2 * kLanes, sizeof(x));
      std::memcpy(&y, at + 3 * kLanes, sizeof(y));
      a += row[k] * v;
      b += row[k] * w;
      c += row[k] * x;
      d += row[k] * y;
    }
    std::memcpy(sums + first, &a, sizeof(a));
    std::memcpy(sums + first + kLanes, &b, sizeof(b));
    std::memcpy(sums + first + 2 * kLanes, &c, sizeof(c));
    std::memcpy(sums + first + 3 * kLanes, &d, sizeof(d));
  }
  for (; first < columns; ++first) {
    float sum = 0;
    for (std::int64_t k = 0; k < channels; ++k) sum += row[k] * basis[k * columns + first];
    sums[first] = sum;
  }
}

/// Returns a · b with a [rows, inner] and b [inner, columns].
void multiply(const float* a, const float* b, float* out, std::int64_t rows, std::int64_t inner, std::int64_t columns) {
  if (dnnl_sgemm('N', 'N', rows, columns, inner, 1, a, inner, b, columns, 0, out, columns) != dnnl_success)
    throw std::bad_alloc();
}

}  // namespace

void Planner::patch_mixture(const Node& node) {
  const auto& in = input(node, 3);
  const auto side = integer(node, "side", 2, 16), stride = integer(node, "stride", 1, 16), channels = side * side;
  if (in.shape[0] != 1 || in.shape[1] < side || in.shape[2] < side)
    throw PlanFailure{node.output + " needs one channel that is larger than a patch"};
  const auto& centers = tensor(node, "centers", {-1, channels});
  const auto clusters = centers.size(0);
  const auto& whitening = tensor(node, "whitening", {channels, channels});
  const auto& weight = tensor(node, "weight", {clusters, -1});
  const auto folds = weight.size(1);
  const auto& scale = tensor(node, "scale", {clusters, folds});
  const auto& offset = tensor(node, "offset", {clusters, folds});
  const auto& basis = tensor(node, "basis", {clusters, channels, -1});
  const auto columns = basis.size(2);
  if (clusters < 1 || folds < 1 || columns < 1 || columns % folds != 0)
    throw PlanFailure{node.output + " has tensors that do not fit each other"};
  const auto rank = columns / folds, width = in.shape[2];
  auto& out = make_output(node, {folds, (in.shape[1] - side) / stride + 1, (width - side) / stride + 1});
  const auto height_out = out.shape[1], width_out = out.shape[2];
  // The nearest center has the largest x · c − |c|² / 2.
  auto products = std::make_shared<std::vector<float>>(static_cast<std::size_t>(channels * clusters));
  auto half_squares = std::make_shared<std::vector<float>>(static_cast<std::size_t>(clusters));
  for (std::int64_t k = 0; k < clusters; ++k)
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = centers.data()[k * channels + c];
      (*products)[static_cast<std::size_t>(c * clusters + k)] = value;
      (*half_squares)[static_cast<std::size_t>(k)] += 0.5F * value * value;
    }
  add_step(
      [&in, &out, products, half_squares, centers, whitening, weight, scale, offset, basis, side, stride, channels,
       clusters, folds, columns, rank, width, height_out, width_out] {
#pragma omp parallel for schedule(dynamic, 4)
        for (std::int64_t y = 0; y < height_out; ++y) {
          std::vector<float> patches(static_cast<std::size_t>(width_out * channels)),
              white(static_cast<std::size_t>(width_out * channels)),
              likeness(static_cast<std::size_t>(width_out * clusters)), along(static_cast<std::size_t>(columns));
          std::vector<std::int64_t> nearest(static_cast<std::size_t>(width_out));
          for (std::int64_t x = 0; x < width_out; ++x)
            for (std::int64_t r = 0; r < side; ++r)
              std::copy_n(in.data.data() + (y * stride + r) * width + x * stride, side,
                          patches.data() + x * channels + r * side);
          multiply(patches.data(), products->data(), likeness.data(), width_out, channels, clusters);
          for (std::int64_t x = 0; x < width_out; ++x) {
            float* row = likeness.data() + x * clusters;
            for (std::int64_t k = 0; k < clusters; ++k) row[k] -= (*half_squares)[static_cast<std::size_t>(k)];
            const auto k = place_of_largest(row, clusters);
            nearest[static_cast<std::size_t>(x)] = k;
            for (std::int64_t c = 0; c < channels; ++c)
              patches[static_cast<std::size_t>(x * channels + c)] -= centers.data()[k * channels + c];
          }
          multiply(patches.data(), whitening.data(), white.data(), width_out, channels, channels);
          for (std::int64_t x = 0; x < width_out; ++x) {
            const float* e = white.data() + x * channels;
            const auto k = nearest[static_cast<std::size_t>(x)];
            float norm = 0;
            for (std::int64_t c = 0; c < channels; ++c) norm += e[c] * e[c];
            add_products(e, basis.data() + k * channels * columns, channels, columns, along.data());
            for (std::int64_t f = 0; f < folds; ++f) {
              float explained = 0;
              for (std::int64_t r = f * rank; r < (f + 1) * rank; ++r)
                explained += along[static_cast<std::size_t>(r)] * along[static_cast<std::size_t>(r)];
              const auto at = k * folds + f;
              const float distance =
                  std::sqrt(std::max(0.0F, weight.data()[at] * norm - explained) / static_cast<float>(channels));
              out.data[static_cast<std::size_t>((f * height_out + y) * width_out + x)] =
                  std::max(0.0F, offset.data()[at] + scale.data()[at] * distance);
            }
          }
        }
      },
      2.0 * static_cast<double>(height_out * width_out * channels) *
          static_cast<double>(clusters + channels + columns));
}

}  // namespace vedette
