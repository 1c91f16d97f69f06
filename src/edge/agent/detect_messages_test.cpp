#include "edge/agent/detect_messages.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.hpp"

namespace vedette::edge_agent {
namespace {

/// A message in pieces of up to `most` bytes, as it comes from a connection.
grpc::ByteBuffer in_pieces(const std::string& bytes, std::size_t most, std::uint64_t seed) {
  Random random(seed);
  std::vector<grpc::Slice> pieces;
  for (std::size_t done = 0; done < bytes.size();) {
    const auto count = std::min<std::size_t>(1 + random.next() % most, bytes.size() - done);
    pieces.emplace_back(bytes.data() + done, count);
    done += count;
  }
  return {pieces.data(), pieces.size()};
}

std::string joined(const grpc::ByteBuffer& message) {
  std::vector<grpc::Slice> pieces;
  EXPECT_TRUE(message.Dump(&pieces).ok());
  std::string out;
  for (const auto& piece : pieces) out.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  return out;
}

std::string pixels_of(const DetectRequest& request) {
  std::vector<std::uint8_t> out(request.pixels.size());
  request.pixels.copy(0, out);
  return {out.begin(), out.end()};
}

std::string field(int number, const std::string& content) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (auto size = content.size();; size >>= 7U) {
    const bool is_last = size < 128;
    out += static_cast<char>(is_last ? size : (size & 127U) | 128U);
    if (is_last) return out + content;
  }
}

/// What protobuf itself makes of a message is what ours must be.
void expect_as_protobuf(const std::string& bytes, std::uint64_t seed) {
  proto::DetectAnomaliesRequest expected;
  const bool is_right = expected.ParseFromString(bytes);
  const auto ours = parse_detect_request(in_pieces(bytes, 1 + seed % 50, seed));
  if (!is_right) return;  // Ours may take a number that is longer than it need be.
  ASSERT_TRUE(ours);
  const bool has_bytes = expected.bitmap().data_case() == proto::Bitmap::kByteData;
  EXPECT_EQ(pixels_of(*ours), has_bytes ? expected.bitmap().byte_data() : "");
  if (has_bytes) expected.mutable_bitmap()->mutable_byte_data()->clear();
  EXPECT_EQ(ours->message.SerializeAsString(), expected.SerializeAsString());
}

TEST(DetectMessages, ARequestIsReadAsProtobufReadsItWithItsPixelsLeftWhereTheyAre) {
  proto::DetectAnomaliesRequest request;
  request.set_model_component("part");
  auto& bitmap = *request.mutable_bitmap();
  bitmap.set_width(20);
  bitmap.set_height(10);
  std::string pixels;
  for (int i = 0; i < 600; ++i) pixels += static_cast<char>(i * 7);
  bitmap.set_byte_data(pixels);
  request.mutable_anomaly_mask_params()->mutable_shared_memory_handle()->set_name("/mask");
  const auto bytes = request.SerializeAsString();
  for (const std::size_t most : {1, 7, 100, 10'000}) {
    const auto read = parse_detect_request(in_pieces(bytes, most, most));
    ASSERT_TRUE(read);
    EXPECT_EQ(pixels_of(*read), pixels);
    for (const std::size_t offset : {0, 1, 99, 300, 599}) {
      std::vector<std::uint8_t> part(std::min<std::size_t>(101, 600 - offset));
      read->pixels.copy(offset, part);
      EXPECT_EQ(std::string(part.begin(), part.end()), pixels.substr(offset, part.size()));
    }
    EXPECT_EQ(read->message.model_component(), "part");
    EXPECT_EQ(read->message.bitmap().width(), 20);
    EXPECT_EQ(read->message.anomaly_mask_params().shared_memory_handle().name(), "/mask");
    expect_as_protobuf(bytes, most);
  }
}

TEST(DetectMessages, FieldsThatComeTwiceCountAsInProtobuf) {
  const auto size = std::string("\x08\x14\x10\x0a");
  const auto first = field(3, "aaa"), second = field(3, "bb"), handle = field(4, field(1, "/picture"));
  for (const auto& message :
       {field(2, size + first + second), field(2, first) + field(2, second + size), field(2, first) + field(2, size),
        field(2, first + handle), field(2, handle + first), field(2, first) + field(2, handle),
        field(2, handle) + field(2, second), field(2, field(3, "")), field(2, ""), std::string()})
    expect_as_protobuf(message, 3);
}

TEST(DetectMessages, RandomBytesAndCutMessagesAreRefusedOrReadAsProtobufDoes) {
  const auto whole = field(1, "part") + field(2, std::string("\x08\x14\x10\x0a") + field(3, std::string(300, 'p'))) +
                     field(3, field(2, field(1, "/mask")));
  int refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_as_protobuf(whole.substr(0, size), size);
    refused += parse_detect_request(in_pieces(whole.substr(0, size), 9, size)).has_value() ? 0 : 1;
  }
  EXPECT_GT(refused, 300);
  Random random(11);
  for (int round = 0; round < 3000; ++round) {
    auto damaged = whole;
    for (int i = 0; i < 3; ++i) damaged[random.next() % 40] = static_cast<char>(random.next());
    expect_as_protobuf(damaged, static_cast<std::uint64_t>(round));
  }
}

TEST(DetectMessages, AnAnswerIsReadByProtobufWithTheMaskInTheLabelsColours) {
  proto::DetectAnomaliesResponse response;
  auto& result = *response.mutable_detect_anomaly_result();
  result.set_is_anomalous(true);
  result.set_confidence(0.75F);
  result.add_anomalies()->set_name("scratch");
  proto::DetectAnomaliesResponse plain;
  ASSERT_TRUE(plain.ParseFromString(joined(write_detect_response(response, nullptr))));
  EXPECT_EQ(plain.SerializeAsString(), response.SerializeAsString());

  Random random(5);
  for (const int labelled_rows : {0, 1, 3, 200, 300}) {
    Grid<std::uint8_t> labels(300, 700);
    for (int y = 300 - labelled_rows; y < 300; ++y)
      for (int x = 0; x < 700; ++x) labels.at(y, x) = static_cast<std::uint8_t>(random.next() % 3);
    const std::vector<Rgb> colors = {{1, 2, 3}, {200, 0, 100}};
    const Mask mask(labels, colors);
    proto::DetectAnomaliesResponse read;
    ASSERT_TRUE(read.ParseFromString(joined(write_detect_response(response, &mask))));
    const auto& bitmap = read.detect_anomaly_result().anomaly_mask();
    EXPECT_EQ(bitmap.height(), 300);
    EXPECT_EQ(bitmap.width(), 700);
    std::string expected(3 * labels.values.size(), '\xff');
    for (std::size_t i = 0; i < labels.values.size(); ++i)
      if (labels.values[i] != 0)
        std::copy_n(colors[labels.values[i] - 1U].begin(), 3, expected.begin() + static_cast<std::ptrdiff_t>(3 * i));
    EXPECT_TRUE(bitmap.byte_data() == expected);
    read.mutable_detect_anomaly_result()->clear_anomaly_mask();
    EXPECT_EQ(read.SerializeAsString(), response.SerializeAsString());
  }
}

TEST(DetectMessages, AMaskThatIsNotTakenStops) {
  const Grid<std::uint8_t> labels(3000, 4000);
  int pieces = 0;
  const auto stopped = Mask(labels, {}).draw([&](const Mask::Piece&) -> Result<void> {
    if (++pieces == 3) return invalid_input("full");
    return {};
  });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(pieces, 3);
}

}  // namespace
}  // namespace vedette::edge_agent
