#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "edge/agent/detect_messages.hpp"

/// What protobuf takes for a request must be one here, with the same content. The first byte says in how large pieces
/// it comes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace agent = vedette::edge_agent;
  if (size == 0) return 0;
  const std::size_t most = data[0] + std::size_t{1};
  const std::string message(data + 1, data + size);
  std::vector<grpc::Slice> pieces;
  for (std::size_t done = 0; done < message.size(); done += most)
    pieces.emplace_back(message.data() + done, std::min(most, message.size() - done));
  const auto read = agent::parse_detect_request(grpc::ByteBuffer(pieces.data(), pieces.size()));
  agent::proto::DetectAnomaliesRequest expected;
  if (!expected.ParseFromString(message)) return 0;
  if (!read) std::abort();
  std::vector<std::uint8_t> pixels(read->pixels.size());
  read->pixels.copy(0, pixels);
  auto whole = read->message;
  if (whole.bitmap().data_case() == agent::proto::Bitmap::kByteData)
    whole.mutable_bitmap()->set_byte_data(pixels.data(), pixels.size());
  else if (!pixels.empty())
    std::abort();
  if (whole.SerializeAsString() != expected.SerializeAsString()) std::abort();
  return 0;
}
