#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "vision/image/image.hpp"

// The headers of gRPC come after base/, since both define GUARDED_BY.
#include <edge-agent.pb.h>
#include <grpcpp/support/byte_buffer.h>

/// The messages of DetectAnomalies as they are on the wire. Pictures and masks are most of their bytes and would each be
/// copied twice by protobuf; here the pixels of a request stay where gRPC has received them, and the mask of an answer is
/// made of pieces, most of which are one and the same piece of background. This header is internal to edge/agent.
namespace vedette::edge_agent {

namespace proto = AWS::LookoutVision;

/// Some bytes of a message that arrived, in as many pieces as it came in. Any thread may read them.
class ReceivedBytes {
 public:
  ReceivedBytes() = default;
  /// Takes `size` bytes from `offset` on, which must be in the message.
  ReceivedBytes(const grpc::ByteBuffer& message, std::size_t offset, std::size_t size);
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Copies bytes from `offset` on; they must be there.
  void copy(std::size_t offset, std::span<std::uint8_t> out) const;

 private:
  std::size_t size_ = 0;
  std::vector<grpc::Slice> pieces_;  // none is empty
  std::vector<std::size_t> ends_;    // offsets behind the pieces
};

/// What a client asks of DetectAnomalies.
struct DetectRequest {
  proto::DetectAnomaliesRequest message;  ///< `byte_data` of its picture is empty
  ReceivedBytes pixels;                   ///< what `byte_data` was, if the message's picture has that case
};

/// Reads a request. Fails with invalid_input if it is none.
Result<DetectRequest> parse_detect_request(const grpc::ByteBuffer& message);

/// The mask of a picture: the labels' colours on white, packed R, G, B.
class Mask {
 public:
  /// `label_map` is that of a verdict, whose labels have these colours; it must outlive the mask.
  Mask(const Grid<std::uint8_t>& label_map, std::vector<Rgb> colors);
  [[nodiscard]] int height() const { return map_.height; }
  [[nodiscard]] int width() const { return map_.width; }
  [[nodiscard]] std::size_t bytes() const { return row_bytes() * static_cast<std::size_t>(map_.height); }

  /// A part of the mask's bytes. Those of the background stay as long as the program runs, others for the call alone.
  struct Piece {
    std::span<const std::uint8_t> bytes;
    bool is_background = false;
  };
  /// Gives the whole mask to `take`, from the first piece to the last, or up to the first that it fails to take.
  Result<void> draw(const std::function<Result<void>(const Piece&)>& take) const;

 private:
  [[nodiscard]] std::size_t row_bytes() const { return 3 * static_cast<std::size_t>(map_.width); }
  [[nodiscard]] bool is_background(int row) const;
  void draw_row(int row, std::uint8_t* out) const;

  const Grid<std::uint8_t>& map_;
  const std::vector<Rgb> colors_;
};

/// Writes an answer, with the mask in it unless that is null.
grpc::ByteBuffer write_detect_response(const proto::DetectAnomaliesResponse& response, const Mask* mask);

}  // namespace vedette::edge_agent
