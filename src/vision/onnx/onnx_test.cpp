#include "vision/onnx/onnx.hpp"

#include <gtest/gtest.h>
#include <vedette_onnx.pb.h>

#include <limits>

#include "base/random.hpp"

namespace vedette {
namespace {

/// A network that is being made.
struct Network {
  onnx::Model model;

  Network() { model.mutable_graph()->add_input()->set_name("picture"); }
  onnx::Graph& graph() { return *model.mutable_graph(); }
  onnx::TensorData& tensor(const std::string& name, const std::vector<std::int64_t>& dims, float value) {
    auto& t = *graph().add_initializer();
    t.set_name(name);
    t.set_data_type(1);
    std::int64_t count = 1;
    for (auto d : dims) t.add_dims(d), count *= d;
    for (std::int64_t i = 0; i < count; ++i) t.add_float_data(value);
    return t;
  }
  onnx::Operation& add(const std::string& type, const std::vector<std::string>& inputs, const std::string& output) {
    auto& node = *graph().add_node();
    node.set_op_type(type);
    for (const auto& i : inputs) node.add_input(i);
    node.add_output(output);
    return node;
  }
  static void set(onnx::Operation& node, const std::string& name, const std::vector<std::int64_t>& values) {
    auto& a = *node.add_attribute();
    a.set_name(name);
    for (auto v : values) a.add_ints(v);
  }
  void convolve(const std::string& in, const std::string& out, std::int64_t channels, std::int64_t outputs,
                std::int64_t stride) {
    tensor(out + ".w", {outputs, channels, 3, 3}, 0.1F);
    auto& node = add("Conv", {in, out + ".w"}, out);
    set(node, "strides", {stride, stride});
    set(node, "pads", {1, 1, 1, 1});
  }
  [[nodiscard]] Result<Backbone> read() const { return read_onnx_backbone(model.SerializeAsString()); }
};

/// Makes a network with strides 2, 4, 8 and 16, and a classifier that is not understood.
Network small() {
  Network n;
  n.convolve("picture", "a", 3, 4, 2);
  n.convolve("a", "b", 4, 8, 2);
  n.add("Relu", {"b"}, "b.relu");
  n.convolve("b.relu", "c", 8, 8, 2);
  n.convolve("c", "d", 8, 8, 1);
  n.add("Add", {"d", "c"}, "sum");
  n.add("Relu", {"sum"}, "sum.relu");
  n.convolve("sum.relu", "e", 8, 16, 2);
  n.add("Softmax", {"e"}, "classes");
  n.graph().add_output()->set_name("classes");
  return n;
}

TEST(Onnx, MapsAreTheLastOfEachStrideAndTheHeadIsLeftOut) {
  const auto backbone = small().read();
  ASSERT_TRUE(backbone) << backbone.error().message;
  EXPECT_EQ(backbone->channels, (std::array<std::int64_t, 3>{8, 8, 16}));
  // Activations and the residual became part of the convolutions.
  ASSERT_EQ(backbone->nodes.size(), 5U);
  EXPECT_EQ(backbone->nodes[3].inputs.size(), 2U);
  EXPECT_EQ(backbone->nodes[3].numbers.at("relu"), 1);
  EXPECT_EQ(backbone->nodes[3].output, backbone->maps[1]);
  EXPECT_EQ(backbone->tensors.size(), 10U);
}

TEST(Onnx, BatchNormsAreFolded) {
  auto n = small();
  n.convolve("e", "f", 16, 2, 1);
  for (const auto& [name, value] : {std::pair("scale", 2.0F), {"offset", 1.0F}, {"mean", 0.5F}, {"variance", 4.0F}})
    n.tensor(name, {2}, value);
  n.add("BatchNormalization", {"f", "scale", "offset", "mean", "variance"}, "g");
  n.add("Relu", {"g"}, "h");
  const auto backbone = n.read();
  ASSERT_TRUE(backbone) << backbone.error().message;
  const auto& last = backbone->nodes.back();
  EXPECT_EQ(last.output, backbone->maps[2]);
  EXPECT_NEAR(backbone->tensors.at(last.tensors.at("weights")).data()[0], 0.1, 1e-4);
  EXPECT_NEAR(backbone->tensors.at(last.tensors.at("bias")).data()[0], 0.5, 1e-4);
}

TEST(Onnx, OutputsOfAllThreeStridesAreTheMaps) {
  auto n = small();
  for (const auto* name : {"b", "c", "e"}) n.graph().add_output()->set_name(name);
  const auto backbone = n.read();
  ASSERT_TRUE(backbone) << backbone.error().message;
  EXPECT_EQ(backbone->nodes.size(), 6U);  // The value b is an output, so its activation stands apart.
  EXPECT_EQ(backbone->maps[1], backbone->nodes[3].output);
}

TEST(Onnx, AnOperatorThatIsNotReadIsNamed) {
  EXPECT_NE(read_onnx_backbone("nonsense").error().message.find("no ONNX network"), std::string::npos);
  auto n = small();
  n.graph().mutable_node(5)->set_op_type("Einsum");
  n.graph().mutable_node(6)->set_op_type("Einsum");
  EXPECT_NE(n.read().error().message.find("stride 16, as far as it is understood: it needs operator Einsum"),
            std::string::npos);
}

TEST(Onnx, TensorsThatLieAreRefused) {
  for (int lie = 0; lie < 6; ++lie) {
    auto n = small();
    auto& t = *n.graph().mutable_initializer(0);
    if (lie == 0) t.set_dims(0, 1LL << 60);
    if (lie == 1) t.set_dims(0, -4);
    if (lie == 2) t.set_raw_data("short");
    if (lie == 3) t.set_float_data(0, std::numeric_limits<float>::quiet_NaN());
    if (lie == 4) t.set_data_type(10);
    if (lie == 5) t.set_data_location(1);
    EXPECT_FALSE(n.read()) << lie;
  }
}

TEST(Onnx, SpoiltFilesAreRefusedOrRead) {
  const auto whole = small().model.SerializeAsString();
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    auto spoilt = whole;
    for (int k = 0; k < 3; ++k) spoilt[random.below(spoilt.size())] = static_cast<char>(random.below(256));
    if (i % 4 == 0) spoilt.resize(random.below(spoilt.size()));
    const auto backbone = read_onnx_backbone(spoilt);
    EXPECT_TRUE(backbone || !backbone.error().message.empty());
  }
}

}  // namespace
}  // namespace vedette
