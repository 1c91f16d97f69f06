#include <algorithm>
#include <optional>
#include <string_view>

#include "base/mutex.hpp"

#include "vision/infer/planner.hpp"

namespace vedette {

Precision best_precision() {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool multiplies_bf16 = isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
  return multiplies_bf16 ? Precision::bf16 : Precision::fp32;
}

std::string_view to_text(Precision precision) {
  return precision == Precision::int8 ? "int8" : precision == Precision::bf16 ? "bf16" : "fp32";
}

bool multiplies_int8() {
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core_vnni || best_precision() == Precision::bf16;
}

dnnl::memory::data_type type_of(Precision precision) {
  const auto values = precision == Precision::int8 ? best_precision() : precision;
  return values == Precision::bf16 ? dnnl::memory::data_type::bf16 : kF32;
}

const dnnl::memory& Planner::pack(const Tensor& tensor, const dnnl::memory::desc& plain,
                                  const dnnl::memory::desc& layout) {
  return pack(tensor, {plain, cpu(), const_cast<float*>(tensor.data())}, layout);
}

const dnnl::memory& Planner::pack(const Tensor& tensor, dnnl::memory from, const dnnl::memory::desc& layout) {
  // The key is the tensors' storage, which an entry keeps: no other tensor can get its address while the entry is
  // there.
  static Mutex mutex;
  static std::multimap<const void*, std::weak_ptr<const PackedWeights>> known GUARDED_BY(mutex);
  const MutexLock lock(mutex);
  const auto [first, end] = known.equal_range(tensor.data());
  for (auto it = first; it != end; ++it)
    if (auto found = it->second.lock(); found && found->memory.get_desc() == layout) {
      packed_.push_back(std::move(found));
      return packed_.back()->memory;
    }
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  dnnl::memory to(layout, cpu());
  dnnl::stream stream(cpu());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  packed_.push_back(std::make_shared<PackedWeights>(PackedWeights{tensor.storage, std::move(to)}));
  known.emplace(tensor.data(), packed_.back());
  return packed_.back()->memory;
}

void Planner::make_plain(const std::string& name) {
  auto& value = *values_.at(name);
  if (!network_values_.contains(name) || !value.data.empty()) return;
  const auto rows = network_rows(name);
  const auto floats = static_cast<std::size_t>(count(value.shape));
  value.data = {buffer(name, floats * sizeof(float)), floats};
  const auto to = plain_memory({1, value.shape[0], value.shape[1], value.shape[2]}, Tag::nchw, value.data.data());
  add_execution({make_reorder(rows, to)});
}

dnnl::memory Planner::network_rows(const std::string& name) {
  const auto& value = network_values_.at(name);
  if (value.get_desc().data_type() != dnnl::memory::data_type::u8) return value;
  auto& copy = network_copies_[name];
  if (!copy) {
    copy = network_memory(name, network_layout(value.get_desc().dims()));
    add_dequantizing(value, copy, ranges_.at(name) / kLargestByte);
  }
  return copy;
}

void Planner::add_execution(std::vector<Execution> executions, double flops, Precision precision) {
  auto stream = std::make_shared<dnnl::stream>(cpu());
  add_step(
      [stream, executions = std::move(executions)] {
        for (const auto& e : executions) e.run(*stream);
        stream->wait();
      },
      flops);
  steps_.back().work.precision = precision;
}

Planner::Quantized Planner::quantized_input(const Node& node, std::size_t index) {
  const auto& name = node.inputs[index];
  const float scale = ranges_.at(name) / kLargestByte;
  if (const auto it = network_bytes_.find(name); it != network_bytes_.end()) return Quantized{it->second, scale};
  const auto source = network_input(node, index);
  const auto dims = source.get_desc().dims();
  const auto bytes = network_memory(name, {dims, dnnl::memory::data_type::u8, Tag::nhwc});
  add_quantizing(source, bytes, scale);
  network_bytes_.emplace(name, bytes);
  return Quantized{bytes, scale};
}

dnnl::memory Planner::network_input(const Node& node, std::size_t index) {
  auto source = any_input(node, index);
  const auto& name = node.inputs[index];
  if (source.type() == dnnl::memory::data_type::u8) source.rows = network_rows(name);
  const auto layout = network_layout({1, source.channels, source.height, source.width});
  if (!source.plain && source.rows.get_desc() == layout) return source.rows;
  if (const auto it = network_copies_.find(name); it != network_copies_.end()) return it->second;
  auto copy = network_memory(name, layout);
  if (source.plain && source.channels <= kFewChannels) {
    add_interleaving(*source.plain, copy);
  } else {
    const auto from = source.plain ? plain_memory(layout.dims(), Tag::nchw, source.plain->data.data()) : source.rows;
    add_execution({make_reorder(from, copy)});
  }
  network_copies_.emplace(name, copy);
  return copy;
}

dnnl::memory Planner::network_output(const Node& node, const dnnl::memory::desc& layout) {
  const auto dims = layout.dims();
  make_shape(node, {dims[1], dims[2], dims[3]});  // The value becomes a plain array once somebody reads it as such.
  return network_values_.emplace(node.output, network_memory(node.output, layout)).first->second;
}

void Planner::block(const Node& node) {
  const auto margin = tensor(node, "weights", {-1, -1, -1, -1}).size(2) / 2;
  const Window window{
      .stride = integer(node, "stride", 1, 2), .top = margin, .left = margin, .bottom = margin, .right = margin};
  if (const auto& w = tensor(node, "weights", {-1, -1, -1, -1}); w.size(2) != w.size(3) || w.size(2) % 2 != 1)
    throw PlanFailure{node.output + " has a kernel that is not possible here"};
  convolve(node, window, integer(node, "relu", 0, 1) == 1);
}

void Planner::convolution(const Node& node) {
  convolve(node, window_of(node), integer(node, "relu", 0, 1) == 1);
}

Planner::Window Planner::window_of(const Node& node) {
  const auto margin = [&](const char* name) { return integer(node, name, 0, kLargestKernel); };
  return {integer(node, "stride", 1, 16),
          integer(node, "dilation", 1, 16),
          margin("top"),
          margin("left"),
          margin("bottom"),
          margin("right")};
}

Shape Planner::window_output(const Node& node, const Window& w, const Shape& in, std::int64_t channels,
                             std::int64_t height, std::int64_t width) {
  const auto side = [&](std::int64_t size, std::int64_t before, std::int64_t after, std::int64_t kernel) {
    const auto room = size + before + after - (w.dilation * (kernel - 1) + 1);
    if (kernel < 1 || kernel > kLargestKernel || room < 0)
      throw PlanFailure{node.output + " has a kernel that is not possible here"};
    return room / w.stride + 1;
  };
  return {1, channels, side(in[2], w.top, w.bottom, height), side(in[3], w.left, w.right, width)};
}

bool Planner::convolve_int8(const Node& node, const Window& window, bool has_relu) {
  if (!is_int8_ || integer(node, "groups", 1, 1 << 16) != 1) return false;
  for (const auto& name : node.inputs)
    if (!ranges_.contains(name)) return false;
  const auto channels = any_input(node).channels;
  const auto& weights = tensor(node, "weights", {-1, channels, -1, -1});
  const auto outputs = weights.size(0);
  if (channels % 8 != 0 || outputs % 8 != 0) return false;  // These channels do not fill a vector.
  const auto& bias = tensor(node, "bias", {outputs});
  const auto source = quantized_input(node, 0);
  const auto dims = source.memory.get_desc().dims();
  const Shape target_dims = window_output(node, window, dims, outputs, weights.size(2), weights.size(3));
  std::optional<Quantized> residual;
  if (node.inputs.size() > 1) {
    residual = quantized_input(node, 1);
    if (residual->memory.get_desc().dims() != target_dims)
      throw PlanFailure{node.output + " adds a value of another shape"};
  }
  const auto range = ranges_.find(node.output);
  const bool is_quantized = range != ranges_.end();
  const float target_scale = is_quantized ? range->second / kLargestByte : 1.0F;
  // The weights have 8 bits, and each filter has its own scale.
  const auto per_filter = count(weights.shape) / outputs;
  std::vector<std::int8_t> bytes(static_cast<std::size_t>(count(weights.shape)));
  std::vector<float> scales(static_cast<std::size_t>(outputs));
  dnnl::memory own_bias({{outputs}, kF32, Tag::a}, cpu());
  auto* offsets = static_cast<float*>(own_bias.get_data_handle());
  const float unit = residual ? residual->scale : target_scale;  // The sum is counted in this unit.
  for (std::int64_t o = 0; o < outputs; ++o) {
    const float* w = weights.data() + o * per_filter;
    float largest = 1e-12F;
    for (std::int64_t i = 0; i < per_filter; ++i) {
      if (!std::isfinite(w[i])) throw PlanFailure{node.output + " has weights that are not finite"};
      largest = std::max(largest, std::abs(w[i]));
    }
    const float step = largest / kLargestWeight, per_unit = 1 / step;
    for (std::int64_t i = 0; i < per_filter; ++i) {
      const float x = per_unit * w[i];
      bytes[static_cast<std::size_t>(o * per_filter + i)] =
          static_cast<std::int8_t>(static_cast<int>(x + (x < 0 ? -0.5F : 0.5F)));
    }
    scales[static_cast<std::size_t>(o)] = source.scale * step / unit;
    offsets[o] = bias.data()[o] / (source.scale * step);
  }
  using Type = dnnl::memory::data_type;
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source.memory.get_desc(),
      {weights.shape, Type::s8, Tag::any}, {{outputs}, kF32, Tag::a},
      {target_dims, is_quantized ? Type::u8 : type_, Tag::nhwc}, {window.stride, window.stride},
      {window.dilation - 1, window.dilation - 1}, {window.top, window.left}, {window.bottom, window.right});
  dnnl::post_ops after;
  if (residual) after.append_binary(dnnl::algorithm::binary_add, residual->memory.get_desc());
  if (has_relu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0, 0);
  if (unit != target_scale) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_linear, unit / target_scale, 0);
  auto attributes = own_scratchpad();
  attributes.set_output_scales(1 << 1, scales);
  attributes.set_post_ops(after);
  const dnnl::convolution_forward::primitive_desc plan(desc, attributes, cpu());
  const dnnl::memory plain({weights.shape, Type::s8, Tag::oihw}, cpu(), bytes.data());
  const auto packed = pack(weights, plain, plan.weights_desc());
  const auto target = network_output(node, plan.dst_desc());
  if (is_quantized) network_bytes_.emplace(node.output, target);
  auto execution = make_execution<dnnl::convolution_forward>(
      plan,
      {{DNNL_ARG_SRC, source.memory}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_BIAS, own_bias}, {DNNL_ARG_DST, target}});
  if (residual) execution.arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, residual->memory);
  add_execution({std::move(execution)},
                2.0 * static_cast<double>(count(weights.shape)) * static_cast<double>(target_dims[2] * target_dims[3]),
                Precision::int8);
  return true;
}

