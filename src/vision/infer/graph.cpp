#include "vision/infer/graph.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <dnnl.hpp>
#include <numeric>
#include <unordered_map>

#include "base/target_clones.hpp"
#include "vision/image/light.hpp"
#include "vision/infer/registration.hpp"

namespace vedette {
namespace {

using Value = Graph::Value;
using Shape = std::vector<std::int64_t>;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

/// The message for the Error that plan() returns.
struct PlanFailure {
  std::string message;
};

std::int64_t count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// A primitive with its arguments, ready to run on this thread.
struct Execution {
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory> arguments;
  void run(dnnl::stream& stream) const { primitive.execute(stream, arguments); }
};

dnnl::memory plain_memory(const Shape& dims, Tag tag, const float* data) {
  return {{dims, kF32, tag}, cpu(), const_cast<float*>(data)};
}

/// Copies [C,H,W] into a buffer with `margin` replicated pixels on every side.
void pad_replicate(const float* in, std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t margin,
                   float* out) {
  const std::int64_t padded_width = width + 2 * margin;
#pragma omp parallel for collapse(2)
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t y = -margin; y < height + margin; ++y) {
      const float* row = in + (c * height + std::clamp<std::int64_t>(y, 0, height - 1)) * width;
      float* target = out + (c * (height + 2 * margin) + y + margin) * padded_width;
      std::fill(target, target + margin, row[0]);
      std::copy(row, row + width, target + margin);
      std::fill(target + margin + width, target + padded_width, row[width - 1]);
    }
}

/// Row minimum of (bias − row) over one block: the largest a·b − |b|²/2 is the nearest b.
VEDETTE_TARGET_CLONES float largest(const float* row, std::int64_t n) {
  float best[16];
  for (int j = 0; j < 16; ++j) best[j] = -3.4e38F;
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; ++j) best[j] = row[i + j] > best[j] ? row[i + j] : best[j];
  float result = best[0];
  for (int j = 1; j < 16; ++j) result = std::max(result, best[j]);
  for (; i < n; ++i) result = std::max(result, row[i]);
  return result;
}

