// These tests read what files of cameras and strangers hold, beyond what encode_png and encode_jpeg write.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "vision/image/image.hpp"

namespace vedette {
namespace {

constexpr int kHeight = 66, kWidth = 70;
const DecodeRules kLocal{.formats = kAllFormats};

void put(Bytes& out, std::uint64_t value, int size, bool big_endian = false) {
  for (int i = 0; i < size; ++i) {
    const int place = big_endian ? size - 1 - i : i;
    out.push_back(place < 8 ? static_cast<std::uint8_t>(value >> 8 * place) : 0);  // padding is wider than a number
  }
}
void put(Bytes& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

void put_chunk(Bytes& png, std::string_view type, const Bytes& data) {
  put(png, data.size(), 4, true);
  const auto begin = png.size();
  put(png, type);
  png.insert(png.end(), data.begin(), data.end());
  put(png, crc32(0, png.data() + begin, static_cast<uInt>(png.size() - begin)), 4, true);
}

/// Makes a grey PNG of 16 bits.
Bytes deep_png(const std::vector<std::uint16_t>& samples, int height, int width, const Bytes& exif = {}) {
  Bytes raw;
  for (int y = 0; y < height; ++y) {
    raw.push_back(0);
    for (int x = 0; x < width; ++x) put(raw, samples[static_cast<std::size_t>(y * width + x)], 2, true);
  }
  Bytes packed(compressBound(static_cast<uLong>(raw.size())));
  auto size = static_cast<uLongf>(packed.size());
  compress(packed.data(), &size, raw.data(), static_cast<uLong>(raw.size()));
  packed.resize(size);
  Bytes header;
  put(header, static_cast<std::uint64_t>(width), 4, true);
  put(header, static_cast<std::uint64_t>(height), 4, true);
  header.insert(header.end(), {16, 0, 0, 0, 0});
  Bytes png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  put_chunk(png, "IHDR", header);
  if (!exif.empty()) put_chunk(png, "eXIf", exif);
  put_chunk(png, "IDAT", packed);
  put_chunk(png, "IEND", {});
  return png;
}

/// Makes a TIFF 6.0 of one strip without compression. Its samples have 8 or 16 bits.
Bytes tiff(const std::vector<std::uint16_t>& samples, int height, int width, int channels, int bits, bool big_endian,
           int orientation = 1) {
  Bytes data;
  for (const auto s : samples) put(data, s, bits / 8, big_endian);
  Bytes out;
  put(out, big_endian ? "MM" : "II");
  put(out, 42, 2, big_endian);
  put(out, 8, 4, big_endian);
  struct Entry {
    int tag, type;
    std::uint64_t value;
  };
  const std::vector<Entry> entries = {{256, 4, static_cast<std::uint64_t>(width)},
                                      {257, 4, static_cast<std::uint64_t>(height)},
                                      {258, 3, static_cast<std::uint64_t>(bits)},
                                      {259, 3, 1},
                                      {262, 3, channels >= 3 ? 2U : 1U},
                                      {273, 4, 0},  // The place where the strip begins is set below.
                                      {274, 3, static_cast<std::uint64_t>(orientation)},
                                      {277, 3, static_cast<std::uint64_t>(channels)},
                                      {278, 4, static_cast<std::uint64_t>(height)},
                                      {279, 4, data.size()}};
  put(out, entries.size(), 2, big_endian);
  const auto begin = 8 + 2 + 12 * entries.size() + 4;
  const auto depths = begin + data.size();
  for (const auto& e : entries) {
    const bool has_depths = e.tag == 258 && channels > 2;  // The values are too long for the entry itself.
    put(out, static_cast<std::uint64_t>(e.tag), 2, big_endian);
    put(out, static_cast<std::uint64_t>(e.type), 2, big_endian);
    put(out, e.tag == 258 ? static_cast<std::uint64_t>(channels) : 1, 4, big_endian);
    const auto value = e.tag == 273 ? begin : has_depths ? depths : e.value;
    const int size = e.type == 3 && !has_depths ? 2 : 4;
    put(out, value, size, big_endian);
    put(out, 0, 4 - size, big_endian);
  }
  put(out, 0, 4);
  out.insert(out.end(), data.begin(), data.end());
  for (int c = 0; c < channels; ++c) put(out, static_cast<std::uint64_t>(bits), 2, big_endian);
  return out;
}

Bytes bmp(const RgbImage& image, bool is_top_first) {
  Bytes out;
  put(out, "BM");
  put(out, 0, 8);
  put(out, 54, 4);
  put(out, 40, 4);
  put(out, static_cast<std::uint64_t>(image.width), 4);
  put(out, static_cast<std::uint64_t>(is_top_first ? -image.height : image.height), 4);
  put(out, 1, 2);
  put(out, 24, 2);
  put(out, 0, 24);
  for (int y = 0; y < image.height; ++y) {
    const auto row = out.size();
    for (int x = 0; x < image.width; ++x)
      for (int c = 2; c >= 0; --c) out.push_back(image.at(is_top_first ? y : image.height - 1 - y, x)[c]);
    while ((out.size() - row) % 4 != 0) out.push_back(0);
  }
  return out;
}

RgbImage noise(std::uint64_t seed) {
  RgbImage image{kHeight, kWidth, {}};
  Random random(seed);
  for (int i = 0; i < kHeight * kWidth * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(random.next()));
  return image;
}

/// Returns the values 0 … `most` in equal steps.
std::vector<std::uint16_t> ramp(int most) {
  std::vector<std::uint16_t> out;
  for (int i = 0; i < kHeight * kWidth; ++i)
    out.push_back(static_cast<std::uint16_t>(i * most / (kHeight * kWidth - 1)));
  return out;
}

Result<RgbImage> decode(const Bytes& bytes, const DecodeRules& rules) {
  return decode_image(bytes, {}, {}, rules);
}

TEST(Decode, TwelveBitsKeepTheirLevels) {
  const auto samples = ramp(4095);
  for (const auto& file : {deep_png(samples, kHeight, kWidth), tiff(samples, kHeight, kWidth, 1, 16, false),
                           tiff(samples, kHeight, kWidth, 1, 16, true)}) {
    const auto image = decode(file, {.formats = kAllFormats, .sample_bits = 12});
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->used_bits, 12);
    EXPECT_EQ(image->beyond_range, 0);
    for (std::size_t i = 0; i < samples.size(); ++i)
      for (std::size_t c = 0; c < 3; ++c) ASSERT_EQ(image->pixels[3 * i + c], std::lround(samples[i] * 255.0 / 4095));
    // Without a range, the upper byte is taken: models of earlier versions were trained so.
    EXPECT_EQ(decode(file, kLocal)->pixels[3 * (samples.size() - 1)], 15);
  }
}

TEST(Decode, SamplesBeyondTheRangeAreWhiteAndCounted) {
  const auto image = decode(deep_png(ramp(8191), kHeight, kWidth), {.sample_bits = 12});
  ASSERT_TRUE(image);
  EXPECT_EQ(image->used_bits, 13);
  EXPECT_NEAR(image->beyond_range, 0.5, 0.01);
  EXPECT_EQ(image->pixels.back(), 255);
  EXPECT_EQ(decode(*encode_png(noise(1)), {.sample_bits = 12})->used_bits, 0);
}

TEST(Decode, ReducedDeepPicturesAreMeansOfScaledSamples) {
  const auto file = deep_png(std::vector<std::uint16_t>(kHeight * kWidth, 2048), kHeight, kWidth);
  const auto image = decode_image(file, {}, {20, 20}, {.sample_bits = 12});
  ASSERT_TRUE(image);
  EXPECT_EQ(image->height, kHeight / 2);
  EXPECT_EQ(image->pixels[0], 128);
}

TEST(Decode, BmpAndTiffGiveTheSamePixelsAndAreReadOnlyWhereTheyAreWanted) {
  const auto image = noise(2);
  const std::vector<std::uint16_t> samples(image.pixels.begin(), image.pixels.end());
  std::vector<std::uint16_t> with_alpha, deep;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    with_alpha.push_back(samples[i]);
    deep.push_back(static_cast<std::uint16_t>(samples[i] * 257));
    if (i % 3 == 2) with_alpha.push_back(7);
  }
  for (const auto& file : {bmp(image, false), bmp(image, true), tiff(samples, kHeight, kWidth, 3, 8, false),
                           tiff(with_alpha, kHeight, kWidth, 4, 8, true), tiff(deep, kHeight, kWidth, 3, 16, false)}) {
    const auto decoded = decode(file, kLocal);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->pixels, image.pixels);
    const auto served = decode(file, {});
    ASSERT_FALSE(served);
    EXPECT_NE(served.error().message.find("neither a JPEG nor a PNG image, but "), std::string::npos);
    EXPECT_FALSE(read_image_header(file));
    for (std::size_t length = 0; length + 20 < file.size(); length += 97)
      EXPECT_FALSE(decode(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)), kLocal)) << length;
    Random random(5);
    for (int round = 0; round < 200; ++round) {
      auto damaged = file;
      for (int flips = 0; flips < 3; ++flips)
        damaged[random.below(200)] ^= static_cast<std::uint8_t>(1U << random.below(8));
      (void)decode(damaged, kLocal);
    }
  }
}