void Planner::convolve(const Node& node, const Window& window, bool has_relu) {
  if (node.numbers.contains("range")) {
    if (!has_relu) throw PlanFailure{node.output + " has a range, but its values may be negative"};
    ranges_[node.output] = static_cast<float>(number(node, "range", 1e-6, 1e6));
  }
  if (convolve_int8(node, window, has_relu)) return;
  const auto source = network_input(node, 0);
  const auto dims = source.get_desc().dims();
  const auto channels = dims[1];
  const auto groups = integer(node, "groups", 1, 1 << 16);
  if (channels % groups != 0) throw PlanFailure{node.output + " has groups that do not divide the channels"};
  const auto& weights = tensor(node, "weights", {-1, channels / groups, -1, -1});
  const auto outputs = weights.size(0);
  if (outputs % groups != 0) throw PlanFailure{node.output + " has groups that do not divide the channels"};
  const auto& bias = tensor(node, "bias", {outputs});
  const Shape target_dims = window_output(node, window, dims, outputs, weights.size(2), weights.size(3));
  std::optional<dnnl::memory> residual;
  if (node.inputs.size() > 1) {
    residual = network_input(node, 1);
    if (residual->get_desc().dims() != target_dims) throw PlanFailure{node.output + " adds a value of another shape"};
  }
  const Shape grouped = groups == 1
                            ? weights.shape
                            : Shape{groups, outputs / groups, channels / groups, weights.size(2), weights.size(3)};
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                             source.get_desc(), {grouped, type_, Tag::any}, {{outputs}, kF32, Tag::a},
                                             network_layout(target_dims), {window.stride, window.stride},
                                             {window.dilation - 1, window.dilation - 1}, {window.top, window.left},
                                             {window.bottom, window.right});
  // A residual is added on the way out, or copied into the target before and summed there.
  const auto make_plan = [&](bool is_added) {
    dnnl::post_ops after;
    if (is_added) after.append_binary(dnnl::algorithm::binary_add, network_layout(target_dims));
    if (residual && !is_added) after.append_sum(1.0F);
    if (has_relu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0, 0);
    auto attributes = own_scratchpad();
    attributes.set_post_ops(after);
    return dnnl::convolution_forward::primitive_desc(desc, attributes, cpu());
  };
  // Of oneDNN 2.6's kernels, those for bf16 add faster than they sum, and rightly unless the channels do not fill a
  // vector of eight. In fp32 they are slower, or wrong where they go through a plain product.
  constexpr std::string_view trusted = "jit_bf16";
  bool is_added = residual && type_ != kF32 && channels % 8 == 0;
  auto plan = make_plan(is_added);
  if (is_added && !std::string_view(plan.impl_info_str()).starts_with(trusted)) {
    is_added = false;
    plan = make_plan(false);
  }

  const auto packed = pack(weights, {grouped, kF32, groups == 1 ? Tag::oihw : Tag::goihw}, plan.weights_desc());
  dnnl::memory own_bias({{outputs}, kF32, Tag::a}, cpu());
  std::copy_n(bias.data(), outputs, static_cast<float*>(own_bias.get_data_handle()));

  std::vector<Execution> executions;
  const auto target = network_output(node, plan.dst_desc());
  auto execution = make_execution<dnnl::convolution_forward>(
      plan, {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_BIAS, own_bias}, {DNNL_ARG_DST, target}});
  if (is_added) execution.arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, *residual);
  if (residual && !is_added) executions.push_back(make_reorder(*residual, target));
  executions.push_back(std::move(execution));
  add_execution(std::move(executions),
                2.0 * static_cast<double>(count(weights.shape)) * static_cast<double>(target_dims[2] * target_dims[3]),
                precision());
}

