#include <algorithm>
#include <optional>

#include "vision/infer/planner.hpp"

namespace vedette {
namespace {

/// bf16 where the processor multiplies it at twice the rate or more, else fp32.
dnnl::memory::data_type network_type() {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool fast = isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
  return fast ? dnnl::memory::data_type::bf16 : kF32;
}

}  // namespace

void Planner::make_plain(const std::string& name) {
  const auto it = network_values_.find(name);
  if (it == network_values_.end()) return;
  auto& value = *values_.at(name);
  value.data.resize(static_cast<std::size_t>(count(value.shape)));
  const auto from = it->second;
  const auto to = plain_memory({1, value.shape[0], value.shape[1], value.shape[2]}, Tag::nchw, value.data.data());
  network_values_.erase(it);
  plain_copies_.emplace(name, from);
  add_execution({make_reorder(from, to)});
}

void Planner::add_execution(std::vector<Execution> executions) {
  auto stream = std::make_shared<dnnl::stream>(cpu());
  steps_.emplace_back([stream, executions = std::move(executions)] {
    for (const auto& e : executions) e.run(*stream);
    stream->wait();
  });
}

dnnl::memory Planner::network_input(const Node& node, std::size_t index) {
  if (index >= node.inputs.size()) throw PlanFailure{node.output + " lacks an input"};
  const auto& name = node.inputs[index];
  for (const auto* held : {&network_values_, &plain_copies_})
    if (const auto it = held->find(name); it != held->end()) return it->second;
  const auto& value = input(node, 3, index);
  const auto plain = plain_memory({1, value.shape[0], value.shape[1], value.shape[2]}, Tag::nchw, value.data.data());
  if (network_type() == kF32) return plain;
  dnnl::memory reduced({plain.get_desc().dims(), network_type(), Tag::nchw}, cpu());
  add_execution({make_reorder(plain, reduced)});
  plain_copies_.emplace(name, reduced);
  return reduced;
}

dnnl::memory Planner::network_output(const Node& node, const dnnl::memory::desc& layout) {
  const auto dims = layout.dims();
  auto& out = make_output(node, {dims[1], dims[2], dims[3]});
  out.data = {};  // until somebody reads it as a plain array
  return network_values_.emplace(node.output, dnnl::memory(layout, cpu())).first->second;
}

void Planner::block(const Node& node) {
  const auto source = network_input(node, 0);
  const auto dims = source.get_desc().dims();
  const auto channels = dims[1];
  const auto groups = integer(node, "groups", 1, 1024), stride = integer(node, "stride", 1, 2);
  const bool has_relu = integer(node, "relu", 0, 1) == 1;
  if (channels % groups != 0) throw PlanFailure{node.output + ": groups do not divide the channels"};
  const auto& weights = tensor(node, "weights", {-1, channels / groups, -1, -1});
  const auto outputs = weights.size(0), kernel = weights.size(2);
  if (kernel != weights.size(3) || kernel % 2 != 1 || kernel > 31 || outputs % groups != 0)
    throw PlanFailure{node.output + ": bad kernel"};
  const auto& bias = tensor(node, "bias", {outputs});
  const auto margin = kernel / 2;
  const Shape target_dims = {1, outputs, (dims[2] - 1) / stride + 1, (dims[3] - 1) / stride + 1};
  const auto type = network_type();

  dnnl::post_ops after;
  std::optional<dnnl::memory> residual;
  if (node.inputs.size() > 1) {
    residual = network_input(node, 1);
    if (residual->get_desc().dims() != target_dims) throw PlanFailure{node.output + " adds a value of another shape"};
    // Copied into the target first: with a binary post-op some bf16 kernels of oneDNN 2.6 are wrong.
    after.append_sum(1.0F);
  }
  if (has_relu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0, 0);
  auto attributes = own_scratchpad();
  attributes.set_post_ops(after);
  const Shape grouped =
      groups == 1 ? weights.shape : Shape{groups, outputs / groups, channels / groups, kernel, kernel};
  // A thin picture stays plain (oneDNN has kernels for that); all else gets the layout it likes best.
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      channels <= 4 ? source.get_desc() : dnnl::memory::desc(dims, type, Tag::any), {grouped, type, Tag::any},
      {{outputs}, kF32, Tag::a}, {target_dims, type, Tag::any}, {stride, stride}, {margin, margin}, {margin, margin});
  const dnnl::convolution_forward::primitive_desc plan(desc, attributes, cpu());

  dnnl::stream stream(cpu());
  auto plain_weights = plain_memory(grouped, groups == 1 ? Tag::oihw : Tag::goihw, weights.data());
  dnnl::memory packed_weights(plan.weights_desc(), cpu());
  dnnl::reorder(plain_weights, packed_weights).execute(stream, plain_weights, packed_weights);
  dnnl::memory own_bias({{outputs}, kF32, Tag::a}, cpu());
  std::copy_n(bias.data(), outputs, static_cast<float*>(own_bias.get_data_handle()));
  stream.wait();

  std::vector<Execution> executions;
  auto arranged = source;
  if (plan.src_desc() != source.get_desc()) {
    arranged = dnnl::memory(plan.src_desc(), cpu());
    executions.push_back(make_reorder(source, arranged));
  }
  const auto target = network_output(node, plan.dst_desc());
  auto execution = make_execution<dnnl::convolution_forward>(plan, {{DNNL_ARG_SRC, arranged},
                                                                    {DNNL_ARG_WEIGHTS, packed_weights},
                                                                    {DNNL_ARG_BIAS, own_bias},
                                                                    {DNNL_ARG_DST, target}});
  if (residual) executions.push_back(make_reorder(*residual, target));
  executions.push_back(std::move(execution));
  add_execution(std::move(executions));
}

void Planner::upsample(const Node& node) {
  const auto source = network_input(node, 0);
  const auto factor = integer(node, "factor", 2, 16);
  auto dims = source.get_desc().dims();
  dims[2] *= factor;
  dims[3] *= factor;
  if (count(dims) > kLargestValue) throw PlanFailure{node.output + " is too large"};
  const dnnl::resampling_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::resampling_linear,
                                            source.get_desc(), {dims, network_type(), Tag::any});
  const dnnl::resampling_forward::primitive_desc plan(desc, own_scratchpad(), cpu());
  const auto target = network_output(node, plan.dst_desc());
  add_execution({make_execution<dnnl::resampling_forward>(plan, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, target}})});
}

}  // namespace vedette