TEST(Decode, SizesOfOtherFormatsAreCheckedBeforeAnythingIsAllocated) {
  auto file = bmp(noise(2), false);
  for (std::size_t i = 18; i < 26; ++i) file[i] = i % 4 == 1 ? 0 : 0xFF;  // Each side has 16 million pixels now.
  const auto decoded = decode(file, kLocal);
  ASSERT_FALSE(decoded);
  auto deep = tiff(ramp(255), kHeight, kWidth, 1, 8, false);
  deep[18] = deep[19] = deep[30] = deep[31] = 0xFF;
  EXPECT_NE(decode(deep, kLocal).error().message.find("65535x65535"), std::string::npos);
}

TEST(Decode, TheOrientationIsReadWhereverFormatsKeepIt) {
  Bytes exif;
  put(exif, "MM");
  put(exif, 42, 2, true);
  put(exif, 8, 4, true);
  put(exif, 1, 2, true);
  put(exif, 274, 2, true);
  put(exif, 3, 2, true);
  put(exif, 1, 4, true);
  put(exif, 6, 2, true);
  put(exif, 0, 6);
  const auto jpeg = *encode_jpeg(noise(3), 90);
  EXPECT_EQ(read_image_header(jpeg)->orientation, 1);
  Bytes tagged = {0xFF, 0xD8, 0xFF, 0xE1};
  put(tagged, exif.size() + 8, 2, true);
  put(tagged, std::string_view("Exif\0\0", 6));
  tagged.insert(tagged.end(), exif.begin(), exif.end());
  tagged.insert(tagged.end(), jpeg.begin() + 2, jpeg.end());
  const auto png = deep_png(ramp(255), kHeight, kWidth, exif);
  for (const auto& file : {tagged, png, tiff(ramp(255), kHeight, kWidth, 1, 8, true, 6)}) {
    const auto header = read_image_header(file, kAllFormats);
    ASSERT_TRUE(header) << header.error().message;
    EXPECT_EQ(header->orientation, 6);
    const auto image = decode(file, kLocal);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->height, kHeight);  // The orientation is ignored.
  }
  // Every cut of the structure, and every number in it, gives either no orientation or one of the eight.
  for (std::size_t at = 0; at < exif.size(); ++at)
    for (int value = 0; value < 256; ++value) {
      auto odd = exif;
      odd[at] = static_cast<std::uint8_t>(value);
      const auto header = read_image_header(deep_png(ramp(255), kHeight, kWidth, odd));
      ASSERT_TRUE(header);
      EXPECT_TRUE(header->orientation >= 1 && header->orientation <= 8);
    }
}

