#include <cstdio>  // jpeglib.h needs FILE and size_t declared before it.

#include <fmt/format.h>
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

// Each scan costs as much time as the picture has blocks, even if it holds only a few bytes. Encoders write ten scans.
// The standard's progressive mode can use 64 times 14 at the very most, but nobody does.
constexpr int kMostScans = 100;
constexpr std::uint8_t kStartOfScan = 0xDA, kEndOfImage = 0xD9, kApp1 = 0xE1;

/// What the markers say. Nothing is decoded for it.
struct JpegMarkers {
  int orientation = 1;
  int scans = 0;
};

/// Walks the markers up to the first scan, or all markers.
JpegMarkers read_markers(ImageBytes bytes, bool up_to_first_scan) {
  constexpr std::string_view kExif{"Exif\0\0", 6};
  JpegMarkers out;
  bool has_exif = false;
  for (std::size_t at = 2; at + 1 < bytes.size();) {
    // Both between segments and in a scan's data, a marker is 0xFF and a byte that neither stuffs nor restarts.
    const auto* const found = static_cast<const std::uint8_t*>(std::memchr(bytes.data() + at, 0xFF, bytes.size() - at));
    if (found == nullptr) break;
    at = static_cast<std::size_t>(found - bytes.data()) + 1;
    if (at == bytes.size()) break;
    const auto marker = bytes[at];
    if (marker == 0xFF) continue;  // This is a fill byte.
    ++at;
    if (marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;  // No segment follows these markers.
    if (marker == kEndOfImage) break;
    if (marker == kStartOfScan) {
      ++out.scans;
      if (up_to_first_scan || out.scans > kMostScans) break;
    }
    if (bytes.size() - at < 2) break;
    const std::size_t length = static_cast<std::size_t>(bytes[at]) << 8 | bytes[at + 1];
    if (length < 2 || bytes.size() - at < length) break;
    const auto segment = bytes.subspan(at + 2, length - 2);
    if (marker == kApp1 && !has_exif && segment.size() > kExif.size() &&
        std::memcmp(segment.data(), kExif.data(), kExif.size()) == 0) {
      out.orientation = read_orientation(segment.subspan(kExif.size()));
      has_exif = true;
    }
    at += length;
  }
  return out;
}

/// libjpeg reports errors through callbacks and leaves by longjmp. Everything that the jump may skip is trivially
/// destructible.
struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  bool is_damaged;   // Data is missing or broken inside a scan.
  bool ended_early;  // The bytes ended before the end marker.
  bool is_abandoned;
  char message[JMSG_LENGTH_MAX];
};

void on_jpeg_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

void on_jpeg_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  // Libjpeg paints missing data grey and calls it a warning, but a verdict on grey paint would be a lie.
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  const int code = info->err->msg_code;
  if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC) errors->is_damaged = true;
  if (code == JWRN_JPEG_EOF) errors->ended_early = true;
}

struct JpegProgress {
  jpeg_progress_mgr base;
  const std::stop_token* abandoned;
};

/// Is called by libjpeg for each row of blocks of each scan.
void on_jpeg_progress(j_common_ptr info) {
  if (!reinterpret_cast<JpegProgress*>(info->progress)->abandoned->stop_requested()) return;
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  errors->is_abandoned = true;
  std::longjmp(errors->jump, 1);
}

/// Whether a file that lacks its end marker has all its scans. If there is only one scan, libjpeg itself tells that its
/// data ended. Progressive scans must have brought every coefficient to its last bit.
bool has_all_scans(const jpeg_decompress_struct& info, bool has_multiple_scans) {
  if (!has_multiple_scans) return true;
  if (!info.progressive_mode || info.coef_bits == nullptr) return false;
  for (int c = 0; c < info.num_components; ++c)
    for (int k = 0; k < DCTSIZE2; ++k)
      if (info.coef_bits[c][k] != 0) return false;
  return true;
}

