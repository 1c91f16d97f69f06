#include <cstdio>  // jpeglib.h needs FILE and size_t declared first

#include <fmt/format.h>
#include <jerror.h>
#include <jpeglib.h>
#include <spng.h>

#include <algorithm>
#include <csetjmp>
#include <memory>

#include "base/target_clones.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

constexpr std::array kReductions = {8, 4, 2};  // by which a picture may be decoded smaller
constexpr std::array<std::uint8_t, 8> kPngSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

int choose_reduction(int height, int width, LeastSize least) {
  for (const int reduction : kReductions)
    if (reduced_side(height, reduction) >= least.height && reduced_side(width, reduction) >= least.width)
      return reduction;
  return 1;
}

bool is_png(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= kPngSignature.size() && std::equal(kPngSignature.begin(), kPngSignature.end(), bytes.begin());
}
bool is_jpeg(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

/// libjpeg reports through callbacks and leaves by longjmp; everything it may skip over is trivially destructible.
struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  bool is_damaged;
  char message[JMSG_LENGTH_MAX];
};

void on_jpeg_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

void on_jpeg_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  // libjpeg paints missing data grey and calls it a warning; a verdict on grey paint would be a lie.
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC)
    reinterpret_cast<JpegErrors*>(info->err)->is_damaged = true;
}

enum class JpegStep { header, size, pixels };

