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

DetectRequest received(const proto::DetectAnomaliesRequest& request) {
  const grpc::Slice bytes(request.SerializeAsString());
  auto out = parse_detect_request(grpc::ByteBuffer(&bytes, 1));
  EXPECT_TRUE(out);
  return std::move(*out);
}

TEST(Operations, ThePictureAndTheMaskOfACallTakeMemoryWhereverThePictureLies) {
  auto request = request_of(100, 80);
  const auto memory = [&] { return memory_of(received(request)); };
  request.mutable_bitmap()->mutable_shared_memory_handle()->set_name("/picture");
  EXPECT_EQ(memory(), 2U * 100 * 80 * 3);
  request.mutable_bitmap()->set_byte_data(std::string(3 * 100 * 80, 'x'));
  EXPECT_EQ(memory(), 2U * 100 * 80 * 3);
  // More bytes than the size says are refused later, and take memory until then.
  request.mutable_bitmap()->set_byte_data(std::string(1'000'000, 'x'));
  EXPECT_EQ(memory(), 1'000'000U + 100 * 80 * 3);
  request.mutable_anomaly_mask_params()->mutable_shared_memory_handle()->set_name("/mask");
  EXPECT_EQ(memory(), 1'000'000U);
  for (const auto& [width, height] : {std::pair{-1, -1}, {0, 0}, {1 << 30, 1 << 30}})
    EXPECT_EQ(memory_of(received(request_of(width, height))), 0U);
}

TEST(Operations, CallsThatAreRefusedAreObservedToo) {
  const TemporaryFolder folder;
  ComponentsOptions options;
  options.folder = folder.path();
  options.state_file = folder.path() / ".state" / "components.json";
  Components components(options);
  std::vector<ErrorKind> seen;
  const auto observe = [&](const AgentCall& call) {
    EXPECT_EQ(call.component, "part");
    EXPECT_GT(call.received_at, 0);
    EXPECT_EQ(call.read, nullptr);
    ASSERT_FALSE(call.judged);
    seen.push_back(call.judged.error().kind);
  };
  const auto code_of = [&](const proto::DetectAnomaliesRequest& request) {
    grpc::ByteBuffer answer;
    return detect_anomalies(components, observe, received(request), answer, {}).error_code();
  };
  EXPECT_EQ(code_of(request_of(0, 0)), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(request_of(100, 80)), grpc::StatusCode::INVALID_ARGUMENT);  // without pixels
  auto request = request_of(100, 80);
  request.mutable_bitmap()->set_byte_data(std::string(3 * 100 * 80, 'x'));
  request.mutable_anomaly_mask_params()->mutable_shared_memory_handle()->set_size(1);
  EXPECT_EQ(code_of(request), grpc::StatusCode::INVALID_ARGUMENT);
  observe_refused(observe, request, fail(ErrorKind::throttled, "too many"));
  EXPECT_EQ(seen, (std::vector{ErrorKind::invalid_input, ErrorKind::invalid_input, ErrorKind::invalid_input,
                               ErrorKind::throttled}));
}

}  // namespace
}  // namespace vedette::edge_agent
