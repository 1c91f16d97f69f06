#include "vision/onnx/onnx.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <span>

#include <vedette_onnx.pb.h>
#include "base/random.hpp"

namespace vedette {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they lie in the file");

constexpr std::int64_t kSide = 256;  // Shapes are worked out for a picture of this side; strides do not depend on it.
constexpr std::int64_t kMostElements = 1LL << 27, kMostChannels = 1LL << 14, kMostOperations = 20'000;
constexpr std::array<std::int64_t, 3> kStrides = {4, 8, 16};
constexpr int kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11;  // These are values of onnx.TensorProto.DataType.
constexpr double kUnbounded = 1e6;                               // A Clip without a bound keeps values up to this one.

/// Says why the outputs of an operation cannot be had. They may not be needed.
struct Unsupported {
  std::string reason;
};

struct Constant {
  std::vector<std::int64_t> dims;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
};

enum class Kind { other, activation, sum };

/// A value [channels, height, width] of the network.
struct Value {
  std::string name;  // The name in the nodes that are made.
  std::int64_t channels = 0, height = 0, width = 0;
  Kind kind = Kind::other;
  // The zeros (top, left, bottom, right) that Pad put around the value and that the next Conv will see.
  std::array<std::int64_t, 4> zeros = {};
  [[nodiscard]] std::int64_t stride() const {
    return height == width && height > 1 && kSide % height == 0 ? kSide / height : 0;
  }
};

/// Makes a name printable, since names come from the file.
std::string printable(std::string text) {
  if (text.size() > 100) text.resize(100);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

Constant to_constant(const onnx::TensorData& t) {
  Constant out;
  std::int64_t count = 1;
  for (auto d : t.dims()) {
    if (d < 0 || d > kMostElements) throw Unsupported{"a tensor of impossible size"};
    count *= d;
    if (count > kMostElements) throw Unsupported{"a tensor of impossible size"};
    out.dims.push_back(d);
  }
  if (t.data_location() != 0) throw Unsupported{"tensors in another file"};
  const auto n = static_cast<std::size_t>(count);
  const auto read = [&]<typename From, typename To>(From, const auto& listed, std::vector<To>& to) {
    if (!t.raw_data().empty()) {
      if (t.raw_data().size() != n * sizeof(From)) throw Unsupported{"a tensor that is cut off"};
      for (std::size_t i = 0; i < n; ++i) {
        From value;
        std::memcpy(&value, t.raw_data().data() + i * sizeof(From), sizeof(From));
        to.push_back(static_cast<To>(value));
      }
      return;
    }
    if (static_cast<std::size_t>(listed.size()) != n) throw Unsupported{"a tensor that is cut off"};
    for (auto v : listed) to.push_back(static_cast<To>(v));
  };
  switch (t.data_type()) {
    case kFloat:
      read(float{}, t.float_data(), out.floats);
      break;
    case kDouble:
      read(double{}, t.double_data(), out.floats);
      break;
    case kInt32:
      read(std::int32_t{}, t.int32_data(), out.integers);
      break;
    case kInt64:
      read(std::int64_t{}, t.int64_data(), out.integers);
      break;
    default:
      throw Unsupported{fmt::format("tensors of ONNX type {}: export the network in float32", t.data_type())};
  }
  if (!std::all_of(out.floats.begin(), out.floats.end(), [](float v) { return std::isfinite(v); }))
    throw Unsupported{"weights that are not finite"};
  return out;
}

class Reader {
 public:
  Result<Backbone> read(const onnx::Graph& graph) {
    if (graph.node_size() > kMostOperations) return invalid_input("The ONNX network has too many operations.");
    for (const auto& t : graph.initializer()) keep_constant(t.name(), t);
    for (const auto& node : graph.node())
      for (const auto& input : node.input()) ++uses_[input];
    for (const auto& output : graph.output()) ++uses_[output.name()];
    std::string picture;
    for (const auto& input : graph.input())
      if (picture.empty() && !constants_.contains(input.name())) picture = input.name();
    if (picture.empty()) return invalid_input("The ONNX network has no input.");
    values_[picture] = {"image", 3, kSide, kSide, Kind::other, {}};
    for (const auto& node : graph.node()) {
      try {
        for (const auto& input : node.input())
          if (const auto it = missing_.find(input); it != missing_.end()) throw Unsupported{it->second};
        read(node);
      } catch (const Unsupported& u) {
        for (const auto& output : node.output()) missing_[output] = u.reason;
        if (first_reason_.empty()) first_reason_ = printable(u.reason);
      }
    }
    return choose(graph);
  }

 private:
  /// The operation that is being read.
  struct Operation {
    Reader& reader;
    const onnx::Operation& node;

    [[nodiscard]] const onnx::Attribute* attribute(const char* name) const {
      for (const auto& a : node.attribute())
        if (a.name() == name) return &a;
      return nullptr;
    }
    [[nodiscard]] std::int64_t integer(const char* name, std::int64_t otherwise) const {
      const auto* a = attribute(name);
      return a ? a->i() : otherwise;
    }
    [[nodiscard]] double real(const char* name, double otherwise) const {
      const auto* a = attribute(name);
      return a ? static_cast<double>(a->f()) : otherwise;
    }
    [[nodiscard]] std::vector<std::int64_t> integers(const char* name, std::vector<std::int64_t> otherwise) const {
      const auto* a = attribute(name);
      return a ? std::vector<std::int64_t>(a->ints().begin(), a->ints().end()) : std::move(otherwise);
    }
    [[nodiscard]] bool has(int i) const { return i < node.input_size() && !node.input(i).empty(); }
    [[nodiscard]] const Constant* constant(int i) const {
      if (!has(i)) return nullptr;
      const auto it = reader.constants_.find(node.input(i));
      return it == reader.constants_.end() ? nullptr : &it->second;
    }
    [[nodiscard]] const Constant& weights(int i) const {
      const auto* c = constant(i);
      if (!c || c->floats.empty()) throw Unsupported{"weights that are no constants"};
      return *c;
    }
    /// Returns the input with this number. `with_zeros` says that the operation looks at what Pad has put around the
    /// value.
    [[nodiscard]] const Value& value(int i, bool with_zeros = false) const {
      if (has(i))
        if (const auto it = reader.values_.find(node.input(i)); it != reader.values_.end()) {
          if (!with_zeros && it->second.zeros != std::array<std::int64_t, 4>{})
            throw Unsupported{"Pad before " + node.op_type()};
          return it->second;
        }
      throw Unsupported{node.op_type() + " on something that is no map"};
    }
  };

  void keep_constant(const std::string& name, const onnx::TensorData& t) {
    try {
      constants_[name] = to_constant(t);
    } catch (const Unsupported& u) {
      missing_[name] = u.reason;
    }
  }

  void read(const onnx::Operation& node) {
    if (!node.domain().empty() && node.domain() != "ai.onnx")
      throw Unsupported{"operator " + node.domain() + "." + node.op_type()};
    if (node.output_size() == 0) return;
    const Operation o{*this, node};
    using Handler = Value (Reader::*)(const Operation&);
    static const std::map<std::string, Handler> handlers = {{"Conv", &Reader::convolution},
                                                            {"BatchNormalization", &Reader::batch_norm},
                                                            {"Relu", &Reader::relu},
                                                            {"LeakyRelu", &Reader::leaky_relu},
                                                            {"Clip", &Reader::clip},
                                                            {"Sigmoid", &Reader::sigmoid},
                                                            {"HardSigmoid", &Reader::hard_sigmoid},
                                                            {"HardSwish", &Reader::hard_swish},
                                                            {"Add", &Reader::arithmetic},
                                                            {"Sub", &Reader::arithmetic},
                                                            {"Mul", &Reader::arithmetic},
                                                            {"Div", &Reader::arithmetic},
                                                            {"MaxPool", &Reader::pool},
                                                            {"AveragePool", &Reader::pool},
                                                            {"GlobalAveragePool", &Reader::global_pool},
                                                            {"ReduceMean", &Reader::global_pool},
                                                            {"Concat", &Reader::concatenation},
                                                            {"Pad", &Reader::pad},
                                                            {"Identity", &Reader::same},
                                                            {"Dropout", &Reader::same}};
    const auto& name = node.output(0);
    if (node.op_type() == "Constant") {
      const auto* a = o.attribute("value");
      if (!a) throw Unsupported{"Constant without a tensor"};
      return keep_constant(name, a->t());
    }
    if (node.op_type() == "Identity" && o.constant(0)) {
      constants_[name] = *o.constant(0);
      return;
    }
    const auto handler = handlers.find(node.op_type());
    if (handler == handlers.end()) throw Unsupported{"operator " + node.op_type()};
    auto value = (this->*handler->second)(o);
    if (value.channels < 1 || value.channels > kMostChannels || value.height < 1 || value.width < 1 ||
        value.height > kSide || value.width > kSide)
      throw Unsupported{node.op_type() + " with a result of impossible size"};
    order_.push_back(name);
    values_[name] = std::move(value);
  }

  Value emit(const char* op, std::vector<std::string> inputs, std::map<std::string, double> numbers, Value shape,
             Kind kind) {
    shape.name = fmt::format("{}", ++made_);
    shape.kind = kind;
    shape.zeros = {};
    at_[shape.name] = out_.nodes.size();
    out_.nodes.push_back({op, shape.name, std::move(inputs), {}, std::move(numbers)});
    return shape;
  }

  /// Returns the convolution that made the value if nobody else reads the value, so that what follows may become part
  /// of it; otherwise null.
  Node* own_convolution(const Operation& o, int i) {
    const auto it = values_.find(o.node.input(i));
    if (it == values_.end() || uses_[o.node.input(i)] != 1 || shared_.contains(it->second.name)) return nullptr;
    const auto node = at_.find(it->second.name);
    if (node == at_.end() || out_.nodes[node->second].op != "convolution") return nullptr;
    auto& made = out_.nodes[node->second];
    return made.numbers.at("relu") == 0 ? &made : nullptr;
  }

  Value convolve(const Value& in, std::map<std::string, double> numbers, std::vector<std::int64_t> shape,
                 std::vector<float> weights, std::vector<float> bias, Value out) {
    out.channels = shape[0];
    numbers.emplace("relu", 0);
    auto made = emit("convolution", {in.name}, std::move(numbers), out, Kind::other);
    const auto name = "backbone." + made.name;
    out_.tensors[name + ".weight"] = Tensor::make(std::move(shape), std::move(weights));
    out_.tensors[name + ".bias"] = Tensor::make({made.channels}, std::move(bias));
    out_.nodes.back().tensors = {{"weights", name + ".weight"}, {"bias", name + ".bias"}};
    return made;
  }

  static std::map<std::string, double> numbers_of(std::int64_t stride, std::int64_t dilation,
                                                  const std::array<std::int64_t, 4>& zeros) {
    return {{"stride", static_cast<double>(stride)},   {"dilation", static_cast<double>(dilation)},
            {"top", static_cast<double>(zeros[0])},    {"left", static_cast<double>(zeros[1])},
            {"bottom", static_cast<double>(zeros[2])}, {"right", static_cast<double>(zeros[3])}};
  }

  /// How a kernel moves: strides, dilations and padding, and the height and width of the result.
  struct Window {
    std::int64_t stride, dilation;
    std::array<std::int64_t, 4> zeros;
    std::int64_t height, width;
  };
  static Window window(const Operation& o, const Value& in, std::int64_t kernel_height, std::int64_t kernel_width) {
    const auto strides = o.integers("strides", {1, 1}), dilations = o.integers("dilations", {1, 1});
    auto pads = o.integers("pads", {0, 0, 0, 0});
    if (strides.size() != 2 || strides[0] != strides[1] || strides[0] < 1 || strides[0] > 16 || dilations.size() != 2 ||
        dilations[0] != dilations[1] || dilations[0] < 1 || dilations[0] > 16 || pads.size() != 4 ||
        kernel_height < 1 || kernel_width < 1 || kernel_height > 63 || kernel_width > 63)
      throw Unsupported{o.node.op_type() + " with these strides, dilations or kernel"};
    const std::array kernel = {dilations[0] * (kernel_height - 1) + 1, dilations[0] * (kernel_width - 1) + 1};
    const auto* mode = o.attribute("auto_pad");
    if (mode && mode->s() != "NOTSET" && mode->s() != "VALID") {
      const bool more_before = mode->s() == "SAME_LOWER";
      if (!more_before && mode->s() != "SAME_UPPER") throw Unsupported{"auto_pad " + mode->s()};
      for (std::size_t a = 0; a < 2; ++a) {
        // The padding is computed for sizes that are multiples of the stride.
        const auto all = std::max<std::int64_t>(0, kernel[a] - strides[0]);
        pads[a] = more_before ? all - all / 2 : all / 2;
        pads[a + 2] = all - pads[a];
      }
    }
    Window w{.stride = strides[0], .dilation = dilations[0], .zeros = {}, .height = 0, .width = 0};
    for (std::size_t i = 0; i < 4; ++i) {
      w.zeros[i] = pads[i] + in.zeros[i];
      if (w.zeros[i] < 0 || w.zeros[i] > 63) throw Unsupported{o.node.op_type() + " with this padding"};
    }
    const std::array size = {in.height, in.width};
    for (std::size_t a = 0; a < 2; ++a) {
      auto room = size[a] + w.zeros[a] + w.zeros[a + 2] - kernel[a];
      if (room < 0) throw Unsupported{o.node.op_type() + " with a kernel larger than the map"};
      if (o.integer("ceil_mode", 0) != 0 && room % w.stride != 0) {
        w.zeros[a + 2] += w.stride - room % w.stride;
        room += w.stride - room % w.stride;
      }
      (a == 0 ? w.height : w.width) = room / w.stride + 1;
    }
    return w;
  }

  Value convolution(const Operation& o) {
    const auto& in = o.value(0, true);
    const auto& weights = o.weights(1);
    const auto groups = o.integer("group", 1);
    if (weights.dims.size() != 4 || groups < 1 || groups > in.channels || weights.dims[1] * groups != in.channels ||
        weights.dims[0] % groups != 0 || weights.dims[0] < 1)
      throw Unsupported{"Conv with weights that do not fit"};
    std::vector<float> bias(static_cast<std::size_t>(weights.dims[0]));
    if (o.has(2)) {
      if (o.weights(2).floats.size() != bias.size()) throw Unsupported{"Conv with a bias that does not fit"};
      bias = o.weights(2).floats;
    }
    const auto w = window(o, in, weights.dims[2], weights.dims[3]);
    auto numbers = numbers_of(w.stride, w.dilation, w.zeros);
    numbers.emplace("groups", static_cast<double>(groups));
    return convolve(in, std::move(numbers), weights.dims, weights.floats, std::move(bias),
                    {{}, 0, w.height, w.width, Kind::other, {}});
  }

  /// Adds x ↦ scale · x + offset for each channel.
  Value scaled(const Operation& o, int i, const std::vector<double>& scale, const std::vector<double>& offset) {
    const auto& in = o.value(i);
    const auto channels = static_cast<std::size_t>(in.channels);
    if (auto* made = own_convolution(o, i); made && made->inputs.size() == 1) {
      auto &weights = out_.tensors.at(made->tensors.at("weights")), &bias = out_.tensors.at(made->tensors.at("bias"));
      auto w = weights.copy(), b = bias.copy();
      const auto each = w.size() / channels;
      for (std::size_t k = 0; k < w.size(); ++k) w[k] = static_cast<float>(w[k] * scale[k / each]);
      for (std::size_t k = 0; k < channels; ++k) b[k] = static_cast<float>(b[k] * scale[k] + offset[k]);
      weights = Tensor::make(weights.shape, std::move(w));
      bias = Tensor::make(bias.shape, std::move(b));
      return in;
    }
    auto numbers = numbers_of(1, 1, {});
    numbers.emplace("groups", static_cast<double>(channels));
    return convolve(in, std::move(numbers), {in.channels, 1, 1, 1}, {scale.begin(), scale.end()},
                    {offset.begin(), offset.end()}, in);
  }

  Value batch_norm(const Operation& o) {
    const auto channels = static_cast<std::size_t>(o.value(0).channels);
    for (int i = 1; i <= 4; ++i)
      if (o.weights(i).floats.size() != channels) throw Unsupported{"BatchNormalization that does not fit"};
    std::vector<double> scale(channels), offset(channels);
    const double epsilon = o.real("epsilon", 1e-5);
    for (std::size_t c = 0; c < channels; ++c) {
      scale[c] = o.weights(1).floats[c] / std::sqrt(std::max(0.0, o.weights(4).floats[c] + epsilon));
      offset[c] = o.weights(2).floats[c] - o.weights(3).floats[c] * scale[c];
      if (!std::isfinite(scale[c]) || !std::isfinite(offset[c]))
        throw Unsupported{"BatchNormalization that divides by zero"};
    }
    return scaled(o, 0, scale, offset);
  }

  Value activated(const Operation& o, const char* op, std::map<std::string, double> numbers) {
    const auto& in = o.value(0);
    return emit(op, {in.name}, std::move(numbers), in, in.kind == Kind::sum ? Kind::sum : Kind::activation);
  }
  Value relu(const Operation& o) {
    const auto& in = o.value(0);
    auto* made = own_convolution(o, 0);
    if (!made) return activated(o, "leaky_relu", {{"slope", 0}});
    made->numbers["relu"] = 1;
    auto out = in;
    if (out.kind != Kind::sum) out.kind = Kind::activation;
    return out;
  }
  Value leaky_relu(const Operation& o) { return activated(o, "leaky_relu", {{"slope", o.real("alpha", 0.01)}}); }
  Value clip(const Operation& o) {
    const auto bound = [&](int i, const char* name, double otherwise) {
      if (!o.has(i)) return o.real(name, otherwise);
      const auto& c = o.weights(i);
      return static_cast<double>(c.floats[0]);
    };
    const double low = bound(1, "min", -kUnbounded), high = bound(2, "max", kUnbounded);
    return activated(o, "clip", {{"low", std::max(low, -kUnbounded)}, {"high", std::min(high, kUnbounded)}});
  }
  Value sigmoid(const Operation& o) { return activated(o, "sigmoid", {}); }
  Value hard_swish(const Operation& o) { return activated(o, "hard_swish", {}); }
  Value hard_sigmoid(const Operation& o) {
    const auto channels = static_cast<std::size_t>(o.value(0).channels);
    const auto in = scaled(o, 0, std::vector<double>(channels, o.real("alpha", 0.2)),
                           std::vector<double>(channels, o.real("beta", 0.5)));
    return emit("clip", {in.name}, {{"low", 0}, {"high", 1}}, in, Kind::activation);
  }

  Value arithmetic(const Operation& o) {
    const auto& op = o.node.op_type();
    if (o.node.input_size() != 2) throw Unsupported{op + " without two inputs"};
    if (o.constant(0) || o.constant(1)) {
      const int i = o.constant(0) ? 1 : 0;
      const auto& c = o.weights(1 - i);
      const auto& in = o.value(i);
      const auto channels = static_cast<std::size_t>(in.channels);
      // The constant may vary along the channels alone: [C,1,1], with or without ones before it.
      const bool by_channel =
          c.dims.size() >= 3 && c.dims[c.dims.size() - 3] == in.channels && c.floats.size() == channels;
      if (c.floats.size() != 1 && !by_channel) throw Unsupported{op + " with such a constant"};
      std::vector<double> scale(channels, 1), offset(channels);
      for (std::size_t k = 0; k < channels; ++k) {
        const double v = c.floats[by_channel ? k : 0];
        if (op == "Add") offset[k] = v;
        if (op == "Mul") scale[k] = v;
        if (op == "Sub") offset[k] = i == 0 ? -v : v, scale[k] = i == 0 ? 1 : -1;
        if (op == "Div") scale[k] = 1 / v;
        if (!std::isfinite(scale[k])) throw Unsupported{"Div by zero"};
      }
      if (op == "Div" && i == 1) throw Unsupported{"Div by a map"};
      return scaled(o, i, scale, offset);
    }
    if (op == "Sub" || op == "Div") throw Unsupported{op + " of two maps"};
    const auto *a = &o.value(0), *b = &o.value(1);
    const auto is_map = [](const Value& v) { return v.height > 1 || v.width > 1; };
    if (!is_map(*a) && is_map(*b)) std::swap(a, b);
    const bool is_equal = a->height == b->height && a->width == b->width;
    if (a->channels != b->channels || (!is_equal && is_map(*b))) throw Unsupported{op + " of maps of different shapes"};
    if (op == "Mul") return emit("multiply", {a->name, b->name}, {}, *a, Kind::activation);
    // If the later one of the two is a convolution, it adds the other to what it makes.
    for (int i = 0; i < 2 && is_equal; ++i) {
      auto* made = own_convolution(o, i);
      const auto &own = o.value(i), &other = o.value(1 - i);
      if (!made || made->inputs.size() != 1 || own.name == other.name) continue;
      if (const auto it = at_.find(other.name); it != at_.end() && it->second > at_.at(own.name)) continue;
      made->inputs.push_back(other.name);
      auto out = own;
      out.kind = Kind::sum;
      return out;
    }
    return emit("add", {a->name, b->name}, {}, *a, is_equal && is_map(*a) ? Kind::sum : Kind::other);
  }

  Value pool(const Operation& o) {
    const auto& in = o.value(0);
    const auto kernel = o.integers("kernel_shape", {});
    const bool is_mean = o.node.op_type() == "AveragePool";
    if (kernel.size() != 2 || (is_mean && o.integer("ceil_mode", 0) != 0))
      throw Unsupported{o.node.op_type() + " of this kind"};
    const auto w = window(o, in, kernel[0], kernel[1]);
    if (w.dilation != 1) throw Unsupported{o.node.op_type() + " with dilations"};
    auto numbers = numbers_of(w.stride, 1, w.zeros);
    numbers.emplace("height", static_cast<double>(kernel[0]));
    numbers.emplace("width", static_cast<double>(kernel[1]));
    if (is_mean) numbers.emplace("include_padding", static_cast<double>(o.integer("count_include_pad", 0)));
    return emit(is_mean ? "mean_pool" : "max_pool", {in.name}, std::move(numbers),
                {{}, in.channels, w.height, w.width, Kind::other, {}}, Kind::other);
  }

  Value global_pool(const Operation& o) {
    const auto& in = o.value(0);
    if (o.node.op_type() == "ReduceMean") {
      auto axes = o.integers("axes", {});
      if (const auto* c = o.constant(1)) axes = c->integers;
      for (auto& a : axes) a = a < 0 ? a + 4 : a;
      std::sort(axes.begin(), axes.end());
      if (axes != std::vector<std::int64_t>{2, 3} || o.integer("keepdims", 1) != 1)
        throw Unsupported{"ReduceMean over these axes"};
    }
    auto numbers = numbers_of(1, 1, {});
    for (const auto* name : {"height", "width", "include_padding"}) numbers.emplace(name, 0);
    return emit("mean_pool", {in.name}, std::move(numbers), {{}, in.channels, 1, 1, Kind::other, {}}, Kind::other);
  }

  Value concatenation(const Operation& o) {
    if (o.integer("axis", 1) != 1 && o.integer("axis", 1) != -3) throw Unsupported{"Concat along this axis"};
    std::vector<std::string> inputs;
    Value out = o.value(0);
    out.channels = 0;
    for (int i = 0; i < o.node.input_size(); ++i) {
      const auto& in = o.value(i);
      if (in.height != out.height || in.width != out.width) throw Unsupported{"Concat of maps of different sizes"};
      out.channels += in.channels;
      inputs.push_back(in.name);
    }
    return emit("concatenate", std::move(inputs), {}, out, Kind::activation);
  }

  Value pad(const Operation& o) {
    auto value = o.value(0, true);
    auto pads = o.integers("pads", {});
    if (const auto* c = o.constant(1)) pads = c->integers;
    const auto* mode = o.attribute("mode");
    const double filling = o.has(2) ? o.weights(2).floats[0] : o.real("value", 0);
    if (pads.size() != 8 || (mode && mode->s() != "constant") || filling != 0 || pads[0] || pads[1] || pads[4] ||
        pads[5] || std::any_of(pads.begin(), pads.end(), [](auto p) { return p < 0 || p > 63; }))
      throw Unsupported{"Pad of this kind"};
    shared_.insert(value.name);
    const std::array by_side = {pads[2], pads[3], pads[6], pads[7]};
    for (std::size_t i = 0; i < 4; ++i) value.zeros[i] += by_side[i];
    return value;
  }

  Value same(const Operation& o) {
    shared_.insert(o.value(0, true).name);
    return o.value(0, true);
  }

  Result<Backbone> choose(const onnx::Graph& graph) {
    std::array<const Value*, 3> chosen = {}, shown = {};
    for (std::size_t m = 0; m < kStrides.size(); ++m) {
      const auto has_stride = [&](const Value& v) {
        return v.stride() == kStrides[m] && v.name != "image" && v.zeros == std::array<std::int64_t, 4>{};
      };
      for (const auto& output : graph.output())
        if (const auto it = values_.find(output.name()); it != values_.end() && has_stride(it->second))
          shown[m] = &it->second;
      for (const auto& name : order_) {
        const auto& v = values_.at(name);
        if (has_stride(v) && (!chosen[m] || v.kind >= chosen[m]->kind)) chosen[m] = &v;
      }
    }
    if (std::all_of(shown.begin(), shown.end(), [](const auto* v) { return v != nullptr; })) chosen = shown;
    for (std::size_t m = 0; m < chosen.size(); ++m)
      if (!chosen[m])
        return invalid_input(fmt::format(
            "The ONNX network has no map at stride {}{}.", kStrides[m],
            first_reason_.empty() ? std::string() : ", as far as it is understood: it needs " + first_reason_));
    for (std::size_t m = 0; m < chosen.size(); ++m) {
      const auto v = *chosen[m];
      out_.maps[m] = v.name;
      out_.channels[m] = v.channels;
      if (v.channels <= kMostMapChannels) continue;
      Random random(m);
      std::vector<float> weights(static_cast<std::size_t>(kMostMapChannels * v.channels));
      for (auto& w : weights)
        w = static_cast<float>(random.normal() / std::sqrt(static_cast<double>(kMostMapChannels)));
      auto numbers = numbers_of(1, 1, {});
      numbers.emplace("groups", 1);
      out_.maps[m] = convolve(v, std::move(numbers), {kMostMapChannels, v.channels, 1, 1}, std::move(weights),
                              std::vector<float>(static_cast<std::size_t>(kMostMapChannels)), v)
                         .name;
      out_.channels[m] = kMostMapChannels;
    }
    drop_the_rest();
    return std::move(out_);
  }

  /// Removes what the maps do not need.
  void drop_the_rest() {
    std::set<std::string> needed(out_.maps.begin(), out_.maps.end()), tensors;
    std::vector<Node> kept;
    for (auto node = out_.nodes.rbegin(); node != out_.nodes.rend(); ++node) {
      if (!needed.contains(node->output)) continue;
      needed.insert(node->inputs.begin(), node->inputs.end());
      for (const auto& [role, name] : node->tensors) tensors.insert(name);
      kept.push_back(std::move(*node));
    }
    out_.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
    std::erase_if(out_.tensors, [&](const auto& entry) { return !tensors.contains(entry.first); });
  }

  Backbone out_;
  std::map<std::string, Constant> constants_;
  std::map<std::string, Value> values_;         // The key is the name in the file.
  std::map<std::string, std::string> missing_;  // The value says why it is missing.
  std::map<std::string, int> uses_;             // How often operations read a value, or the network returns it.
  std::set<std::string> shared_;                // The values that have two names.
  std::map<std::string, std::size_t> at_;       // The number of the node that makes each value.
  std::vector<std::string> order_;              // The order of the values.
  std::string first_reason_;
  int made_ = 0;
};

}  // namespace

Result<Backbone> read_onnx_backbone(std::string_view bytes) {
  onnx::Model model;
  if (bytes.size() > kOnnxFileLimit || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      !model.has_graph() || model.graph().node_size() == 0)
    return invalid_input("The file is no ONNX network.");
  return Reader().read(model.graph());
}

}  // namespace vedette
