#include "vision/backbone/backbone.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

TEST(Backbone, TheShippedOneHasFourStagesOfFiniteWeights) {
  const auto& backbone = shipped_backbone();
  double weights = 0;
  for (const auto& [name, tensor] : backbone.tensors)
    for (float value : tensor.values()) {
      ASSERT_TRUE(std::abs(value) < 1e4F) << name;
      ++weights;
    }
  EXPECT_GT(weights, 1e6);
  std::vector<Node> nodes;
  const auto maps = backbone.append(nodes, "a.", "image");
  EXPECT_EQ(maps[2], nodes.back().output);
  EXPECT_EQ(nodes.front().inputs, std::vector<std::string>{"image"});
  EXPECT_EQ(nodes.size() * 2, backbone.tensors.size());
}

TEST(Backbone, WeightsThatDoNotFitTogetherAreRefused) {
  auto tensors = shipped_backbone().tensors;
  std::map<std::string, Tensor> plain;
  for (const auto& [name, tensor] : tensors) plain[name.substr(9)] = tensor;
  EXPECT_TRUE(parse_backbone(to_safetensors(plain)));
  auto wrong = plain;
  wrong["stages.1.1.bias"] = Tensor::make({1}, {0.0F});
  EXPECT_FALSE(parse_backbone(to_safetensors(wrong)));
  wrong = plain;
  wrong.erase("stages.3.0.weight");
  EXPECT_FALSE(parse_backbone(to_safetensors(wrong)));
  EXPECT_FALSE(parse_backbone("nonsense"));
}

}  // namespace
}  // namespace vedette
