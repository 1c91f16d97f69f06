#pragma once

#include <cmath>
#include <dnnl.hpp>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "vision/infer/graph.hpp"
#include "vision/infer/registration.hpp"

/// Turns a model's nodes into steps. Internal to vision/infer: graph.cpp holds the table of operations and the small
/// operations, networks.cpp the convolutions, channels_last.cpp what joins their maps, distances.cpp the comparisons
/// with what good pictures look like, edges.cpp the energies of edges, patches.cpp what looks at small patches of pixels,
/// summary.cpp what judges pictures as a whole, and refine.cpp what draws single pixels.
namespace vedette {

using Value = Graph::Value;
using Shape = std::vector<std::int64_t>;
using Tag = dnnl::memory::format_tag;
inline constexpr auto kF32 = dnnl::memory::data_type::f32;

/// The message for the Error that plan() returns.
struct PlanFailure {
  std::string message;
};

inline std::int64_t count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

inline const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Returns the type of networks' values and products.
dnnl::memory::data_type type_of(Precision precision);

/// A tensor as a primitive reads it.
struct PackedWeights {
  std::shared_ptr<const float> source;
  dnnl::memory memory;
};

/// A primitive with its arguments, ready to run on this thread.
struct Execution {
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory> arguments;
  void run(dnnl::stream& stream) const { primitive.execute(stream, arguments); }
};

inline dnnl::memory plain_memory(const Shape& dims, Tag tag, const float* data) {
  return {{dims, kF32, tag}, cpu(), const_cast<float*>(data)};
}

/// oneDNN's own scratchpad belongs to the thread that planned. A graph may run on any thread and beside others, so it
/// brings its own.
inline dnnl::primitive_attr own_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// Plans one node after the other.
class Planner {
 public:
  Planner(const std::map<std::string, Tensor>& tensors, std::map<std::string, std::unique_ptr<Value>>& values,
          std::vector<Graph::Step>& steps, std::vector<std::shared_ptr<const PackedWeights>>& packed,
          BufferPool& buffers, Precision precision)
      : tensors_(tensors),
        values_(values),
        steps_(steps),
        packed_(packed),
        buffers_(buffers),
        type_(type_of(precision)),
        is_int8_(precision == Precision::int8 && multiplies_int8()) {}

  /// Makes the value "image".
  void start(int height, int width);
  void plan(const Node& node);
  /// Says that no later node reads the value, so that its memory may be used again.
  void release(const std::string& name);
  /// Makes the outputs plain arrays.
  void finish(const std::vector<std::string>& outputs);

 private:
  // In floats; a hostile manifest must not make this process allocate more.
  static constexpr std::int64_t kLargestValue = 1LL << 29;

  // These methods are defined in graph.cpp.
  /// Returns an input as a plain array. A value that networks left in oneDNN's layout is made a plain array once.
  const Value& input(const Node& node, std::size_t rank, std::size_t index = 0);
  Value& make_output(const Node& node, Shape shape);
  /// Makes an output without memory.
  Value& make_shape(const Node& node, Shape shape);
  /// Returns memory that belongs to the value until the value is released.
  float* buffer(const std::string& owner, std::size_t bytes);
  /// Adds a step of the node that is being planned; `flops` are fp32.
  void add_step(std::function<void()> run, double flops = 0) {
    steps_.push_back({{op_, flops, Precision::fp32}, std::move(run)});
  }
  static constexpr const char* kTransient = " ";  ///< The owner of memory that is needed only while one node runs.
  const Tensor& tensor(const Node& node, const std::string& role, const Shape& shape);
  static double number(const Node& node, const std::string& name, double low, double high);
  static std::int64_t integer(const Node& node, const std::string& name, std::int64_t low, std::int64_t high);
  void register_picture(const Node& node);
  void warp(const Node& node, void (*function)(const float*, float*, int, int, int, const RigidTransform&, double));
  void warp_to(const Node& node) { warp(node, warp_to_reference); }
  void warp_from(const Node& node) { warp(node, warp_from_reference); }
  void light_normalize(const Node& node);
  template <typename F>
  void element_wise(const Node& node, F function);
  void softplus(const Node& node);
  void affine(const Node& node);
  void logarithm(const Node& node);
  void stack(const Node& node);
  void slice(const Node& node);
  void channels(const Node& node);
  void scale_cells(const Node& node);
  void blur(const Node& node);

  // This method is defined in edges.cpp.
  void edge_energies(const Node& node);

  static constexpr std::int64_t kLargestSide = 4096;  // Of the close picture.
  void close_picture(const Node& node);

  // This method is defined in patches.cpp.
  void patch_mixture(const Node& node);

  // These methods are defined in summary.cpp.
  void summarize_rows(const Node& node);
  void probe(const Node& node);

  // This method is defined in refine.cpp.
  void refine(const Node& node);

  // These methods are defined in channels_last.cpp.
  /// A value [C,H,W] in any form; it is not changed into another form.
  struct Source {
    const Value* plain = nullptr;  ///< Null if `rows` has the value.
    dnnl::memory rows;             ///< [1,C,H,W], channels last
    std::int64_t channels, height, width;
    float scale = 1;  ///< What a step of one stands for, if the values are bytes.
    [[nodiscard]] dnnl::memory::data_type type() const { return plain ? kF32 : rows.get_desc().data_type(); }
    [[nodiscard]] const void* data() const { return plain ? plain->data.data() : rows.get_data_handle(); }
  };
  Source any_input(const Node& node, std::size_t index = 0);
  /// A picture has so few channels, for which oneDNN's reorder is slow.
  static constexpr std::int64_t kFewChannels = 4;
  void add_interleaving(const Value& plain, const dnnl::memory& rows);
  /// Makes an output in fp32, channels last.
  float* make_rows(const Node& node, std::int64_t channels, std::int64_t height, std::int64_t width);
  void average_pool(const Node& node);
  void concatenate(const Node& node);
  void tokens(const Node& node);