TEST(Decode, AJpegWithoutItsEndMarkerIsWholeAndOneThatLacksDataIsNot) {
  const auto file = *encode_jpeg(noise(4), 90);
  const auto whole = decode(file, {});
  ASSERT_TRUE(whole);
  for (std::ptrdiff_t missing : {1, 2}) {
    const auto cut = decode(Bytes(file.begin(), file.end() - missing), {});
    ASSERT_TRUE(cut) << cut.error().message;
    EXPECT_EQ(cut->pixels, whole->pixels);
  }
  for (std::ptrdiff_t missing : {5, 8, 50, 2000})
    EXPECT_FALSE(decode(Bytes(file.begin(), file.end() - missing), {})) << missing;
}

TEST(Decode, AnEmptyFileIsCalledEmpty) {
  EXPECT_EQ(read_image_header({}).error().message, "The file is empty.");
  EXPECT_EQ(decode({}, kLocal).error().message, "The file is empty.");
}

TEST(Decode, AJpegOfManyScansIsRefused) {
  const auto file = *encode_jpeg(noise(6), 90);
  const Bytes start = {0xFF, 0xDA};
  const auto scan = std::search(file.begin(), file.end(), start.begin(), start.end());
  Bytes many(file.begin(), file.end() - 2);
  for (int i = 0; i < 200; ++i) many.insert(many.end(), scan, file.end() - 2);
  many.insert(many.end(), file.end() - 2, file.end());
  const auto decoded = decode(many, {});
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("more than 100 scans"), std::string::npos) << decoded.error().message;
}

TEST(Decode, AncillaryChunksOfAPngCostNothing) {
  // Each chunk would inflate to 15 MB. Its checksum is wrong, so that it is thrown away and the next one may follow.
  const Bytes zeros(15'000'000, 0);
  Bytes bomb(compressBound(static_cast<uLong>(zeros.size())));
  auto size = static_cast<uLongf>(bomb.size());
  compress(bomb.data(), &size, zeros.data(), static_cast<uLong>(zeros.size()));
  bomb.resize(size);
  Bytes text = {'a', 0, 0};
  text.insert(text.end(), bomb.begin(), bomb.end());
  const auto image = noise(7);
  const auto plain = *encode_png(image);
  Bytes file(plain.begin(), plain.begin() + 33);
  for (int i = 0; i < 100; ++i) put_chunk(file, "zTXt", text);
  put_chunk(file, "iCCP", text);
  file.insert(file.end(), plain.begin() + 33, plain.end());
  const auto decoded = decode(file, {});
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->pixels, image.pixels);
}

TEST(Decode, DecodingEndsWhenNobodyWaitsForThePicture) {
  std::stop_source nobody;
  nobody.request_stop();
  const auto image = noise(8);
  const std::vector<std::uint16_t> samples(image.pixels.begin(), image.pixels.end());
  for (const auto& file :
       {*encode_jpeg(image, 90), *encode_png(image), bmp(image, true), tiff(samples, kHeight, kWidth, 3, 8, false)}) {
    const auto decoded = decode(file, {.formats = kAllFormats, .abandoned = nobody.get_token()});
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().kind, ErrorKind::unavailable);
  }
}

}  // namespace
}  // namespace vedette
