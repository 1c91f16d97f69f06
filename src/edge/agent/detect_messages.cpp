#include "edge/agent/detect_messages.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>

namespace vedette::edge_agent {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;

constexpr std::uint32_t bytes_tag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}
constexpr std::uint32_t kBitmap = bytes_tag(proto::DetectAnomaliesRequest::kBitmapFieldNumber);
constexpr std::uint32_t kByteData = bytes_tag(proto::Bitmap::kByteDataFieldNumber);
constexpr std::uint32_t kResult = bytes_tag(proto::DetectAnomaliesResponse::kDetectAnomalyResultFieldNumber);
constexpr std::uint32_t kMask = bytes_tag(proto::DetectAnomalyResult::kAnomalyMaskFieldNumber);

/// A piece of background is sent from the cache of a core.
constexpr std::size_t kBackgroundBytes = 256 << 10;
constexpr int kRowsAtOnce = 64;  // of a mask that show labels

/// Where some bytes are in a message.
struct Place {
  int offset = 0, size = 0;
};

void write_head(CodedOutputStream& out, std::uint32_t tag, std::size_t size) {
  out.WriteTag(tag);
  out.WriteVarint64(size);
}

std::string head_of(std::uint32_t tag, std::size_t size) {
  std::string out;
  StringOutputStream stream(&out);
  CodedOutputStream coded(&stream);
  write_head(coded, tag, size);
  coded.Trim();
  return out;
}

/// Copies the fields of a message. `take(tag)` reads those that it knows itself: it returns whether it could, or nothing
/// if it does not know the tag.
template <typename Take>
bool copy_fields(CodedInputStream& in, CodedOutputStream& out, const Take& take) {
  while (const auto tag = in.ReadTag()) {
    const std::optional<bool> taken = take(tag);
    if (!(taken ? *taken : WireFormatLite::SkipField(&in, tag, &out))) return false;
  }
  return in.ConsumedEntireMessage();
}

/// Copies a Bitmap without its pixels, and says where these are.
bool copy_bitmap(CodedInputStream& in, CodedOutputStream& out, Place& pixels) {
  int size = 0;
  if (!in.ReadVarintSizeAsInt(&size)) return false;
  const auto limit = in.PushLimit(size);
  const bool is_right = copy_fields(in, out, [&](std::uint32_t tag) -> std::optional<bool> {
    if (tag != kByteData) return std::nullopt;
    write_head(out, kByteData, 0);
    if (!in.ReadVarintSizeAsInt(&pixels.size)) return false;
    pixels.offset = in.CurrentPosition();
    return in.Skip(pixels.size);
  });
  in.PopLimit(limit);
  return is_right;
}

const std::vector<std::uint8_t>& background() {
  static const std::vector<std::uint8_t> white(kBackgroundBytes, 255);
  return white;
}

}  // namespace

ReceivedBytes::ReceivedBytes(const grpc::ByteBuffer& message, std::size_t offset, std::size_t size) : size_(size) {
  std::vector<grpc::Slice> all;
  if (!message.Dump(&all).ok()) throw std::bad_alloc();
  std::size_t end = 0;
  for (const auto& piece : all) {
    const auto begin = end;
    end += piece.size();
    const auto from = std::max(begin, offset), to = std::min(end, offset + size);
    if (from >= to) continue;
    pieces_.push_back(piece.sub(from - begin, to - begin));
    ends_.push_back(to - offset);
  }
}

void ReceivedBytes::copy(std::size_t offset, std::span<std::uint8_t> out) const {
  auto i = static_cast<std::size_t>(std::ranges::upper_bound(ends_, offset) - ends_.begin());
  while (!out.empty()) {
    const auto& piece = pieces_[i];
    const auto skipped = offset - (ends_[i] - piece.size());
    const auto count = std::min(piece.size() - skipped, out.size());
    std::memcpy(out.data(), piece.begin() + skipped, count);
    out = out.subspan(count);
    offset += count;
    ++i;
  }
}

