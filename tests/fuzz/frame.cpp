// This target fuzzes frames as cameras give them, in every pixel format: a frame is converted or refused, without a read
// beyond its last byte, and the way its rows lie does not change its picture.
//   byte 0  pixel format    byte 1  range of the samples in bits    bytes 2…7  width, height and stride, 16 bits each
//   bytes 8…  the pixels
#include "edge/frames/frame.hpp"

#include <cstdlib>
#include <cstring>

namespace {

using namespace vedette;

/// The same pixels in rows without gaps.
std::vector<std::uint8_t> without_gaps(const Frame& frame) {
  const auto rows = static_cast<std::size_t>(frame.format == PixelFormat::nv12 ? frame.height * 3 / 2 : frame.height);
  const auto row = *frame_bytes(frame.format, frame.width, frame.height, 0) / rows;
  std::vector<std::uint8_t> out;
  for (std::size_t y = 0; y < rows; ++y) {
    const auto* const begin = frame.pixels.data() + y * frame.stride;
    out.insert(out.end(), begin, begin + row);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHead = 8;
  if (size < kHead) return 0;
  std::uint16_t numbers[3] = {};
  std::memcpy(&numbers[0], data + 2, sizeof(numbers));
  Frame frame;
  frame.format = static_cast<PixelFormat>(data[0] % (static_cast<unsigned>(PixelFormat::jpeg) + 1));
  frame.width = numbers[0];
  frame.height = numbers[1];
  frame.stride = numbers[2];
  const int sample_bits = data[1];
  const auto least = frame_bytes(frame.format, frame.width, frame.height, frame.stride);
  const bool is_good =
      least && *least <= size - kHead && sample_bits >= 8 && sample_bits <= 16 && frame.format != PixelFormat::jpeg;
  // Exactly as many bytes as the frame needs, so that a read of one more is found.
  const std::vector<std::uint8_t> pixels(data + kHead, data + (is_good ? kHead + *least : size));
  frame.pixels = pixels;
  const auto image = to_rgb(frame, sample_bits);
  if (image.has_value() != is_good) std::abort();
  if (!image) return 0;
  if (image->width != frame.width || image->height != frame.height) std::abort();
  if (image->pixels.size() != 3 * static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.height))
    std::abort();
  if (!(image->beyond_range >= 0 && image->beyond_range <= 1)) std::abort();
  if (frame.stride == 0) return 0;
  const auto dense = without_gaps(frame);
  frame.pixels = dense;
  frame.stride = 0;
  RgbImage again;
  again.pixels.assign(pixels.size() + 1000, 77);  // What was there before must not matter.
  if (!to_rgb(frame, sample_bits, again) || again.pixels != image->pixels) std::abort();
  return 0;
}