void write_cmyk_row(const std::uint8_t* row, int width, bool is_inverted, std::uint8_t* target) {
  // Adobe writes CMYK inverted (255 = no ink), and nearly every CMYK JPEG is Adobe's.
  for (int x = 0; x < width; ++x) {
    const unsigned k = is_inverted ? row[4 * x + 3] : 255U - row[4 * x + 3];
    for (int c = 0; c < 3; ++c) {
      const unsigned ink = is_inverted ? row[4 * x + c] : 255U - row[4 * x + c];
      target[3 * x + c] = static_cast<std::uint8_t>(ink * k / 255U);
    }
  }
}

/// The body of the decoder in the style of C: between setjmp and the end it creates no object with a destructor. A
/// reduction of 0 reads only the header. Returns false and sets errors.message if it fails.
bool run_jpeg(ImageBytes bytes, JpegErrors& errors, JpegProgress& progress, ImageHeader& header, int reduction,
              RgbImage& image, std::vector<std::uint8_t>& row) {
  jpeg_decompress_struct info;
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_jpeg_error;
  errors.base.emit_message = on_jpeg_message;
  errors.message[0] = '\0';
  if (setjmp(errors.jump)) {  // NOLINT: libjpeg's own error protocol
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  info.progress = &progress.base;
  progress.base.progress_monitor = on_jpeg_progress;
  // This bounds what progressive files may make libjpeg allocate: it is enough for 4096² coefficients in three planes,
  // with room to spare.
  info.mem->max_memory_to_use = 512L * 1024 * 1024;
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  header = {ImageFormat::jpeg, static_cast<int>(info.image_height), static_cast<int>(info.image_width)};
  if (reduction == 0) {
    jpeg_destroy_decompress(&info);
    return true;
  }
  const bool is_cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  const bool has_multiple_scans = jpeg_has_multiple_scans(&info) != FALSE;
  info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(reduction);
  jpeg_start_decompress(&info);
  image.height = static_cast<int>(info.output_height);
  image.width = static_cast<int>(info.output_width);
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  image.pixels.resize(stride * static_cast<std::size_t>(image.height));
  if (is_cmyk) row.resize(static_cast<std::size_t>(image.width) * 4);
  while (info.output_scanline < info.output_height && !errors.is_damaged) {
    std::uint8_t* target = image.pixels.data() + stride * info.output_scanline;
    JSAMPROW line = is_cmyk ? row.data() : target;
    jpeg_read_scanlines(&info, &line, 1);
    if (is_cmyk) write_cmyk_row(row.data(), image.width, info.saw_Adobe_marker != FALSE, target);
  }
  if (errors.ended_early && !has_all_scans(info, has_multiple_scans)) errors.is_damaged = true;
  if (!errors.is_damaged) jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

Error broken(const JpegErrors& errors) {
  return invalid_input(std::string("The JPEG image is broken: ") + errors.message + ".");
}

}  // namespace

bool is_jpeg(ImageBytes bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

Result<ImageHeader> read_jpeg_header(ImageBytes bytes) {
  JpegErrors errors{};
  const std::stop_token never;
  JpegProgress progress{{}, &never};
  ImageHeader header{};
  RgbImage none;
  std::vector<std::uint8_t> row;
  if (!run_jpeg(bytes, errors, progress, header, 0, none, row)) return broken(errors);
  header.orientation = read_markers(bytes, true).orientation;
  return header;
}

Result<RgbImage> decode_jpeg(ImageBytes bytes, const ImageHeader&, int reduction, const DecodeRules& rules) {
  if (read_markers(bytes, false).scans > kMostScans)
    return invalid_input(fmt::format("The JPEG image has more than {} scans.", kMostScans));
  JpegErrors errors{};
  JpegProgress progress{{}, &rules.abandoned};
  ImageHeader header{};
  RgbImage image;
  std::vector<std::uint8_t> row;
  if (!run_jpeg(bytes, errors, progress, header, reduction, image, row))
    return errors.is_abandoned ? abandoned_error() : broken(errors);
  if (errors.is_damaged) return invalid_input("The JPEG image is truncated or damaged.");
  return image;
}

}  // namespace vedette
