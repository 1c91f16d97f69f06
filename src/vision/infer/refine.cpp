// The operation `refine`: says of the pixels of doubtful cells which of them belong to a defect.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/target_clones.hpp"
#include "vision/infer/half.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kCell = 4;                // The side of a cell in pixels, which makes 16 outputs per cell.
constexpr std::int64_t kPatch = 8, kMargin = 2;  // The side of the piece of the picture that a cell sees.
constexpr std::int64_t kColors = 3;
constexpr int kTogether = 8;  // So many cells read the weights together.

static_assert(kLanes == kCell * kCell);

/// Computes max(0, bias + weights · in) for kTogether rows of `inputs` numbers. The weights are [inputs][hidden], and
/// `hidden` is a multiple of kLanes.
VEDETTE_TARGET_CLONES void hidden_layer(const float* __restrict in, std::int64_t inputs,
                                        const float* __restrict weights, const float* __restrict bias,
                                        std::int64_t hidden, float* __restrict out) {
  for (std::int64_t first = 0; first < hidden; first += kLanes) {
    Lanes sums[kTogether];
    for (auto& sum : sums) std::memcpy(&sum, bias + first, sizeof(sum));
    for (std::int64_t d = 0; d < inputs; ++d) {
      Lanes w;
      std::memcpy(&w, weights + d * hidden + first, sizeof(w));
      for (int k = 0; k < kTogether; ++k) sums[k] += in[k * inputs + d] * w;
    }
    for (int k = 0; k < kTogether; ++k)
      for (int j = 0; j < kLanes; ++j) out[k * hidden + first + j] = std::max(0.0F, sums[k][j]);
  }
}

/// Computes bias + weights · in for one row; the weights are [hidden][kLanes].
VEDETTE_TARGET_CLONES void output_layer(const float* __restrict in, std::int64_t hidden,
                                        const float* __restrict weights, const float* __restrict bias,
                                        float* __restrict out) {
  Lanes sum;
  std::memcpy(&sum, bias, sizeof(sum));
  for (std::int64_t h = 0; h < hidden; ++h) {
    Lanes w;
    std::memcpy(&w, weights + h * kLanes, sizeof(w));
    sum += in[h] * w;
  }
  std::memcpy(out, &sum, sizeof(sum));
}

/// A value [channels, height, width] as networks keep it: channels last, in fp32 or bf16.
struct Rows {
  const void* data;
  bool is_half;
  std::int64_t channels, height, width;
  [[nodiscard]] float at(std::int64_t cell, std::int64_t channel) const {
    const auto i = cell * channels + channel;
    return is_half ? widen(static_cast<const Half*>(data)[i]) : static_cast<const float*>(data)[i];
  }
  void copy(std::int64_t cell, std::int64_t first, std::int64_t count, float* out) const {
    const auto i = cell * channels + first;
    if (is_half)
      std::transform(static_cast<const Half*>(data) + i, static_cast<const Half*>(data) + i + count, out, widen);
    else
      std::copy_n(static_cast<const float*>(data) + i, count, out);
  }
};

/// Returns the cells in which the logit reaches the limit, and their neighbours.
std::vector<std::int64_t> doubtful_cells(const Rows& logits, std::int64_t channel, float limit) {
  std::vector<char> near(static_cast<std::size_t>(logits.height * logits.width));
  for (std::int64_t y = 0; y < logits.height; ++y)
    for (std::int64_t x = 0; x < logits.width; ++x) {
      if (!(logits.at(y * logits.width + x, channel) >= limit)) continue;
      for (auto ny = std::max<std::int64_t>(0, y - 1); ny <= std::min(logits.height - 1, y + 1); ++ny)
        for (auto nx = std::max<std::int64_t>(0, x - 1); nx <= std::min(logits.width - 1, x + 1); ++nx)
          near[static_cast<std::size_t>(ny * logits.width + nx)] = 1;
    }
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < near.size(); ++i)
    if (near[i] != 0) out.push_back(static_cast<std::int64_t>(i));
  return out;
}

