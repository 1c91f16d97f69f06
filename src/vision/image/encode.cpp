#include <cstdio>

#include <jpeglib.h>
#include <spng.h>

#include <csetjmp>
#include <cstdlib>
#include <memory>
#include <span>

#include "vision/image/grey_png.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

struct PngDeleter {
  void operator()(spng_ctx* c) const { spng_ctx_free(c); }
};

struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
};

/// Encodes rows of 8-bit samples.
Result<Bytes> encode_samples(int height, int width, spng_color_type type, std::span<const std::uint8_t> samples) {
  const std::unique_ptr<spng_ctx, PngDeleter> context(spng_ctx_new(SPNG_CTX_ENCODER));
  spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr ihdr{};
  ihdr.width = static_cast<std::uint32_t>(width);
  ihdr.height = static_cast<std::uint32_t>(height);
  ihdr.color_type = static_cast<std::uint8_t>(type);
  ihdr.bit_depth = 8;
  spng_set_ihdr(context.get(), &ihdr);
  if (const int code =
          spng_encode_image(context.get(), samples.data(), samples.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE))
    return internal_error(std::string("cannot encode PNG: ") + spng_strerror(code));
  std::size_t size = 0;
  int code = 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(spng_get_png_buffer(context.get(), &size, &code),
                                                           &std::free);
  if (!buffer) return internal_error(std::string("cannot encode PNG: ") + spng_strerror(code));
  const auto* begin = static_cast<const std::uint8_t*>(buffer.get());
  return Bytes(begin, begin + size);
}

}  // namespace

Result<Bytes> encode_png(const RgbImage& image) {
  return encode_samples(image.height, image.width, SPNG_COLOR_TYPE_TRUECOLOR, image.pixels);
}

Result<Bytes> encode_grey_png(const Grid<std::uint8_t>& grey) {
  return encode_samples(grey.height, grey.width, SPNG_COLOR_TYPE_GRAYSCALE, grey.values);
}

Result<Bytes> encode_jpeg(const RgbImage& image, int quality) {
  jpeg_compress_struct info;
  JpegErrors errors{};
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = [](j_common_ptr i) { std::longjmp(reinterpret_cast<JpegErrors*>(i->err)->jump, 1); };
  if (setjmp(errors.jump)) {  // NOLINT: libjpeg's own error protocol
    jpeg_destroy_compress(&info);
    std::free(buffer);
    return internal_error("cannot encode JPEG");
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPLE*>(image.at(static_cast<int>(info.next_scanline), 0));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  Bytes out(buffer, buffer + size);
  std::free(buffer);
  return out;
}

}  // namespace vedette
