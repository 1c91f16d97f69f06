// The operation that compares small patches of pixels with those of good pictures: `patch_mixture`.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/target_clones.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kBandRows = 8;
constexpr std::int64_t kMostClusters = 4096, kMostColumns = 16'384;

/// Finds the place of the largest value, the first one of several; 0 if none is a number.
VEDETTE_TARGET_CLONES void find_largest(const float* values, std::int64_t n, std::int64_t* place) {
  Lanes best = Lanes{} - 3.4e38F;
  IntLanes at = {}, number;
  for (int j = 0; j < kLanes; ++j) number[j] = j;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes, number += kLanes) {
    Lanes v;
    std::memcpy(&v, values + i, sizeof(v));
    const IntLanes is_better = v > best;
    best = is_better ? v : best;
    at = is_better ? number : at;
  }
  float largest = -3.4e38F;
  std::int64_t found = 0;
  for (int j = 0; j < kLanes; ++j)
    if (best[j] > largest || (best[j] == largest && at[j] < found)) largest = best[j], found = at[j];
  for (; i < n; ++i)
    if (values[i] > largest) largest = values[i], found = i;
  *place = found;
}

VEDETTE_TARGET_CLONES void sum_squares(const float* values, std::int64_t n, float* out) {
  Lanes sums = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes v;
    std::memcpy(&v, values + i, sizeof(v));
    sums += v * v;
  }
  float sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += sums[j];
  for (; i < n; ++i) sum += values[i] * values[i];
  *out = sum;
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
  // The bounds keep a hostile model from taking much memory for each patch.
  if (clusters < 1 || clusters > kMostClusters || folds < 1 || columns < 1 || columns > kMostColumns ||
      columns % folds != 0)
    throw PlanFailure{node.output + " has tensors that do not fit each other"};
  const auto rank = columns / folds, width = in.shape[2];
  auto& out = make_output(node, {folds, (in.shape[1] - side) / stride + 1, (width - side) / stride + 1});
  const auto height_out = out.shape[1], width_out = out.shape[2];
  // The nearest center has the largest x · c − |c|² / 2.
  auto half_squares = std::make_shared<std::vector<float>>(static_cast<std::size_t>(clusters));
  for (std::int64_t k = 0; k < clusters; ++k)
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = centers.data()[k * channels + c];
      (*half_squares)[static_cast<std::size_t>(k)] -= 0.5F * value * value;
    }
  // A band of patches at a time stays in the cache.
  const auto band = std::min(kBandRows, height_out), patches_of_band = band * width_out;
  if (patches_of_band * std::max(clusters, channels) > kLargestValue)
    throw PlanFailure{node.output + " compares too much at once"};
  const auto transient = [&](std::int64_t width_of_row) {
    return buffer(kTransient, static_cast<std::size_t>(patches_of_band * width_of_row) * sizeof(float));
  };
  float *patches = transient(channels), *white = transient(channels), *likeness = transient(clusters);
  auto nearest = std::make_shared<std::vector<std::int64_t>>(static_cast<std::size_t>(patches_of_band));
  struct Band {
    std::int64_t first, rows;
    Execution compare, whiten;
  };
  std::vector<Band> bands;
  for (std::int64_t first = 0; first < height_out; first += band) {
    const auto rows = std::min(band, height_out - first), n = rows * width_out;
    if (!bands.empty() && bands.back().rows == rows) {
      bands.push_back({first, rows, bands.back().compare, bands.back().whiten});
      continue;
    }
    const dnnl::matmul::desc compare({{n, channels}, kF32, Tag::ab}, {{channels, clusters}, kF32, Tag::ba},
                                     {{1, clusters}, kF32, Tag::ab}, {{n, clusters}, kF32, Tag::ab});
    const dnnl::matmul::desc whiten({{n, channels}, kF32, Tag::ab}, {{channels, channels}, kF32, Tag::ab},
                                    {{n, channels}, kF32, Tag::ab});
    bands.push_back(
        {first, rows,
         make_execution<dnnl::matmul>({compare, own_scratchpad(), cpu()},
                                      {{DNNL_ARG_SRC, plain_memory({n, channels}, Tag::ab, patches)},
                                       {DNNL_ARG_WEIGHTS, plain_memory({channels, clusters}, Tag::ba, centers.data())},
                                       {DNNL_ARG_BIAS, plain_memory({1, clusters}, Tag::ab, half_squares->data())},
                                       {DNNL_ARG_DST, plain_memory({n, clusters}, Tag::ab, likeness)}}),
         make_execution<dnnl::matmul>(
             {whiten, own_scratchpad(), cpu()},
             {{DNNL_ARG_SRC, plain_memory({n, channels}, Tag::ab, patches)},
              {DNNL_ARG_WEIGHTS, plain_memory({channels, channels}, Tag::ab, whitening.data())},
              {DNNL_ARG_DST, plain_memory({n, channels}, Tag::ab, white)}})});
  }
  auto stream = std::make_shared<dnnl::stream>(cpu());
  // The lambda holds the tensors, because their storage must outlive the plan.
  add_step(
      [&in, &out, half_squares, nearest, stream, bands = std::move(bands), patches, white, likeness, centers, whitening,
       weight, scale, offset, basis, side, stride, channels, clusters, folds, columns, rank, width, height_out,
       width_out] {
        for (const auto& part : bands) {
          const auto n = part.rows * width_out;
#pragma omp parallel for
          for (std::int64_t i = 0; i < n; ++i) {
            const float* from = in.data.data() + (part.first + i / width_out) * stride * width + i % width_out * stride;
            for (std::int64_t r = 0; r < side; ++r)
              std::copy_n(from + r * width, side, patches + i * channels + r * side);
          }
          part.compare.run(*stream);
          stream->wait();
#pragma omp parallel for
          for (std::int64_t i = 0; i < n; ++i) {
            auto& k = (*nearest)[static_cast<std::size_t>(i)];
            find_largest(likeness + i * clusters, clusters, &k);
            const float* center = centers.data() + k * channels;
            for (std::int64_t c = 0; c < channels; ++c) patches[i * channels + c] -= center[c];
          }
          part.whiten.run(*stream);
          stream->wait();
#pragma omp parallel
          {
            std::vector<float> along(static_cast<std::size_t>(columns));
#pragma omp for
            for (std::int64_t i = 0; i < n; ++i) {
              const float* e = white + i * channels;
              const auto k = (*nearest)[static_cast<std::size_t>(i)];
              float norm = 0;
              sum_squares(e, channels, &norm);
              add_products(e, basis.data() + k * channels * columns, channels, columns, along.data());
              for (std::int64_t f = 0; f < folds; ++f) {
                float explained = 0;
                sum_squares(along.data() + f * rank, rank, &explained);
                const auto at = k * folds + f;
                const float distance =
                    std::sqrt(std::max(0.0F, weight.data()[at] * norm - explained) / static_cast<float>(channels));
                out.data[static_cast<std::size_t>((f * height_out + part.first) * width_out + i)] =
                    std::max(0.0F, offset.data()[at] + scale.data()[at] * distance);
              }
            }
          }
        }
      },
      2.0 * static_cast<double>(height_out * width_out * channels) *
          static_cast<double>(clusters + channels + columns));
}

}  // namespace vedette