  // These methods are defined in networks.cpp.
  static constexpr std::int64_t kLargestKernel = 63;
  /// How a kernel moves over a value.
  struct Window {
    std::int64_t stride = 1, dilation = 1, top = 0, left = 0, bottom = 0, right = 0;
  };
  static Window window_of(const Node& node);
  static Shape window_output(const Node& node, const Window& window, const Shape& in, std::int64_t channels,
                             std::int64_t height, std::int64_t width);
  void convolve(const Node& node, const Window& window, bool has_relu);
  /// Returns false, and plans nothing, where int8 is not wanted or not possible.
  bool convolve_int8(const Node& node, const Window& window, bool has_relu);
  static constexpr float kLargestByte = 255, kLargestWeight = 127;
  /// A value ≥ 0 in 8 bits: x ≈ scale · byte.
  struct Quantized {
    dnnl::memory memory;  ///< [1,C,H,W] u8, channels last
    float scale;
  };
  /// Returns what an operation left, if it is not in 8 bits.
  dnnl::memory network_rows(const std::string& name);
  /// Returns an input that has a range in 8 bits.
  Quantized quantized_input(const Node& node, std::size_t index);
  void add_quantizing(const dnnl::memory& rows, const dnnl::memory& bytes, float scale);
  void add_dequantizing(const dnnl::memory& bytes, const dnnl::memory& rows, float scale);
  void block(const Node& node);
  void convolution(const Node& node);
  void activation(const Node& node);
  void binary(const Node& node);
  void pool(const Node& node);
  void upsample(const Node& node);
  /// Returns an input [C,H,W] as networks keep it.
  dnnl::memory network_input(const Node& node, std::size_t index);
  dnnl::memory network_output(const Node& node, const dnnl::memory::desc& layout);
  /// Returns the layout of networks' values: channels last. oneDNN's products are as fast on it as on any other, and
  /// its rows are the tokens.
  [[nodiscard]] dnnl::memory::desc network_layout(const Shape& dims) const { return {dims, type_, Tag::nhwc}; }
  dnnl::memory network_memory(const std::string& owner, const dnnl::memory::desc& layout) {
    return {layout, cpu(), buffer(owner, layout.get_size())};
  }
  /// Makes an execution. The plan must have been made with own_scratchpad().
  template <typename Primitive>
  Execution make_execution(const typename Primitive::primitive_desc& plan,
                           std::unordered_map<int, dnnl::memory> arguments) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, network_memory(kTransient, plan.scratchpad_desc()));
    return {Primitive(plan), std::move(arguments)};
  }
  Execution make_reorder(const dnnl::memory& from, const dnnl::memory& to) {
    return make_execution<dnnl::reorder>(dnnl::reorder::primitive_desc(from, to, own_scratchpad()),
                                         {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  }
  /// Returns the tensor, which `plain` describes, arranged as `layout`. It is in memory once for all graphs of all
  /// models that want the same.
  const dnnl::memory& pack(const Tensor& tensor, const dnnl::memory::desc& plain, const dnnl::memory::desc& layout);
  const dnnl::memory& pack(const Tensor& tensor, dnnl::memory from, const dnnl::memory::desc& layout);
  void add_execution(std::vector<Execution> executions, double flops = 0, Precision precision = Precision::fp32);
  void make_plain(const std::string& name);

  // These methods are defined in distances.cpp.
  void project(const Node& node);
  /// Returns the row ranges of the groups: offsets into a tensor's first axis, rising from 0 to its length.
  std::vector<std::int64_t> group_offsets(const Node& node, std::int64_t rows);
  void nearest_distance(const Node& node);
  void position_subspace(const Node& node);
  void nearest_other_group(const Node& node);

  const std::map<std::string, Tensor>& tensors_;
  std::map<std::string, std::unique_ptr<Value>>& values_;
  std::vector<Graph::Step>& steps_;
  std::vector<std::shared_ptr<const PackedWeights>>& packed_;
  BufferPool& buffers_;
  /// The precision of networks' products, except those in int8.
  [[nodiscard]] Precision precision() const { return type_ == kF32 ? Precision::fp32 : Precision::bf16; }
  const dnnl::memory::data_type type_;       ///< The type of networks' values and products.
  const bool is_int8_;                       ///< Whether products of values with ranges are int8.
  std::string op_;                           ///< The operation of the node that is being planned.
  std::multimap<std::string, float*> held_;  ///< The blocks of memory that each value holds.
  // The memory is [1,C,H,W], channels last. A value may be in more than one of these forms:
  std::map<std::string, dnnl::memory> network_values_;  ///< The value as an operation left it, if not as a plain array.
  std::map<std::string, dnnl::memory> network_copies_;  ///< The value as networks read it.
  std::map<std::string, dnnl::memory> network_bytes_;   ///< The value in u8, by its range.
  std::map<std::string, float> ranges_;
};

}  // namespace vedette
