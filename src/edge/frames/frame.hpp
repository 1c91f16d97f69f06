#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "vision/image/image.hpp"

/// Pictures as cameras give them, and the one way from there to the pixels that models judge.
namespace vedette {

/// How a camera lays out its pixels. The names are those of the Pixel Format Naming Convention (PFNC, EMVA) where it has
/// one. Samples of more than 8 bits are little endian in 16 bits, but for the packed forms.
enum class PixelFormat : std::uint8_t {
  rgb8,   ///< R, G, B
  bgr8,   ///< B, G, R
  rgba8,  ///< R, G, B, and a byte that is ignored
  bgra8,  ///< B, G, R, and a byte that is ignored
  mono8,
  mono10,         ///< 10 bits, in the lower bits of 16
  mono12,         ///< 12 bits, in the lower bits of 16
  mono12_packed,  ///< GigE Vision's Mono12Packed: two pixels in three bytes
  mono12p,        ///< PFNC's Mono12p: two pixels in three bytes, lower bits first
  mono16,
  bayer_rg8,  ///< the first row begins with R, G
  bayer_gr8,
  bayer_gb8,
  bayer_bg8,
  yuyv,  ///< Y0, U, Y1, V (YUV 4:2:2, BT.601, limited range)
  nv12,  ///< a plane of Y, then a plane of U, V at half size (BT.601, limited range)
  jpeg,  ///< a JPEG file, as many USB cameras send it
};

/// The name of a format in configurations and in messages: "RGB8", "Mono12Packed", …
std::string_view to_text(PixelFormat format);
/// Fails with invalid_input, and names the formats that there are.
Result<PixelFormat> parse_pixel_format(std::string_view name);

/// The largest side of a frame, in pixels. Models judge pictures of up to 4096; larger frames get an error that says so.
inline constexpr int kMostFrameSide = 16384;

/// One picture of a camera. Copies share the pixels.
struct Frame {
  int width = 0;   ///< pixels, 1 … kMostFrameSide
  int height = 0;  ///< pixels, 1 … kMostFrameSide
  PixelFormat format = PixelFormat::rgb8;
  /// The bytes from one row to the next (of nv12: in both planes). 0 means that rows follow each other without a gap,
  /// as they must in the packed forms and in a JPEG file.
  std::size_t stride = 0;
  std::span<const std::uint8_t> pixels;  ///< at least frame_bytes(); whatever follows is ignored
  std::shared_ptr<const void> memory;    ///< keeps `pixels` alive; empty if somebody else does
  std::string trigger_id;                ///< what the trigger said of the part; may be empty
  std::int64_t triggered_at = 0;         ///< nanoseconds since the Unix epoch; 0 if nothing triggered the picture
  std::int64_t pictured_at = 0;          ///< nanoseconds since the Unix epoch: when the frame was complete
};

/// Returns how many bytes a frame of this size must have at least, or nothing if no frame may be so: a side out of
/// range, a stride shorter than a row, or a stride where there are no rows. A row of a stride that is not 0 may lack its
/// padding at the end of the frame. Of a JPEG file it returns 1.
std::optional<std::size_t> frame_bytes(PixelFormat format, int width, int height, std::size_t stride);

/// Converts a frame to what models judge, 8-bit RGB, in one pass over the pixels. The result equals what decode_image
/// gives for a PNG file of the same pixels: an RGB file, a grey one of 8 bits, or a grey one of 16 bits with the samples
/// in its low bits. Samples of 10, 12 and 16 bits become 8 bits by `sample_bits`, 8 … 16, the range that the model's
/// manifest names (DecodeRules::sample_bits). Bayer patterns are demosaiced by gradient-corrected linear interpolation
/// (Malvar, He & Cutler, ICASSP 2004; the border is mirrored without repeating the outermost row), and YUV is converted
/// by ITU-R BT.601 (chroma is repeated, not interpolated).
/// `image` is overwritten; its memory is used again if it is large enough, which saves half of the time.
/// Fails with invalid_input if the bytes are fewer than size and format need, and for a JPEG file, which is no matter of
/// pixels: give Frame::pixels to the model as a file.
/// The pixels may change while this reads them (a camera program may be hostile): then the result is arbitrary pixels.
Result<void> to_rgb(const Frame& frame, int sample_bits, RgbImage& image);
Result<RgbImage> to_rgb(const Frame& frame, int sample_bits);

}  // namespace vedette
