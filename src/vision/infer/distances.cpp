#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/target_clones.hpp"
#include "vision/infer/half.hpp"
#include "vision/infer/planner.hpp"
#include "vision/infer/row_distance.hpp"

namespace vedette {
namespace {

constexpr float kRounding = 1.2e-7F;  // The rounding error of a sum in fp32, per term.

/// Returns the largest value of a row of products. The entry b with the largest a·b − |b|²/2 is the nearest one.
VEDETTE_TARGET_CLONES float largest(const float* row, std::int64_t n) {
  Lanes best = Lanes{} - 3.4e38F;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes v;
    std::memcpy(&v, row + i, sizeof(v));
    best = v > best ? v : best;
  }
  float result = best[0];
  for (int j = 1; j < kLanes; ++j) result = std::max(result, best[j]);
  for (; i < n; ++i) result = std::max(result, row[i]);
  return result;
}

/// Rounds a row to bf16. Also returns its squared norm, and the squared norm of what rounding took away.
VEDETTE_TARGET_CLONES void round_row(const float* __restrict in, Half* __restrict out, std::int64_t n,
                                     float* __restrict square, float* __restrict lost_square) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = narrow(in[i]);
  float sum = 0, lost = 0;
  Lanes sums = {}, losts = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    float back[kLanes];
    for (int j = 0; j < kLanes; ++j) back[j] = widen(out[i + j]);
    Lanes value, rounded;
    std::memcpy(&value, in + i, sizeof(value));
    std::memcpy(&rounded, back, sizeof(rounded));
    sums += value * value;
    losts += (value - rounded) * (value - rounded);
  }
  for (int j = 0; j < kLanes; ++j) sum += sums[j], lost += losts[j];
  for (; i < n; ++i) {
    const float difference = in[i] - widen(out[i]);
    sum += in[i] * in[i];
    lost += difference * difference;
  }
  *square = sum;
  *lost_square = lost;
}

struct TopTwo {
  float best = -3.4e38F, second = -3.4e38F;
  std::int64_t at = 0;  ///< The place of the best value.
};

VEDETTE_TARGET_CLONES void find_top_two(const float* row, std::int64_t n, TopTwo* out) {
  Lanes best = Lanes{} - 3.4e38F, second = best;
  IntLanes at = {}, number;
  for (int j = 0; j < kLanes; ++j) number[j] = j;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes, number += kLanes) {
    Lanes v;
    std::memcpy(&v, row + i, sizeof(v));
    const IntLanes is_better = v > best;
    const Lanes lesser = is_better ? best : v;
    second = lesser > second ? lesser : second;
    best = is_better ? v : best;
    at = is_better ? number : at;
  }
  TopTwo top;
  const auto take = [&top](float value, std::int64_t index) {
    if (value > top.best) {
      top.second = top.best;
      top.best = value;
      top.at = index;
    } else if (value > top.second) {
      top.second = value;
    }
  };
  for (int j = 0; j < kLanes; ++j) {
    take(best[j], at[j]);
    top.second = second[j] > top.second ? second[j] : top.second;
  }
  for (; i < n; ++i) take(row[i], i);
  *out = top;
}

/// Returns sqrt((w |e|² − |B e|²) / channels) with e = x − mean.
VEDETTE_TARGET_CLONES float subspace_distance(const float* x, const float* mean, const float* basis, float weight,
                                              std::int64_t rank, std::int64_t channels) {
  float norm = 0;
  for (std::int64_t c = 0; c < channels; ++c) norm += (x[c] - mean[c]) * (x[c] - mean[c]);
  float explained = 0;
  for (std::int64_t k = 0; k < rank; ++k) {
    const float* b = basis + k * channels;
    Lanes sums = {};
    std::int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      Lanes direction, value, centre;
      std::memcpy(&direction, b + c, sizeof(direction));
      std::memcpy(&value, x + c, sizeof(value));
      std::memcpy(&centre, mean + c, sizeof(centre));
      sums += direction * (value - centre);
    }
    float dot = 0;
    for (int j = 0; j < kLanes; ++j) dot += sums[j];
    for (; c < channels; ++c) dot += b[c] * (x[c] - mean[c]);
    explained += dot * dot;
  }
  return std::sqrt(std::max(0.0F, weight * norm - explained) / static_cast<float>(channels));
}

}  // namespace