/// The fields but the pixels are copied as they are, and protobuf reads the copy: it alone decides what they mean.
Result<DetectRequest> parse_detect_request(const grpc::ByteBuffer& message) {
  const auto no_request = [] { return invalid_input("The message is no DetectAnomaliesRequest."); };
  std::string rest;
  Place pixels;
  {
    auto bytes = message;  // shares the pieces
    grpc::ProtoBufferReader reader(&bytes);
    if (!reader.status().ok()) return no_request();
    CodedInputStream in(&reader);
    StringOutputStream stream(&rest);
    CodedOutputStream out(&stream);
    const bool is_right = copy_fields(in, out, [&](std::uint32_t tag) -> std::optional<bool> {
      if (tag != kBitmap) return std::nullopt;
      std::string bitmap;
      {
        StringOutputStream bitmap_stream(&bitmap);
        CodedOutputStream bitmap_out(&bitmap_stream);
        if (!copy_bitmap(in, bitmap_out, pixels)) return false;
      }
      write_head(out, kBitmap, bitmap.size());
      out.WriteString(bitmap);
      return true;
    });
    if (!is_right) return no_request();
  }
  DetectRequest out;
  if (!out.message.ParseFromString(rest)) return no_request();
  // If there are several, protobuf's rule is that the last one counts, be it pixels or a handle.
  if (out.message.bitmap().data_case() == proto::Bitmap::kByteData)
    out.pixels = {message, static_cast<std::size_t>(pixels.offset), static_cast<std::size_t>(pixels.size)};
  return Result<DetectRequest>(std::move(out));
}

Mask::Mask(const Grid<std::uint8_t>& label_map, std::vector<Rgb> colors)
    : map_(label_map), colors_(std::move(colors)) {}

bool Mask::is_background(int row) const {
  const auto* labels = &map_.at(row, 0);
  return labels[0] == 0 && std::memcmp(labels, labels + 1, static_cast<std::size_t>(map_.width) - 1) == 0;
}

void Mask::draw_row(int row, std::uint8_t* out) const {
  const auto* labels = &map_.at(row, 0);
  std::memset(out, 255, row_bytes());
  for (int x = 0; x < map_.width; ++x) {
    if (labels[x] == 0) continue;
    const auto& color = colors_[labels[x] - std::size_t{1}];
    std::copy(color.begin(), color.end(), out + 3 * static_cast<std::ptrdiff_t>(x));
  }
}

Result<void> Mask::draw(const std::function<Result<void>(const Piece&)>& take) const {
  std::vector<std::uint8_t> rows(row_bytes() * kRowsAtOnce);
  for (int y = 0; y < map_.height;) {
    const int first = y;
    while (y < map_.height && is_background(y)) ++y;
    for (auto left = row_bytes() * static_cast<std::size_t>(y - first); left > 0;) {
      const auto piece = std::span(background()).first(std::min(left, kBackgroundBytes));
      if (auto ok = take({piece, true}); !ok) return ok;
      left -= piece.size();
    }
    std::size_t drawn = 0;
    for (; y < map_.height && drawn < rows.size() && !is_background(y); ++y, drawn += row_bytes())
      draw_row(y, rows.data() + drawn);
    if (drawn == 0) continue;
    if (auto ok = take({std::span(rows).first(drawn), false}); !ok) return ok;
  }
  return {};
}

grpc::ByteBuffer write_detect_response(const proto::DetectAnomaliesResponse& response, const Mask* mask) {
  std::vector<grpc::Slice> pieces(1);
  auto head = response.detect_anomaly_result().SerializeAsString();
  std::size_t pixels = 0;
  if (mask) {
    // The fields of a message may be in any order, so that the mask can come last, and its pixels last of all.
    pixels = mask->bytes();
    proto::Bitmap size;
    size.set_height(mask->height());
    size.set_width(mask->width());
    const auto bitmap = size.SerializeAsString() + head_of(kByteData, pixels);
    head += head_of(kMask, bitmap.size() + pixels) + bitmap;
    const auto drawn = mask->draw([&](const Mask::Piece& piece) {
      const auto& bytes = piece.bytes;
      pieces.push_back(piece.is_background ? grpc::Slice(bytes.data(), bytes.size(), grpc::Slice::STATIC_SLICE)
                                           : grpc::Slice(bytes.data(), bytes.size()));
      return Result<void>();
    });
    if (!drawn) throw std::logic_error("a piece of a mask was not taken");
  }
  pieces.front() = grpc::Slice(head_of(kResult, head.size() + pixels) + head);
  return {pieces.data(), pieces.size()};
}

}  // namespace vedette::edge_agent
