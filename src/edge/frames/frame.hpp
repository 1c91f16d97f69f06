#pragma once

#include <cstdint>
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

/// The name of a format in configurations and in the protocol of camera programs: "RGB8", "Mono12Packed", …
std::string_view to_text(PixelFormat format);
Result<PixelFormat> parse_pixel_format(std::string_view name);

/// One picture of a camera. `pixels` has rows of exactly `stride` bytes.
struct Frame {
  int width = 0;   ///< pixels, 1 … 16384
  int height = 0;  ///< pixels, 1 … 16384
  PixelFormat format = PixelFormat::rgb8;
  std::size_t stride = 0;  ///< bytes from one row to the next; 0 for formats without rows (jpeg, packed forms)
  std::vector<std::uint8_t> pixels;
  std::string trigger_id;         ///< what the trigger said of the part; may be empty
  std::int64_t triggered_at = 0;  ///< nanoseconds since the Unix epoch; 0 if nothing triggered the picture
  std::int64_t pictured_at = 0;   ///< nanoseconds since the Unix epoch: when the frame was complete
};

/// Converts a frame to what models judge: 8-bit RGB. Samples of 10, 12 and 16 bits become 8 bits as they would if they
/// came in the low bits of a 16-bit PNG file (DecodeRules::sample_bits); grey becomes three equal samples; Bayer
/// patterns are demosaiced by gradient-corrected linear interpolation (Malvar, He & Cutler, ICASSP 2004). Fails with
/// invalid_input if the bytes are not as many as size and format need.
Result<RgbImage> to_rgb(const Frame& frame, int sample_bits);

}  // namespace vedette