VEDETTE_TARGET_CLONES float squared_distance(const float* a, const float* b, std::int64_t n) {
  Lanes sums = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes x, y;
    std::memcpy(&x, a + i, sizeof(x));
    std::memcpy(&y, b + i, sizeof(y));
    sums += (x - y) * (x - y);
  }
  float sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += sums[j];
  for (; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// Returns the row ranges of the groups: offsets into a tensor's first axis, rising from 0 to its length.
std::vector<std::int64_t> Planner::group_offsets(const Node& node, std::int64_t rows) {
  const auto& t = tensor(node, "groups", {-1});
  std::vector<std::int64_t> offsets;
  for (float v : t.values()) {
    if (!(v >= 0 && v <= static_cast<float>(rows)) || (!offsets.empty() && v <= static_cast<float>(offsets.back())))
      throw PlanFailure{node.output + " has groups that do not fit its rows"};
    offsets.push_back(std::llround(v));
  }
  if (offsets.size() < 2 || offsets.front() != 0 || offsets.back() != rows)
    throw PlanFailure{node.output + " has groups that do not fit its rows"};
  return offsets;
}

void Planner::project(const Node& node) {
  const auto& in = input(node, 2);
  const auto rows = in.shape[0], channels = in.shape[1];
  const auto& weights = tensor(node, "weights", {channels, -1});
  const auto& bias = tensor(node, "bias", {weights.size(1)});
  auto& out = make_output(node, {rows, weights.size(1)});
  const dnnl::matmul::desc desc({in.shape, kF32, Tag::ab}, {weights.shape, kF32, Tag::ab},
                                {{1, weights.size(1)}, kF32, Tag::ab}, {out.shape, kF32, Tag::ab});
  auto stream = std::make_shared<dnnl::stream>(cpu());
  auto execution = make_execution<dnnl::matmul>(
      {desc, own_scratchpad(), cpu()}, {{DNNL_ARG_SRC, plain_memory(in.shape, Tag::ab, in.data.data())},
                                        {DNNL_ARG_WEIGHTS, plain_memory(weights.shape, Tag::ab, weights.data())},
                                        {DNNL_ARG_BIAS, plain_memory({1, weights.size(1)}, Tag::ab, bias.data())},
                                        {DNNL_ARG_DST, plain_memory(out.shape, Tag::ab, out.data.data())}});
  // The lambda holds the tensors, because their storage must outlive the plan.
  add_step(
      [stream, execution, weights, bias] {
        execution.run(*stream);
        stream->wait();
      },
      2.0 * static_cast<double>(rows * channels * weights.size(1)));
}

void Planner::nearest_distance(const Node& node) {
  const auto& in = input(node, 2);
  const auto rows = in.shape[0], channels = in.shape[1];
  const auto& bank = tensor(node, "bank", {-1, channels});
  const auto entries = bank.size(0);
  const auto offsets = group_offsets(node, entries);
  const auto groups = static_cast<std::int64_t>(offsets.size()) - 1;
  auto& out = make_output(node, {groups, integer(node, "height", 1, 16384), integer(node, "width", 1, 16384)});
  if (count(out.shape) != rows * groups) throw PlanFailure{node.output + " does not fit its input"};

  // |a − b|² = |a|² − 2 (a·b − |b|²/2): this takes one matrix product with bias, then a maximum. Blocks keep it in the
  // cache. In bf16, which is twice as fast, the product only tells which entries may be nearest; the result is exact
  // all the same.
  const bool is_screened = type_ != kF32;
  auto bias = std::make_shared<std::vector<float>>();
  std::vector<float> longest(static_cast<std::size_t>(groups)), longest_lost(static_cast<std::size_t>(groups));
  std::vector<Half> rounded(static_cast<std::size_t>(channels));
  for (std::int64_t b = 0, group = 0; b < entries; ++b) {
    double sum = 0;
    for (std::int64_t c = 0; c < channels; ++c)
      sum += static_cast<double>(bank.data()[b * channels + c]) * bank.data()[b * channels + c];
    bias->push_back(static_cast<float>(-0.5 * sum));
    while (b >= offsets[static_cast<std::size_t>(group) + 1]) ++group;
    float square = 0, lost = 0;
    round_row(bank.data() + b * channels, rounded.data(), channels, &square, &lost);
    auto &length = longest[static_cast<std::size_t>(group)],
         &lost_length = longest_lost[static_cast<std::size_t>(group)];
    length = std::max(length, std::sqrt(square));
    lost_length = std::max(lost_length, std::sqrt(lost));
  }
  const std::int64_t block = std::min<std::int64_t>(rows, 256);
  auto products = std::make_shared<std::vector<float>>(static_cast<std::size_t>(block * entries));
  auto stream = std::make_shared<dnnl::stream>(cpu());
  // These are the rows as the product reads them; rounded rows come with their norms.
  auto* halves =
      is_screened
          ? reinterpret_cast<Half*>(buffer(kTransient, static_cast<std::size_t>(rows * channels) * sizeof(Half)))
          : nullptr;
  auto* squares = is_screened ? buffer(kTransient, static_cast<std::size_t>(2 * rows) * sizeof(float)) : nullptr;
  const auto row_memory = [&](std::int64_t first, std::int64_t n) {
    if (!is_screened) return plain_memory({n, channels}, Tag::ab, in.data.data() + first * channels);
    return dnnl::memory({{n, channels}, type_, Tag::ab}, cpu(), halves + first * channels);
  };
  struct Block {
    std::int64_t first, rows;
    Execution execution;
  };
  std::map<std::int64_t, dnnl::matmul::primitive_desc> plans;
  std::vector<Block> blocks;
  dnnl::memory packed;
  for (std::int64_t first = 0; first < rows; first += block) {
    const auto n = std::min(block, rows - first);
    if (!plans.contains(n)) {
      // The bank is arranged once in the layout that the product likes best.
      const dnnl::matmul::desc desc(
          {{n, channels}, type_, Tag::ab},
          packed ? packed.get_desc() : dnnl::memory::desc({channels, entries}, type_, Tag::any),
          {{1, entries}, kF32, Tag::ab}, {{n, entries}, kF32, Tag::ab});
      const dnnl::matmul::primitive_desc plan(desc, own_scratchpad(), cpu());
      plans.emplace(n, plan);
      if (!packed) packed = pack(bank, {{channels, entries}, kF32, Tag::ba}, plan.weights_desc());
    }
    blocks.push_back({first, n,
                      make_execution<dnnl::matmul>(
                          plans.at(n), {{DNNL_ARG_SRC, row_memory(first, n)},
                                        {DNNL_ARG_WEIGHTS, packed},
                                        {DNNL_ARG_BIAS, plain_memory({1, entries}, Tag::ab, bias->data())},
                                        {DNNL_ARG_DST, plain_memory({n, entries}, Tag::ab, products->data())}})});
  }
  const double flops = 2.0 * static_cast<double>(rows * channels * entries);
  if (!is_screened) {
    add_step(
        [&in, &out, bias, products, stream, channels, entries, rows, offsets, groups, blocks = std::move(blocks)] {
          for (const auto& b : blocks) {
            b.execution.run(*stream);
            stream->wait();
#pragma omp parallel for
            for (std::int64_t r = 0; r < b.rows; ++r) {
              const float* a = in.data.data() + (b.first + r) * channels;
              float norm = 0;
              for (std::int64_t c = 0; c < channels; ++c) norm += a[c] * a[c];
              for (std::int64_t g = 0; g < groups; ++g) {
                const auto first = offsets[static_cast<std::size_t>(g)], end = offsets[static_cast<std::size_t>(g) + 1];
                const float best = largest(products->data() + r * entries + first, end - first);
                out.data[static_cast<std::size_t>(g * rows + b.first + r)] =
                    std::sqrt(std::max(0.0F, norm - 2.0F * best));
              }
            }
          }
        },
        flops);
    return;
  }
  add_step(
      [&in, &out, bank, bias, products, stream, channels, entries, rows, offsets, groups, longest, longest_lost, halves,
       squares, blocks = std::move(blocks)] {
#pragma omp parallel for
        for (std::int64_t r = 0; r < rows; ++r)
          round_row(in.data.data() + r * channels, halves + r * channels, channels, squares + 2 * r,
                    squares + 2 * r + 1);
        for (const auto& b : blocks) {
          b.execution.run(*stream);
          stream->wait();
#pragma omp parallel for
          for (std::int64_t r = 0; r < b.rows; ++r) {
            const auto at = b.first + r;
            const float* a = in.data.data() + at * channels;
            const float length = std::sqrt(squares[2 * at]), lost = std::sqrt(squares[2 * at + 1]);
            for (std::int64_t g = 0; g < groups; ++g) {
              const auto first = offsets[static_cast<std::size_t>(g)], end = offsets[static_cast<std::size_t>(g) + 1];
              const float* candidates = products->data() + r * entries + first;
              // With rounded â, b̂: |a·b − â·b̂| ≤ |a − â| |b̂| + |a| |b − b̂| (Cauchy, Schwarz); to this is added what
              // summing in fp32 may lose.
              const float b_length = longest[static_cast<std::size_t>(g)],
                          b_lost = longest_lost[static_cast<std::size_t>(g)];
              const float error =
                  lost * (b_length + b_lost) + length * b_lost +
                  kRounding * static_cast<float>(channels + 1) * (length + b_length) * (length + b_length);
              TopTwo top;
              find_top_two(candidates, end - first, &top);
              const float limit = top.best - 2 * error;
              float nearest = squared_distance(a, bank.data() + (first + top.at) * channels, channels);
              if (top.second >= limit)
                for (std::int64_t e = 0; e < end - first; ++e)
                  if (candidates[e] >= limit)
                    nearest = std::min(nearest, squared_distance(a, bank.data() + (first + e) * channels, channels));
              out.data[static_cast<std::size_t>(g * rows + at)] = std::sqrt(nearest);
            }
          }
        }
      },
      flops);
  steps_.back().work.precision = precision();
}

void Planner::position_subspace(const Node& node) {
  const auto& in = input(node, 2);
  const auto rows = in.shape[0], channels = in.shape[1];
  const auto& mean = tensor(node, "mean", {rows, channels});
  const auto& basis = tensor(node, "basis", {rows, -1, channels});
  const auto& weight = tensor(node, "weight", {rows});
  const auto rank = basis.size(1);
  auto& out = make_output(node, {integer(node, "height", 1, 16384), integer(node, "width", 1, 16384)});
  if (count(out.shape) != rows) throw PlanFailure{node.output + " does not fit its input"};
  add_step(
      [&in, &out, mean, basis, weight, rows, channels, rank] {
#pragma omp parallel for
        for (std::int64_t r = 0; r < rows; ++r)
          out.data[static_cast<std::size_t>(r)] =
              subspace_distance(in.data.data() + r * channels, mean.data() + r * channels,
                                basis.data() + r * rank * channels, weight.data()[r], rank, channels);
      },
      2.0 * static_cast<double>(rows * channels * rank));
}

void Planner::nearest_other_group(const Node& node) {
  const auto& in = input(node, 3);
  const auto group = integer(node, "group", 0, in.shape[0] - 1);
  if (in.shape[0] < 2) throw PlanFailure{node.output + " needs two groups"};
  auto& out = make_output(node, {in.shape[1], in.shape[2]});
  add_step([&in, &out, group] {
    const auto cells = out.data.size();
    std::fill(out.data.begin(), out.data.end(), 3.4e38F);
    for (std::int64_t g = 0; g < in.shape[0]; ++g) {
      if (g == group) continue;
      const float* values = in.data.data() + static_cast<std::size_t>(g) * cells;
      for (std::size_t i = 0; i < cells; ++i) out.data[i] = std::min(out.data[i], values[i]);
    }
  });
}

}  // namespace vedette