/// Writes what a cell's network reads: the features of the cell and its neighbours, row by row, then the piece of the
/// picture around the cell, color by color.
void gather(const Rows& features, std::int64_t first, std::int64_t channels, const Value& picture, std::int64_t cell,
            float* out) {
  const auto y = cell / features.width, x = cell % features.width;
  for (std::int64_t dy = -1; dy <= 1; ++dy)
    for (std::int64_t dx = -1; dx <= 1; ++dx, out += channels)
      features.copy(std::clamp<std::int64_t>(y + dy, 0, features.height - 1) * features.width +
                        std::clamp<std::int64_t>(x + dx, 0, features.width - 1),
                    first, channels, out);
  const auto height = picture.shape[1], width = picture.shape[2];
  const auto left = x * kCell - kMargin, top = y * kCell - kMargin;
  const bool is_inside = left >= 0 && left + kPatch <= width;
  for (std::int64_t c = 0; c < kColors; ++c)
    for (std::int64_t py = 0; py < kPatch; ++py, out += kPatch) {
      const float* row = picture.data.data() + (c * height + std::clamp<std::int64_t>(top + py, 0, height - 1)) * width;
      if (is_inside)
        std::copy_n(row + left, kPatch, out);
      else
        for (std::int64_t px = 0; px < kPatch; ++px) out[px] = row[std::clamp<std::int64_t>(left + px, 0, width - 1)];
    }
}

}  // namespace

void Planner::refine(const Node& node) {
  const auto groups = integer(node, "groups", 1, 64);
  const auto limit = static_cast<float>(number(node, "limit", -100, 100));
  const auto rows_of = [&](std::size_t index) {
    const auto memory = network_input(node, index);
    const auto dims = memory.get_desc().dims();
    if (dims[1] % groups != 0) throw PlanFailure{node.output + " has groups that do not divide the channels"};
    return Rows{memory.get_data_handle(), memory.get_desc().data_type() != kF32, dims[1], dims[2], dims[3]};
  };
  const auto features = rows_of(0), logits = rows_of(1);
  const auto& picture = input(node, 3, 2);
  if (logits.height != features.height || logits.width != features.width ||
      picture.shape != Shape{kColors, kCell * features.height, kCell * features.width})
    throw PlanFailure{node.output + " reads values of different sizes"};
  const auto channels = features.channels / groups, inputs = 9 * channels + kColors * kPatch * kPatch;
  const auto& weights = tensor(node, "weights", {groups, inputs, -1});
  const auto hidden = weights.size(2);
  if (hidden < kLanes || hidden > 256 || hidden % kLanes != 0)
    throw PlanFailure{node.output + " has a hidden layer that is not possible here"};
  const auto& bias = tensor(node, "bias", {groups, hidden});
  const auto& pixel_weights = tensor(node, "pixel_weights", {groups, hidden, kLanes});
  const auto& pixel_bias = tensor(node, "pixel_bias", {groups, kLanes});
  auto& out = make_output(node, {groups, picture.shape[1], picture.shape[2]});
  add_step(
      [=, &picture, &out] {
        const auto width = picture.shape[2], plane = picture.shape[1] * width;
        struct Place {
          std::int64_t group, cell;
        };
        std::vector<std::vector<std::int64_t>> cells(static_cast<std::size_t>(groups));
#pragma omp parallel for
        for (std::int64_t g = 0; g < groups; ++g) {
          std::fill_n(out.data.begin() + g * plane, plane, 0.0F);
          cells[static_cast<std::size_t>(g)] = doubtful_cells(logits, g * (logits.channels / groups), limit);
        }
        std::vector<Place> places;
        for (std::int64_t g = 0; g < groups; ++g) {
          for (auto cell : cells[static_cast<std::size_t>(g)]) places.push_back({g, cell});
          // Cells that are treated together are of one group; the last cell fills up its group.
          while (places.size() % kTogether != 0) places.push_back(places.back());
        }
        const auto batches = static_cast<std::int64_t>(places.size()) / kTogether;
#pragma omp parallel
        {
          std::vector<float> in(static_cast<std::size_t>(kTogether * inputs)),
              between(static_cast<std::size_t>(kTogether * hidden));
          std::array<float, kLanes> pixels{};
#pragma omp for schedule(dynamic, 4)
          for (std::int64_t b = 0; b < batches; ++b) {
            const auto* batch = places.data() + b * kTogether;
            const auto g = batch->group;
            for (int k = 0; k < kTogether; ++k)
              gather(features, g * channels, channels, picture, batch[k].cell, in.data() + k * inputs);
            hidden_layer(in.data(), inputs, weights.data() + g * inputs * hidden, bias.data() + g * hidden, hidden,
                         between.data());
            for (int k = 0; k < kTogether; ++k) {
              output_layer(between.data() + k * hidden, hidden, pixel_weights.data() + g * hidden * kLanes,
                           pixel_bias.data() + g * kLanes, pixels.data());
              const auto y = batch[k].cell / features.width * kCell, x = batch[k].cell % features.width * kCell;
              for (std::int64_t p = 0; p < kLanes; ++p)
                out.data[static_cast<std::size_t>(g * plane + (y + p / kCell) * width + x + p % kCell)] =
                    1 / (1 + std::exp(-pixels[static_cast<std::size_t>(p)]));
            }
          }
        }
      },
      0);
}

}  // namespace vedette
