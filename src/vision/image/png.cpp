#include <spng.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "vision/image/codecs.hpp"

namespace vedette {
namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
constexpr std::size_t kHeaderEnd = 33;  // The signature and the chunk IHDR end here.
constexpr std::uint8_t kAncillary = 0x20;

std::uint32_t read_u32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[0]) << 24 | static_cast<std::uint32_t>(p[1]) << 16 |
         static_cast<std::uint32_t>(p[2]) << 8 | p[3];
}

/// Gives the decoder only the critical chunks. The others (texts and profiles, which may be bombs) say nothing that is
/// used here, so they cost nothing.
class PngStream {
 public:
  PngStream(ImageBytes bytes, const std::stop_token& abandoned) : bytes_(bytes), abandoned_(abandoned) {}

  static int read(spng_ctx*, void* self, void* to, std::size_t length) {
    return static_cast<PngStream*>(self)->read(static_cast<std::uint8_t*>(to), length);
  }

 private:
  int read(std::uint8_t* to, std::size_t length) {
    if (abandoned_.stop_requested()) return SPNG_IO_ERROR;
    while (length > 0) {
      if (left_ == 0 && !find_chunk()) return SPNG_IO_EOF;
      const auto count = std::min(length, left_);
      std::memcpy(to, bytes_.data() + at_, count);
      at_ += count, to += count, length -= count, left_ -= count;
    }
    return 0;
  }
  bool find_chunk() {
    while (bytes_.size() - at_ >= 12) {
      const auto rest = bytes_.size() - at_;
      const auto length = std::min<std::size_t>(rest, read_u32(bytes_.data() + at_) + std::size_t{12});
      if ((bytes_[at_ + 4] & kAncillary) == 0) {
        left_ = length;
        return true;
      }
      at_ += length;
    }
    return false;
  }

  ImageBytes bytes_;
  const std::stop_token& abandoned_;
  std::size_t at_ = 0, left_ = kSignature.size();
};

struct PngDeleter {
  void operator()(spng_ctx* c) const { spng_ctx_free(c); }
};

Error broken(const char* what) {
  return invalid_input(std::string("The PNG image is broken: ") + what + ".");
}

/// Returns the orientation of the eXIf chunk, wherever the chunk stands.
int find_orientation(ImageBytes bytes) {
  for (std::size_t at = kSignature.size(); bytes.size() - at >= 12;) {
    const std::size_t length = read_u32(bytes.data() + at);
    if (length > bytes.size() - at - 12) break;
    if (std::memcmp(bytes.data() + at + 4, "eXIf", 4) == 0) return read_orientation(bytes.subspan(at + 8, length));
    at += length + 12;
  }
  return 1;
}

/// Decodes one picture. Rows come as 8-bit RGB, or as the file's own channels of 16 bits.
class PngReader {
 public:
  PngReader(ImageBytes bytes, const ImageHeader& header, const DecodeRules& rules)
      : header_(header),
        rules_(rules),
        is_deep_(bytes[24] == 16),
        is_interlaced_(bytes[28] != 0),
        channels_(!is_deep_ ? 3 : std::array{1, 0, 3, 0, 2, 0, 4}[bytes[25]]),
        stride_(static_cast<std::size_t>(header.width * channels_) * (is_deep_ ? 2 : 1)),
        stream_(bytes, rules.abandoned),
        context_(spng_ctx_new(0)),
        scale_(rules.sample_bits) {}

  Result<RgbImage> read(int reduction) {
    if (is_interlaced_) reduction = 1;
    int code = spng_set_png_stream(context_.get(), PngStream::read, &stream_);
    if (code == 0)
      code = spng_decode_image(context_.get(), nullptr, 0, is_deep_ ? SPNG_FMT_PNG : SPNG_FMT_RGB8,
                               SPNG_DECODE_PROGRESSIVE);
    if (code != 0) return failure(code);
    auto image = make_image(reduced_side(header_.height, reduction), reduced_side(header_.width, reduction));
    if (auto ok = is_interlaced_ ? read_interlaced(image) : read_rows(image, reduction); !ok) return ok.error();
    if (is_deep_) scale_.describe(image);
    return image;
  }

 private:
  [[nodiscard]] Error failure(int code) const {
    return rules_.abandoned.stop_requested() ? abandoned_error() : broken(spng_strerror(code));
  }

