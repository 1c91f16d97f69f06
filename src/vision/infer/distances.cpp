#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/target_clones.hpp"
#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

/// Row minimum of (bias − row) over one block: the largest a·b − |b|²/2 is the nearest b.
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

/// sqrt((w |e|² − |B e|²) / channels), e = x − mean.
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

/// Row ranges per group: offsets into a tensor's first axis, rising from 0 to its length.
std::vector<std::int64_t> Planner::group_offsets(const Node& node, std::int64_t rows) {
  const auto& t = tensor(node, "groups", {-1});
  std::vector<std::int64_t> offsets;
  for (float v : t.values()) {
    if (!(v >= 0 && v <= static_cast<float>(rows)) || (!offsets.empty() && v <= static_cast<float>(offsets.back())))
      throw PlanFailure{node.output + ": bad groups"};
    offsets.push_back(std::llround(v));
  }
  if (offsets.size() < 2 || offsets.front() != 0 || offsets.back() != rows)
    throw PlanFailure{node.output + ": bad groups"};
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
  // The lambda holds the tensors: their storage must outlive the plan.
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

  // |a − b|² = |a|² − 2 (a·b − |b|²/2): one matrix product with bias, then a maximum. Blocks keep it in the cache.
  auto bias = std::make_shared<std::vector<float>>();
  for (std::int64_t b = 0; b < entries; ++b) {
    double sum = 0;
    for (std::int64_t c = 0; c < channels; ++c)
      sum += static_cast<double>(bank.data()[b * channels + c]) * bank.data()[b * channels + c];
    bias->push_back(static_cast<float>(-0.5 * sum));
  }
  const std::int64_t block = std::min<std::int64_t>(rows, 256);
  auto products = std::make_shared<std::vector<float>>(static_cast<std::size_t>(block * entries));
  auto stream = std::make_shared<dnnl::stream>(cpu());
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
      // The bank in the layout that the product likes best, arranged once.
      const dnnl::matmul::desc desc(
          {{n, channels}, kF32, Tag::ab},
          packed ? packed.get_desc() : dnnl::memory::desc({channels, entries}, kF32, Tag::any),
          {{1, entries}, kF32, Tag::ab}, {{n, entries}, kF32, Tag::ab});
      const dnnl::matmul::primitive_desc plan(desc, own_scratchpad(), cpu());
      plans.emplace(n, plan);
      if (!packed) packed = pack(bank, {{channels, entries}, kF32, Tag::ba}, plan.weights_desc());
    }
    blocks.push_back(
        {first, n,
         make_execution<dnnl::matmul>(
             plans.at(n), {{DNNL_ARG_SRC, plain_memory({n, channels}, Tag::ab, in.data.data() + first * channels)},
                           {DNNL_ARG_WEIGHTS, packed},
                           {DNNL_ARG_BIAS, plain_memory({1, entries}, Tag::ab, bias->data())},
                           {DNNL_ARG_DST, plain_memory({n, entries}, Tag::ab, products->data())}})});
  }
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
      2.0 * static_cast<double>(rows * channels * entries));
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