void Planner::activation(const Node& node) {
  static const std::map<std::string, dnnl::algorithm> algorithms = {{"leaky_relu", dnnl::algorithm::eltwise_relu},
                                                                    {"clip", dnnl::algorithm::eltwise_clip},
                                                                    {"sigmoid", dnnl::algorithm::eltwise_logistic},
                                                                    {"hard_swish", dnnl::algorithm::eltwise_hardswish}};
  const auto source = network_input(node, 0);
  float alpha = 0, beta = 0;
  if (node.op == "leaky_relu") alpha = static_cast<float>(number(node, "slope", -10, 10));
  if (node.op == "clip") {
    alpha = static_cast<float>(number(node, "low", -1e6, 1e6));
    beta = static_cast<float>(number(node, "high", -1e6, 1e6));
  }
  const dnnl::eltwise_forward::desc desc(dnnl::prop_kind::forward_inference, algorithms.at(node.op), source.get_desc(),
                                         alpha, beta);
  const dnnl::eltwise_forward::primitive_desc plan(desc, own_scratchpad(), cpu());
  const auto target = network_output(node, plan.dst_desc());
  add_execution({make_execution<dnnl::eltwise_forward>(plan, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, target}})});
}

void Planner::binary(const Node& node) {
  const auto source = network_input(node, 0);
  const auto dims = source.get_desc().dims();
  auto other = network_input(node, 1);
  const auto other_dims = other.get_desc().dims();
  if (other_dims != dims && other_dims != Shape{1, dims[1], 1, 1})
    throw PlanFailure{node.output + " combines values of different shapes"};
  const auto algorithm = node.op == "add" ? dnnl::algorithm::binary_add : dnnl::algorithm::binary_mul;
  const dnnl::binary::desc desc(algorithm, source.get_desc(), other.get_desc(), source.get_desc());
  const dnnl::binary::primitive_desc plan(desc, own_scratchpad(), cpu());
  const auto target = network_output(node, plan.dst_desc());
  add_execution({make_execution<dnnl::binary>(
      plan, {{DNNL_ARG_SRC_0, source}, {DNNL_ARG_SRC_1, other}, {DNNL_ARG_DST, target}})});
}