  void to_rgb(const std::uint8_t* row, std::uint8_t* out) {
    for (int x = 0; x < header_.width; ++x, out += 3)
      for (int c = 0; c < 3; ++c) {
        if (c > 0 && channels_ < 3) {
          out[c] = out[0];
          continue;
        }
        std::uint16_t sample = 0;
        std::memcpy(&sample, row + 2 * static_cast<std::size_t>(x * channels_ + c), 2);
        out[c] = scale_(sample);
      }
  }

  /// Reads an interlaced picture, in which each pass fills in some of the pixels of some rows.
  Result<void> read_interlaced(RgbImage& image) {
    std::vector<std::uint8_t> deep(is_deep_ ? stride_ * static_cast<std::size_t>(header_.height) : 0);
    std::uint8_t* const rows = is_deep_ ? deep.data() : image.pixels.data();
    for (int code = 0; code != SPNG_EOI;) {
      if (rules_.abandoned.stop_requested()) return abandoned_error();
      spng_row_info info{};
      code = spng_get_row_info(context_.get(), &info);
      if (code == 0) code = spng_decode_row(context_.get(), rows + stride_ * info.row_num, stride_);
      if (code != 0 && code != SPNG_EOI) return failure(code);
    }
    for (int y = 0; y < header_.height && is_deep_; ++y)
      to_rgb(rows + stride_ * static_cast<std::size_t>(y), image.at(y, 0));
    return {};
  }

  /// Reads row by row, so that no more than the reduced picture is in memory.
  Result<void> read_rows(RgbImage& image, int reduction) {
    std::vector<std::uint8_t> raw(is_deep_ ? stride_ : 0), row(static_cast<std::size_t>(header_.width) * 3);
    RowMeans means(reduction > 1 ? header_.width : 0, reduction);
    for (int y = 0; y < header_.height; ++y) {
      if (rules_.abandoned.stop_requested()) return abandoned_error();
      std::uint8_t* const rgb = reduction > 1 ? row.data() : image.at(y, 0);
      const int code = spng_decode_row(context_.get(), is_deep_ ? raw.data() : rgb, stride_);
      if (code != 0 && code != SPNG_EOI) return failure(code);
      const bool is_last = y + 1 == header_.height;
      if (is_last != (code == SPNG_EOI)) return failure(SPNG_EIDAT_TOO_SHORT);
      if (is_deep_) to_rgb(raw.data(), rgb);
      if (reduction == 1) continue;
      means.add(rgb);
      if ((y + 1) % reduction == 0 || is_last) means.take(image.at(y / reduction, 0));
    }
    return {};
  }

  const ImageHeader& header_;
  const DecodeRules& rules_;
  const bool is_deep_, is_interlaced_;
  const int channels_;
  const std::size_t stride_;  // The bytes of a row as it is decoded.
  PngStream stream_;
  const std::unique_ptr<spng_ctx, PngDeleter> context_;
  SampleScale scale_;
};

}  // namespace

bool is_png(ImageBytes bytes) {
  return bytes.size() >= kSignature.size() && std::equal(kSignature.begin(), kSignature.end(), bytes.begin());
}

Result<ImageHeader> read_png_header(ImageBytes bytes) {
  if (bytes.size() < kHeaderEnd) return broken("its header is cut off");
  if (read_u32(bytes.data() + 8) != 13 || std::memcmp(bytes.data() + 12, "IHDR", 4) != 0)
    return broken("it does not begin with a header");
  const auto width = read_u32(bytes.data() + 16), height = read_u32(bytes.data() + 20);
  const unsigned depth = bytes[24], color = bytes[25];
  // If bit n is set, the depth n is possible.
  constexpr std::array<unsigned, 7> kDepths = {0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100};
  if (color >= kDepths.size() || depth > 16 || (kDepths[color] >> depth & 1U) == 0 || bytes[26] != 0 ||
      bytes[27] != 0 || bytes[28] > 1)
    return broken("its header is not valid");
  if (width == 0 || height == 0) return broken("it has no pixels");
  if (height > 1'000'000 || width > 1'000'000) return invalid_input("The PNG image is too large.");
  return ImageHeader{ImageFormat::png, static_cast<int>(height), static_cast<int>(width), find_orientation(bytes)};
}

Result<RgbImage> decode_png(ImageBytes bytes, const ImageHeader& header, int reduction, const DecodeRules& rules) {
  return PngReader(bytes, header, rules).read(reduction);
}

}  // namespace vedette