/// C-style body of the decoder: between setjmp and the end no object with a destructor is created. `allocate` gives the
/// target once the size is known. Returns false with errors.message set.
bool run_jpeg(std::span<const std::uint8_t> bytes, JpegErrors& errors, ImageHeader& header, JpegStep last,
              SizeLimits limits, LeastSize least, RgbImage& image, std::vector<std::uint8_t>& row) {
  jpeg_decompress_struct info;
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_jpeg_error;
  errors.base.emit_message = on_jpeg_message;
  errors.is_damaged = false;
  errors.message[0] = '\0';
  if (setjmp(errors.jump)) {  // NOLINT: libjpeg's own error protocol
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  // Bounds what progressive files may make libjpeg allocate: 4096² of coefficients in three planes, with room.
  info.mem->max_memory_to_use = 512L * 1024 * 1024;
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  header = {ImageFormat::jpeg, static_cast<int>(info.image_height), static_cast<int>(info.image_width)};
  if (last == JpegStep::header || header.height < limits.minimum_side || header.width < limits.minimum_side ||
      header.height > limits.maximum_side || header.width > limits.maximum_side) {
    jpeg_destroy_decompress(&info);
    return true;
  }
  const bool is_cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(choose_reduction(header.height, header.width, least));
  jpeg_start_decompress(&info);
  image.height = static_cast<int>(info.output_height);
  image.width = static_cast<int>(info.output_width);
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  image.pixels.resize(stride * static_cast<std::size_t>(image.height));
  if (is_cmyk) row.resize(static_cast<std::size_t>(image.width) * 4);
  while (info.output_scanline < info.output_height) {
    std::uint8_t* target = image.pixels.data() + stride * info.output_scanline;
    JSAMPROW line = is_cmyk ? row.data() : target;
    jpeg_read_scanlines(&info, &line, 1);
    if (is_cmyk) {
      // Adobe writes CMYK inverted (255 = no ink), and nearly every CMYK JPEG is Adobe's.
      for (int x = 0; x < image.width; ++x) {
        const unsigned k = info.saw_Adobe_marker ? row[4 * x + 3] : 255U - row[4 * x + 3];
        for (int c = 0; c < 3; ++c) {
          const unsigned ink = info.saw_Adobe_marker ? row[4 * x + c] : 255U - row[4 * x + c];
          target[3 * x + c] = static_cast<std::uint8_t>(ink * k / 255U);
        }
      }
    }
    if (errors.is_damaged) break;
  }
  if (!errors.is_damaged) jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

struct PngDeleter {
  void operator()(spng_ctx* c) const { spng_ctx_free(c); }
};

Error png_error(int code) {
  return invalid_input(std::string("The PNG image is broken: ") + spng_strerror(code) + ".");
}

Result<ImageHeader> open_png(spng_ctx* context, std::span<const std::uint8_t> bytes) {
  // Ancillary chunks (text, profiles) may not make us allocate; their CRC does not matter to the picture.
  spng_set_chunk_limits(context, 16 * 1024 * 1024, 32 * 1024 * 1024);
  spng_set_crc_action(context, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
  if (const int code = spng_set_png_buffer(context, bytes.data(), bytes.size())) return png_error(code);
  spng_ihdr ihdr{};
  if (const int code = spng_get_ihdr(context, &ihdr)) return png_error(code);
  if (ihdr.height > 1'000'000 || ihdr.width > 1'000'000) return invalid_input("The PNG image is too large.");
  return ImageHeader{ImageFormat::png, static_cast<int>(ihdr.height), static_cast<int>(ihdr.width)};
}

VEDETTE_TARGET_CLONES void add_bytes(const std::uint8_t* __restrict row, std::uint16_t* __restrict sums,
                                     std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sums[i] = static_cast<std::uint16_t>(sums[i] + row[i]);
}

/// Means of up to `reduction` pixels beside each other, of `rows` rows whose sums are given.
void write_means(const std::vector<std::uint16_t>& sums, int width, int reduction, int rows, std::uint8_t* out) {
  for (int first = 0; first < width; first += reduction) {
    const int columns = std::min(reduction, width - first);
    const unsigned share = static_cast<unsigned>(rows * columns);
    for (int c = 0; c < 3; ++c) {
      unsigned sum = share / 2;
      for (int x = first; x < first + columns; ++x) sum += sums[static_cast<std::size_t>(3 * x + c)];
      *out++ = static_cast<std::uint8_t>(sum / share);
    }
  }
}

/// Row by row, so that no more than the reduced picture is in memory.
Result<RgbImage> decode_png_rows(spng_ctx* context, const ImageHeader& header, int reduction) {
  if (const int code = spng_decode_image(context, nullptr, 0, SPNG_FMT_RGB8, SPNG_DECODE_PROGRESSIVE))
    return png_error(code);
  RgbImage image{reduced_side(header.height, reduction), reduced_side(header.width, reduction), {}};
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  image.pixels.resize(stride * static_cast<std::size_t>(image.height));
  std::vector<std::uint8_t> row(static_cast<std::size_t>(header.width) * 3);
  std::vector<std::uint16_t> sums(row.size());
  for (int y = 0; y < header.height; ++y) {
    const int code = spng_decode_row(context, row.data(), row.size());
    if (code != 0 && code != SPNG_EOI) return png_error(code);
    add_bytes(row.data(), sums.data(), row.size());
    const bool is_last = y + 1 == header.height;
    if (is_last != (code == SPNG_EOI)) return png_error(SPNG_EIDAT_TOO_SHORT);
    if ((y + 1) % reduction != 0 && !is_last) continue;
    const int first = y / reduction * reduction;
    write_means(sums, header.width, reduction, y + 1 - first,
                image.pixels.data() + stride * static_cast<std::size_t>(y / reduction));
    std::fill(sums.begin(), sums.end(), std::uint16_t{0});
  }
  return image;
}

Result<void> check_size(const ImageHeader& header, SizeLimits limits) {
  if (std::min(header.height, header.width) < limits.minimum_side ||
      std::max(header.height, header.width) > limits.maximum_side)
    return invalid_input(fmt::format("The image has {}x{} pixels; each side must be {} to {}.", header.width,
                                     header.height, limits.minimum_side, limits.maximum_side));
  return {};
}

Error unknown_format() {
  return invalid_input("The bytes are neither a JPEG nor a PNG image.");
}

}  // namespace

Result<ImageHeader> read_image_header(std::span<const std::uint8_t> bytes) {
  if (is_png(bytes)) {
    const std::unique_ptr<spng_ctx, PngDeleter> context(spng_ctx_new(0));
    return open_png(context.get(), bytes);
  }
  if (!is_jpeg(bytes)) return unknown_format();
  JpegErrors errors{};
  ImageHeader header{};
  RgbImage none;
  std::vector<std::uint8_t> row;
  if (!run_jpeg(bytes, errors, header, JpegStep::header, {}, {}, none, row))
    return invalid_input(std::string("The JPEG image is broken: ") + errors.message + ".");
  return header;
}

bool is_reduction_of(int height, int width, int full_height, int full_width) {
  const auto fits = [&](int reduction) {
    return height == reduced_side(full_height, reduction) && width == reduced_side(full_width, reduction);
  };
  return fits(1) || std::any_of(kReductions.begin(), kReductions.end(), fits);
}

Result<RgbImage> decode_image(std::span<const std::uint8_t> bytes, SizeLimits limits, LeastSize least) {
  RgbImage image;
  if (is_png(bytes)) {
    const std::unique_ptr<spng_ctx, PngDeleter> context(spng_ctx_new(0));
    auto header = open_png(context.get(), bytes);
    if (!header) return header.error();
    if (auto ok = check_size(*header, limits); !ok) return ok.error();
    spng_ihdr ihdr{};
    if (const int code = spng_get_ihdr(context.get(), &ihdr)) return png_error(code);
    const int reduction = choose_reduction(header->height, header->width, least);
    if (reduction > 1 && ihdr.interlace_method == SPNG_INTERLACE_NONE)
      return decode_png_rows(context.get(), *header, reduction);
    image.height = header->height;
    image.width = header->width;
    std::size_t size = 0;
    if (const int code = spng_decoded_image_size(context.get(), SPNG_FMT_RGB8, &size)) return png_error(code);
    image.pixels.resize(size);
    if (const int code = spng_decode_image(context.get(), image.pixels.data(), size, SPNG_FMT_RGB8, 0))
      return png_error(code);
    return image;
  }
  if (!is_jpeg(bytes)) return unknown_format();
  JpegErrors errors{};
  ImageHeader header{};
  std::vector<std::uint8_t> row;
  if (!run_jpeg(bytes, errors, header, JpegStep::pixels, limits, least, image, row))
    return invalid_input(std::string("The JPEG image is broken: ") + errors.message + ".");
  if (auto ok = check_size(header, limits); !ok) return ok.error();
  if (errors.is_damaged) return invalid_input("The JPEG image is truncated or damaged.");
  return image;
}

}  // namespace vedette