void Planner::pool(const Node& node) {
  const auto source = network_input(node, 0);
  const auto dims = source.get_desc().dims();
  auto window = window_of(node);
  if (window.dilation != 1) throw PlanFailure{node.output + " has a dilation, which this operation cannot have"};
  const auto height = integer(node, "height", 0, kLargestKernel), width = integer(node, "width", 0, kLargestKernel);
  const bool is_global = height == 0 && width == 0;
  if (is_global) window = {};
  const auto target_dims =
      is_global ? Shape{1, dims[1], 1, 1} : window_output(node, window, dims, dims[1], height, width);
  const auto algorithm = node.op == "max_pool"                         ? dnnl::algorithm::pooling_max
                         : integer(node, "include_padding", 0, 1) == 1 ? dnnl::algorithm::pooling_avg_include_padding
                                                                       : dnnl::algorithm::pooling_avg_exclude_padding;
  const Shape kernel = is_global ? Shape{dims[2], dims[3]} : Shape{height, width};
  const dnnl::pooling_forward::desc desc(dnnl::prop_kind::forward_inference, algorithm, source.get_desc(),
                                         network_layout(target_dims), {window.stride, window.stride}, kernel,
                                         {window.top, window.left}, {window.bottom, window.right});
  const dnnl::pooling_forward::primitive_desc plan(desc, own_scratchpad(), cpu());
  const auto target = network_output(node, plan.dst_desc());
  add_execution({make_execution<dnnl::pooling_forward>(plan, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, target}})});
}

void Planner::upsample(const Node& node) {
  const auto source = network_input(node, 0);
  const auto factor = integer(node, "factor", 2, 16);
  auto dims = source.get_desc().dims();
  dims[2] *= factor;
  dims[3] *= factor;
  if (count(dims) > kLargestValue) throw PlanFailure{node.output + " is too large"};
  const dnnl::resampling_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::resampling_linear,
                                            source.get_desc(), network_layout(dims));
  const dnnl::resampling_forward::primitive_desc plan(desc, own_scratchpad(), cpu());
  const auto target = network_output(node, plan.dst_desc());
  add_execution({make_execution<dnnl::resampling_forward>(plan, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, target}})});
}

}  // namespace vedette
