#include "edge/agent/operations.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"

namespace vedette::edge_agent {
namespace {

proto::DetectAnomaliesRequest request_of(int width, int height) {
  proto::DetectAnomaliesRequest out;
  out.set_model_component("part");
  out.mutable_bitmap()->set_width(width);
  out.mutable_bitmap()->set_height(height);
  return out;
}

TEST(Operations, ThePictureAndTheMaskOfACallTakeMemoryWhereverThePictureLies) {
  auto request = request_of(100, 80);
  request.mutable_bitmap()->mutable_shared_memory_handle()->set_name("/picture");
  EXPECT_EQ(memory_of(request), 2U * 100 * 80 * 3);
  request.mutable_bitmap()->set_byte_data(std::string(3 * 100 * 80, 'x'));
  EXPECT_EQ(memory_of(request), 2U * 100 * 80 * 3);
  // More bytes than the size says are refused later, and take memory until then.
  request.mutable_bitmap()->set_byte_data(std::string(1'000'000, 'x'));
  EXPECT_EQ(memory_of(request), 1'000'000U + 100 * 80 * 3);
  request.mutable_anomaly_mask_params()->mutable_shared_memory_handle()->set_name("/mask");
  EXPECT_EQ(memory_of(request), 1'000'000U);
  for (const auto& [width, height] : {std::pair{-1, -1}, {0, 0}, {1 << 30, 1 << 30}})
    EXPECT_EQ(memory_of(request_of(width, height)), 0U);
}

}  // namespace
}  // namespace vedette::edge_agent