/// Lowers each cell's squared distance by those to the cells of one exemplar row that are at most `radius` columns
/// away.
VEDETTE_TARGET_CLONES void lower_row_distances(const float* cells, const float* exemplar, float* best,
                                               std::int64_t width, std::int64_t channels, std::int64_t radius) {
  for (std::int64_t x = 0; x < width; ++x) {
    const float* a = cells + x * channels;
    const auto end = std::min(width - 1, x + radius);
    for (std::int64_t nx = std::max<std::int64_t>(0, x - radius); nx <= end; ++nx) {
      const float* b = exemplar + nx * channels;
      float sums[16] = {};
      std::int64_t c = 0;
      for (; c + 16 <= channels; c += 16)
        for (int j = 0; j < 16; ++j) {
          const float d = a[c + j] - b[c + j];
          sums[j] += d * d;
        }
      float sum = 0;
      for (float s : sums) sum += s;
      for (; c < channels; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
      best[x] = sum < best[x] ? sum : best[x];
    }
  }
}

/// Plans one node after the other.
class Planner {
 public:
  Planner(const std::map<std::string, Tensor>& tensors, std::map<std::string, std::unique_ptr<Value>>& values,
          std::vector<std::function<void()>>& steps)
      : tensors_(tensors), values_(values), steps_(steps) {}

  void plan(const Node& node) {
    static const std::map<std::string, void (Planner::*)(const Node&)> operations = {
        {"register", &Planner::register_picture},
        {"warp_to_reference", &Planner::warp_to},
        {"warp_from_reference", &Planner::warp_from},
        {"light_normalize", &Planner::light_normalize},
        {"convolution", &Planner::convolution},
        {"absolute", &Planner::absolute},
        {"square_root", &Planner::square_root},
        {"average_pool", &Planner::average_pool},
        {"concatenate", &Planner::concatenate},
        {"tokens", &Planner::tokens},
        {"project", &Planner::project},
        {"nearest_distance", &Planner::nearest_distance},
        {"position_nearest", &Planner::position_nearest},
        {"position_distance", &Planner::position_distance},
        {"nearest_other_group", &Planner::nearest_other_group},
        {"scale_cells", &Planner::scale_cells},
        {"blur", &Planner::blur}};
    const auto it = operations.find(node.op);
    if (it == operations.end()) throw PlanFailure{"unknown operation " + node.op};
    (this->*it->second)(node);
  }

 private:
  static constexpr std::int64_t kLargestValue = 1LL << 29;  // floats; a hostile manifest may not make us allocate more

  const Value& input(const Node& node, std::size_t rank, std::size_t index = 0) {
    if (index >= node.inputs.size()) throw PlanFailure{node.output + " lacks an input"};
    const auto& value = *values_.at(node.inputs[index]);
    if (value.shape.size() != rank) throw PlanFailure{node.output + " reads a value of the wrong rank"};
    return value;
  }
  Value& make_output(const Node& node, Shape shape) {
    for (auto extent : shape)
      if (extent < 1 || extent > kLargestValue) throw PlanFailure{node.output + " has an impossible shape"};
    if (count(shape) > kLargestValue) throw PlanFailure{node.output + " is too large"};
    auto& slot = values_[node.output];
    slot = std::make_unique<Value>();
    slot->data.resize(static_cast<std::size_t>(count(shape)));
    slot->shape = std::move(shape);
    return *slot;
  }
  const Tensor& tensor(const Node& node, const std::string& role, const Shape& shape) {
    const auto it = node.tensors.find(role);
    if (it == node.tensors.end()) throw PlanFailure{node.output + " lacks " + role};
    const auto& t = tensors_.at(it->second);
    if (t.shape.size() != shape.size()) throw PlanFailure{node.output + ": " + role + " has the wrong rank"};
    for (std::size_t i = 0; i < shape.size(); ++i)
      if (shape[i] >= 0 && t.shape[i] != shape[i])
        throw PlanFailure{node.output + ": " + role + " has the wrong shape"};
    return t;
  }
  static double number(const Node& node, const std::string& name, double low, double high) {
    const auto it = node.numbers.find(name);
    if (it == node.numbers.end() || !(it->second >= low && it->second <= high))
      throw PlanFailure{node.output + ": bad " + name};
    return it->second;
  }
  static std::int64_t integer(const Node& node, const std::string& name, std::int64_t low, std::int64_t high) {
    return std::llround(number(node, name, static_cast<double>(low), static_cast<double>(high)));
  }

  void register_picture(const Node& node) {
    const auto& in = input(node, 3);
    if (in.shape[0] != 3) throw PlanFailure{node.output + " needs a colour picture"};
    Grid<float> reference(static_cast<int>(in.shape[1] / 4), static_cast<int>(in.shape[2] / 4));
    if (reference.height < 8 || reference.width < 8) throw PlanFailure{node.output + " needs a larger picture"};
    reference.values = *tensor(node, "reference", {in.shape[1] / 4, in.shape[2] / 4}).values;
    auto& out = make_output(node, {3});
    steps_.emplace_back([&in, &out, reference = std::move(reference)] {
      const Planes picture{3, static_cast<int>(in.shape[1]), static_cast<int>(in.shape[2]), in.data};
      const auto t = estimate_registration(reference, registration_map(picture));
      out.data = {static_cast<float>(t.dy), static_cast<float>(t.dx), static_cast<float>(t.angle)};
    });
  }

  void warp(const Node& node, void (*function)(const float*, float*, int, int, int, const RigidTransform&, double)) {
    if (node.inputs.empty()) throw PlanFailure{node.output + " lacks an input"};
    const auto rank = values_.at(node.inputs[0])->shape.size();
    if (rank != 2 && rank != 3) throw PlanFailure{node.output + " reads a value of the wrong rank"};
    const auto& in = input(node, rank);
    const auto& transform = input(node, 1, 1);
    if (transform.shape[0] != 3 || in.shape[rank - 1] < 2 || in.shape[rank - 2] < 2)
      throw PlanFailure{node.output + " cannot warp"};
    const double scale = number(node, "scale", 1e-3, 1e3);
    auto& out = make_output(node, in.shape);
    steps_.emplace_back([&in, &transform, &out, rank, scale, function] {
      function(in.data.data(), out.data.data(), rank == 3 ? static_cast<int>(in.shape[0]) : 1,
               static_cast<int>(in.shape[rank - 2]), static_cast<int>(in.shape[rank - 1]),
               {transform.data[0], transform.data[1], transform.data[2]}, scale);
    });
  }
  void warp_to(const Node& node) { warp(node, warp_to_reference); }
  void warp_from(const Node& node) { warp(node, warp_from_reference); }

  void light_normalize(const Node& node) {
    const auto& in = input(node, 3);
    auto& out = make_output(node, in.shape);
    const double sigma = number(node, "sigma", 1, 500);
    steps_.emplace_back([&in, &out, sigma] {
      const auto height = in.shape[1], width = in.shape[2], plane = height * width;
#pragma omp parallel for
      for (std::int64_t c = 0; c < in.shape[0]; ++c)
        normalize_light(in.data.data() + c * plane, out.data.data() + c * plane, height, width, sigma);
    });
  }

  void convolution(const Node& node) {
    const auto& in = input(node, 3);
    const auto channels = in.shape[0], height = in.shape[1], width = in.shape[2];
    const auto& weights = tensor(node, "weights", {-1, channels, -1, -1});
    const auto outputs = weights.size(0), kernel = weights.size(2);
    if (kernel != weights.size(3) || kernel % 2 != 1 || kernel > 31) throw PlanFailure{node.output + ": bad kernel"};
    const auto stride = integer(node, "stride", 1, 8);
    const auto margin = kernel / 2;
    auto& out = make_output(node, {outputs, (height - 1) / stride + 1, (width - 1) / stride + 1});

    auto padded = std::make_shared<std::vector<float>>(
        static_cast<std::size_t>(channels * (height + 2 * margin) * (width + 2 * margin)));
    const Shape source_dims = {1, channels, height + 2 * margin, width + 2 * margin};
    const Shape target_dims = {1, outputs, out.shape[1], out.shape[2]};
    const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto,
                                               {source_dims, kF32, Tag::nchw}, {weights.shape, kF32, Tag::any},
                                               {target_dims, kF32, Tag::any}, {stride, stride}, {0, 0}, {0, 0});
    const dnnl::convolution_forward::primitive_desc plan(desc, cpu());
    auto stream = std::make_shared<dnnl::stream>(cpu());
    auto plain_weights = plain_memory(weights.shape, Tag::oihw, weights.data());
    dnnl::memory packed_weights(plan.weights_desc(), cpu());
    dnnl::reorder(plain_weights, packed_weights).execute(*stream, plain_weights, packed_weights);
    const auto source = plain_memory(source_dims, Tag::nchw, padded->data());
    const auto target = plain_memory(target_dims, Tag::nchw, out.data.data());
    std::vector<Execution> executions;
    if (plan.dst_desc() == target.get_desc()) {
      executions.push_back({dnnl::convolution_forward(plan),
                            {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, packed_weights}, {DNNL_ARG_DST, target}}});
    } else {
      const dnnl::memory blocked(plan.dst_desc(), cpu());
      executions.push_back({dnnl::convolution_forward(plan),
                            {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, packed_weights}, {DNNL_ARG_DST, blocked}}});
      executions.push_back({dnnl::reorder(blocked, target), {{DNNL_ARG_FROM, blocked}, {DNNL_ARG_TO, target}}});
    }
    stream->wait();
    steps_.emplace_back([&in, padded, margin, stream, executions = std::move(executions)] {
      pad_replicate(in.data.data(), in.shape[0], in.shape[1], in.shape[2], margin, padded->data());
      for (const auto& e : executions) e.run(*stream);
      stream->wait();
    });
  }

  template <typename F>
  void element_wise(const Node& node, std::size_t rank, F function) {
    const auto& in = input(node, rank);
    auto& out = make_output(node, in.shape);
    steps_.emplace_back([&in, &out, function] {
#pragma omp parallel for
      for (std::size_t i = 0; i < in.data.size(); ++i) out.data[i] = function(in.data[i]);
    });
  }
  void absolute(const Node& node) {
    element_wise(node, 3, [](float x) { return std::abs(x); });
  }
  void square_root(const Node& node) {
    element_wise(node, 3, [](float x) { return std::sqrt(std::max(x, 0.0F)); });
  }

  void average_pool(const Node& node) {
    const auto& in = input(node, 3);
    const auto size = integer(node, "size", 1, 64);
    auto& out = make_output(node, {in.shape[0], in.shape[1] / size, in.shape[2] / size});
    steps_.emplace_back([&in, &out, size] {
      const auto height = in.shape[1], width = in.shape[2], rows = out.shape[1], columns = out.shape[2];
      const float scale = 1.0F / static_cast<float>(size * size);
#pragma omp parallel for collapse(2)
      for (std::int64_t c = 0; c < in.shape[0]; ++c)
        for (std::int64_t y = 0; y < rows; ++y) {
          float* target = out.data.data() + (c * rows + y) * columns;
          std::fill(target, target + columns, 0.0F);
          for (std::int64_t dy = 0; dy < size; ++dy) {
            const float* row = in.data.data() + (c * height + y * size + dy) * width;
            for (std::int64_t x = 0; x < columns; ++x)
              for (std::int64_t dx = 0; dx < size; ++dx) target[x] += row[x * size + dx];
          }
          for (std::int64_t x = 0; x < columns; ++x) target[x] *= scale;
        }
    });
  }

  void concatenate(const Node& node) {
    std::vector<const Value*> parts;
    std::int64_t channels = 0;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      parts.push_back(&input(node, 3, i));
      if (parts[i]->shape[1] != parts[0]->shape[1] || parts[i]->shape[2] != parts[0]->shape[2])
        throw PlanFailure{node.output + " joins values of different sizes"};
      channels += parts[i]->shape[0];
    }
    if (parts.empty()) throw PlanFailure{node.output + " lacks an input"};
    auto& out = make_output(node, {channels, parts[0]->shape[1], parts[0]->shape[2]});
    steps_.emplace_back([parts, &out] {
      auto target = out.data.begin();
      for (const auto* part : parts) target = std::copy(part->data.begin(), part->data.end(), target);
    });
  }

  void tokens(const Node& node) {
    const auto& in = input(node, 3);
    const auto channels = in.shape[0], cells = in.shape[1] * in.shape[2];
    auto& out = make_output(node, {cells, channels});
    steps_.emplace_back([&in, &out, channels, cells] {
#pragma omp parallel for
      for (std::int64_t i = 0; i < cells; ++i)
        for (std::int64_t c = 0; c < channels; ++c)
          out.data[static_cast<std::size_t>(i * channels + c)] = in.data[static_cast<std::size_t>(c * cells + i)];
    });
  }

  void project(const Node& node) {
    const auto& in = input(node, 2);
    const auto rows = in.shape[0], channels = in.shape[1];
    const auto& weights = tensor(node, "weights", {channels, -1});
    const auto& bias = tensor(node, "bias", {weights.size(1)});
    auto& out = make_output(node, {rows, weights.size(1)});
    const dnnl::matmul::desc desc({in.shape, kF32, Tag::ab}, {weights.shape, kF32, Tag::ab},
                                  {{1, weights.size(1)}, kF32, Tag::ab}, {out.shape, kF32, Tag::ab});
    auto stream = std::make_shared<dnnl::stream>(cpu());
    Execution execution{dnnl::matmul({desc, cpu()}),
                        {{DNNL_ARG_SRC, plain_memory(in.shape, Tag::ab, in.data.data())},
                         {DNNL_ARG_WEIGHTS, plain_memory(weights.shape, Tag::ab, weights.data())},
                         {DNNL_ARG_BIAS, plain_memory({1, weights.size(1)}, Tag::ab, bias.data())},
                         {DNNL_ARG_DST, plain_memory(out.shape, Tag::ab, out.data.data())}}};
    // The lambda holds the tensors: their storage must outlive the plan.
    steps_.emplace_back([stream, execution, weights, bias] {
      execution.run(*stream);
      stream->wait();
    });
  }

  /// Row ranges per group: offsets into a tensor's first axis, rising from 0 to its length.
  std::vector<std::int64_t> group_offsets(const Node& node, std::int64_t rows) {
    const auto& t = tensor(node, "groups", {-1});
    std::vector<std::int64_t> offsets;
    for (float v : *t.values) {
      if (!(v >= 0 && v <= static_cast<float>(rows)) || (!offsets.empty() && v <= static_cast<float>(offsets.back())))
        throw PlanFailure{node.output + ": bad groups"};
      offsets.push_back(std::llround(v));
    }
    if (offsets.size() < 2 || offsets.front() != 0 || offsets.back() != rows)
      throw PlanFailure{node.output + ": bad groups"};
    return offsets;
  }

  void nearest_distance(const Node& node) {
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
    std::map<std::int64_t, dnnl::matmul> primitives;
    std::vector<Block> blocks;
    for (std::int64_t first = 0; first < rows; first += block) {
      const auto n = std::min(block, rows - first);
      if (!primitives.contains(n)) {
        const dnnl::matmul::desc desc({{n, channels}, kF32, Tag::ab}, {{channels, entries}, kF32, Tag::ba},
                                      {{1, entries}, kF32, Tag::ab}, {{n, entries}, kF32, Tag::ab});
        primitives.emplace(n, dnnl::matmul({desc, cpu()}));
      }
      blocks.push_back({first,
                        n,
                        {primitives.at(n),
                         {{DNNL_ARG_SRC, plain_memory({n, channels}, Tag::ab, in.data.data() + first * channels)},
                          {DNNL_ARG_WEIGHTS, plain_memory({channels, entries}, Tag::ba, bank.data())},
                          {DNNL_ARG_BIAS, plain_memory({1, entries}, Tag::ab, bias->data())},
                          {DNNL_ARG_DST, plain_memory({n, entries}, Tag::ab, products->data())}}}});
    }
    steps_.emplace_back([&in, &out, bank, bias, products, stream, channels, entries, rows, offsets, groups,
                         blocks = std::move(blocks)] {
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
            out.data[static_cast<std::size_t>(g * rows + b.first + r)] = std::sqrt(std::max(0.0F, norm - 2.0F * best));
          }
        }
      }
    });
  }

  void position_nearest(const Node& node) {
    const auto& in = input(node, 2);
    const auto rows = in.shape[0], channels = in.shape[1];
    const auto& exemplars = tensor(node, "exemplars", {-1, rows, channels});
    const auto offsets = group_offsets(node, exemplars.size(0));
    const auto groups = static_cast<std::int64_t>(offsets.size()) - 1;
    const auto radius = integer(node, "radius", 0, 8);
    const auto height = integer(node, "height", 1, 16384), width = integer(node, "width", 1, 16384);
    if (height * width != rows) throw PlanFailure{node.output + " does not fit its input"};
    auto& out = make_output(node, {groups, height, width});
    steps_.emplace_back([&in, &out, exemplars, offsets, groups, radius, height, width, channels, rows] {
#pragma omp parallel for schedule(dynamic, 2)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t g = 0; g < groups; ++g) {
          float* best = out.data.data() + g * rows + y * width;
          std::fill(best, best + width, 3.4e38F);
          for (auto i = offsets[static_cast<std::size_t>(g)]; i < offsets[static_cast<std::size_t>(g) + 1]; ++i)
            for (auto ny = std::max<std::int64_t>(0, y - radius); ny <= std::min(height - 1, y + radius); ++ny)
              lower_row_distances(in.data.data() + y * width * channels,
                                  exemplars.data() + (i * rows + ny * width) * channels, best, width, channels, radius);
          for (std::int64_t x = 0; x < width; ++x) best[x] = std::sqrt(best[x]);
        }
    });
  }

  void nearest_other_group(const Node& node) {
    const auto& in = input(node, 3);
    const auto group = integer(node, "group", 0, in.shape[0] - 1);
    if (in.shape[0] < 2) throw PlanFailure{node.output + " needs two groups"};
    auto& out = make_output(node, {in.shape[1], in.shape[2]});
    steps_.emplace_back([&in, &out, group] {
      const auto cells = out.data.size();
      std::fill(out.data.begin(), out.data.end(), 3.4e38F);
      for (std::int64_t g = 0; g < in.shape[0]; ++g) {
        if (g == group) continue;
        const float* values = in.data.data() + static_cast<std::size_t>(g) * cells;
        for (std::size_t i = 0; i < cells; ++i) out.data[i] = std::min(out.data[i], values[i]);
      }
    });
  }

  void scale_cells(const Node& node) {
    const auto& in = input(node, 2);
    const auto& factors = tensor(node, "factors", in.shape);
    auto& out = make_output(node, in.shape);
    steps_.emplace_back([&in, &out, factors] {
      for (std::size_t i = 0; i < in.data.size(); ++i) out.data[i] = in.data[i] * factors.data()[i];
    });
  }

  void position_distance(const Node& node) {
    const auto& in = input(node, 2);
    const auto rows = in.shape[0], channels = in.shape[1];
    const auto& mean = tensor(node, "mean", {rows, channels});
    const auto& inverse = tensor(node, "inverse_deviation", {rows, channels});
    auto& out = make_output(node, {integer(node, "height", 1, 16384), integer(node, "width", 1, 16384)});
    if (count(out.shape) != rows) throw PlanFailure{node.output + " does not fit its input"};
    steps_.emplace_back([&in, &out, mean, inverse, rows, channels] {
#pragma omp parallel for
      for (std::int64_t r = 0; r < rows; ++r) {
        float sum = 0;
        for (std::int64_t c = r * channels; c < (r + 1) * channels; ++c) {
          const float d = (in.data[static_cast<std::size_t>(c)] - mean.data()[c]) * inverse.data()[c];
          sum += d * d;
        }
        out.data[static_cast<std::size_t>(r)] = std::sqrt(sum / static_cast<float>(channels));
      }
    });
  }

  void blur(const Node& node) {
    const auto& in = input(node, 2);
    auto& out = make_output(node, in.shape);
    const double sigma = number(node, "sigma", 0.5, 100);
    auto scratch = std::make_shared<std::vector<float>>(in.data.size());
    steps_.emplace_back([&in, &out, sigma, scratch] {
      std::vector<double> sum;
      std::copy(in.data.begin(), in.data.end(), out.data.begin());
      gaussian_blur(out.data.data(), in.shape[0], in.shape[1], sigma);
    });
  }

  const std::map<std::string, Tensor>& tensors_;
  std::map<std::string, std::unique_ptr<Value>>& values_;
  std::vector<std::function<void()>>& steps_;
};

}  // namespace

Result<Graph> Graph::plan(const std::vector<Node>& nodes, const std::map<std::string, Tensor>& tensors,
                          int input_height, int input_width) {
  Graph graph;
  auto image = std::make_unique<Value>();
  image->shape = {3, input_height, input_width};
  image->data.resize(static_cast<std::size_t>(count(image->shape)));
  graph.values_.emplace("image", std::move(image));
  Planner planner(tensors, graph.values_, graph.steps_);
  try {
    for (const auto& node : nodes) planner.plan(node);
  } catch (const PlanFailure& failure) {
    return invalid_input("The model cannot run: " + failure.message + ".");
  } catch (const dnnl::error& error) {
    return invalid_input(std::string("The model cannot run: oneDNN says ") + error.what() + ".");
  }
  return graph;
}

void Graph::run(const Planes& image) {
  std::copy(image.values.begin(), image.values.end(), values_.at("image")->data.begin());
  for (const auto& step : steps_) step();
}

void set_inference_threads(int threads) {
  omp_set_num_threads(std::max(1, threads));
}

}  // namespace vedette
