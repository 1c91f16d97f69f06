#include "vision/image/mask_file.hpp"

#include <gtest/gtest.h>
#include <spng.h>

#include <algorithm>
#include <functional>

namespace vedette {
namespace {

constexpr int kSide = 64;
constexpr SizeLimits kLimits{32, 4096};

/// The truth of most tests: a block of 10 × 20 pixels.
bool is_in_block(int y, int x) {
  return y >= 20 && y < 30 && x >= 12 && x < 32;
}

struct PngKind {
  spng_color_type color;
  std::uint8_t depth;
  std::vector<Rgb> palette;
  bool is_interlaced = false;
};

/// Makes a PNG. `draw` returns the samples of the pixel at a row and a column: `channels` bytes, or two bytes per
/// channel in host order if it has 16 bits.
Bytes png_of(const PngKind& kind, const std::function<std::vector<std::uint16_t>(int, int)>& draw) {
  Bytes raw;
  for (int y = 0; y < kSide; ++y) {
    std::uint8_t packed = 0;
    for (int x = 0; x < kSide; ++x)
      for (const auto sample : draw(y, x)) {
        if (kind.depth == 16) {
          raw.push_back(static_cast<std::uint8_t>(sample & 255));
          raw.push_back(static_cast<std::uint8_t>(sample >> 8));
        } else if (kind.depth == 8) {
          raw.push_back(static_cast<std::uint8_t>(sample));
        } else {
          packed = static_cast<std::uint8_t>(packed << kind.depth | sample);
          if ((x + 1) * kind.depth % 8 == 0) raw.push_back(packed);
        }
      }
  }
  auto* context = spng_ctx_new(SPNG_CTX_ENCODER);
  spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{kSide,
                   kSide,
                   kind.depth,
                   static_cast<std::uint8_t>(kind.color),
                   0,
                   0,
                   static_cast<std::uint8_t>(kind.is_interlaced ? SPNG_INTERLACE_ADAM7 : SPNG_INTERLACE_NONE)};
  spng_set_ihdr(context, &header);
  if (!kind.palette.empty()) {
    spng_plte palette{};
    palette.n_entries = static_cast<std::uint32_t>(kind.palette.size());
    for (std::size_t i = 0; i < kind.palette.size(); ++i)
      palette.entries[i] = {kind.palette[i][0], kind.palette[i][1], kind.palette[i][2], 255};
    spng_set_plte(context, &palette);
  }
  EXPECT_EQ(spng_encode_image(context, raw.data(), raw.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
  std::size_t size = 0;
  int error = 0;
  auto* data = static_cast<std::uint8_t*>(spng_get_png_buffer(context, &size, &error));
  EXPECT_EQ(error, 0);
  Bytes out(data, data + size);
  std::free(data);
  spng_ctx_free(context);
  return out;
}

Bytes grey(std::uint8_t depth, std::uint16_t ground, std::uint16_t mark, bool is_interlaced = false) {
  return png_of({SPNG_COLOR_TYPE_GRAYSCALE, depth, {}, is_interlaced},
                [=](int y, int x) { return std::vector{is_in_block(y, x) ? mark : ground}; });
}
Bytes rgb(const std::function<Rgb(int, int)>& draw) {
  return png_of({SPNG_COLOR_TYPE_TRUECOLOR, 8, {}}, [&](int y, int x) {
    const auto c = draw(y, x);
    return std::vector<std::uint16_t>{c[0], c[1], c[2]};
  });
}

std::string complaint(const Bytes& file, const std::optional<MaskColor16>& background = {}) {
  const auto mask = read_mask_file(file, kLimits);
  if (!mask) return mask.error().message;
  const auto marks = marked_pixels(*mask, background);
  return marks ? "" : marks.error().message;
}

/// Returns an empty text if exactly those pixels are marked for which `truth` holds.
std::string difference(const Bytes& file, const std::function<bool(int, int)>& truth = is_in_block,
                       const std::optional<MaskColor16>& background = {}) {
  const auto mask = read_mask_file(file, kLimits);
  if (!mask) return mask.error().message;
  const auto marks = marked_pixels(*mask, background);
  if (!marks) return marks.error().message;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      if ((marks->at(y, x) != 0) != truth(y, x)) return "at row " + std::to_string(y) + ", column " + std::to_string(x);
  return "";
}

std::optional<MaskColor16> background_of(const std::vector<Bytes>& files) {
  std::vector<MaskPalette> palettes;
  for (const auto& file : files) palettes.push_back(read_mask_file(file, kLimits)->palette);
  return common_background(palettes);
}

TEST(MaskFile, GreyOfEveryDepthIsMarkedWhereItIsNotBackground) {
  for (const bool is_interlaced : {false, true}) {
    EXPECT_EQ(difference(grey(8, 0, 255, is_interlaced)), "");
    EXPECT_EQ(difference(grey(8, 0, 1, is_interlaced)), "");
    EXPECT_EQ(difference(grey(1, 0, 1, is_interlaced)), "");
    EXPECT_EQ(difference(grey(2, 0, 1, is_interlaced)), "");
    EXPECT_EQ(difference(grey(4, 0, 3, is_interlaced)), "");
    EXPECT_EQ(difference(grey(16, 0, 1, is_interlaced)), "");
    EXPECT_EQ(difference(grey(16, 0, 255, is_interlaced)), "");
    EXPECT_EQ(difference(grey(16, 0, 65535, is_interlaced)), "");
  }
}

TEST(MaskFile, BlackMarksOnWhiteAreMarks) {
  EXPECT_EQ(difference(grey(8, 255, 0)), "");
  EXPECT_EQ(difference(grey(1, 1, 0)), "");
}

TEST(MaskFile, PalettesAreReadByTheColorsThatTheyShow) {
  const auto with = [](std::vector<Rgb> palette, std::uint16_t ground, std::uint16_t mark) {
    return png_of({SPNG_COLOR_TYPE_INDEXED, 8, std::move(palette)},
                  [=](int y, int x) { return std::vector{is_in_block(y, x) ? mark : ground}; });
  };
  EXPECT_EQ(difference(with({{0, 0, 0}, {128, 0, 0}}, 0, 1)), "");
  EXPECT_EQ(difference(with({{0, 0, 0}, {255, 0, 0}}, 0, 1)), "");
  EXPECT_EQ(difference(with({{255, 255, 255}, {0, 0, 0}}, 1, 0)), "");  // A quantiser writes this order.
  EXPECT_EQ(difference(with({{0, 0, 0}, {255, 255, 255}, {0, 0, 0}}, 2, 1)), "");
  EXPECT_EQ(complaint(with({{0, 0, 0}, {0, 0, 0}}, 0, 1)), "marks nothing");
  std::vector<Rgb> inverting;
  for (int i = 255; i >= 0; --i)
    inverting.push_back({static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i)});
  EXPECT_EQ(difference(with(inverting, 0, 255)), "");
  // The same holds among masks of other tools, though this mask shows black on white.
  EXPECT_EQ(difference(with(inverting, 0, 255), is_in_block, MaskColor16{}), "");
}

TEST(MaskFile, OpaquePixelsAreMarkedWhereOthersAreTransparent) {
  const auto layer = [](bool is_opaque) {
    return png_of({SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, {}}, [=](int y, int x) {
      const bool marked = is_in_block(y, x);
      // The mark is painted black: only alpha tells it from the black below.
      return std::vector<std::uint16_t>{0, 0, std::uint16_t(is_opaque && marked ? 200 : 0),
                                        std::uint16_t(is_opaque || marked ? 255 : 0)};
    });
  };
  EXPECT_EQ(difference(layer(false)), "");
  EXPECT_EQ(difference(layer(true)), "");
  EXPECT_EQ(difference(png_of({SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8, {}},
                              [](int y, int x) {
                                return std::vector<std::uint16_t>{255, std::uint16_t(is_in_block(y, x) ? 255 : 0)};
                              })),
            "");
}

TEST(MaskFile, EveryClassIsMarkedHoweverDark) {
  const auto classes = [](std::uint16_t first, std::uint16_t second) {
    return png_of({SPNG_COLOR_TYPE_GRAYSCALE, 8, {}}, [=](int y, int x) {
      return std::vector<std::uint16_t>{is_in_block(y, x) ? (x < 20 ? first : second) : std::uint16_t(0)};
    });
  };
  EXPECT_EQ(difference(classes(1, 2)), "");
  EXPECT_EQ(difference(classes(1, 255)), "");
  EXPECT_EQ(difference(rgb([](int y, int x) {
              return is_in_block(y, x) ? (x < 20 ? Rgb{0, 64, 0} : Rgb{250, 50, 83}) : Rgb{255, 255, 255};
            })),
            "");
}

TEST(MaskFile, SoftEdgesAreCutInTheMiddle) {
  const auto soft = png_of({SPNG_COLOR_TYPE_GRAYSCALE, 8, {}}, [](int y, int x) {
    if (y < 20 || y >= 30) return std::vector<std::uint16_t>{0};
    // Each row has edges of other greys. An edge of half of white or more belongs to the mark.
    if (x == 11) return std::vector<std::uint16_t>{static_cast<std::uint16_t>(20 + y)};
    if (x == 32) return std::vector<std::uint16_t>{static_cast<std::uint16_t>(200 + y)};
    return std::vector<std::uint16_t>{static_cast<std::uint16_t>(x >= 12 && x < 32 ? 255 : 0)};
  });
  EXPECT_EQ(difference(soft, [](int y, int x) { return is_in_block(y, x) || (y >= 20 && y < 30 && x == 32); }), "");
}

TEST(MaskFile, JpegNoiseIsNoMark) {
  RgbImage image{kSide, kSide, {}};
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(is_in_block(y, x) ? 255 : 0));
  const auto mask = read_mask_file(*encode_jpeg(image, 75), kLimits);
  ASSERT_TRUE(mask);
  const auto marks = marked_pixels(*mask, {});
  ASSERT_TRUE(marks);
  int wrong = 0;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x) wrong += (marks->at(y, x) != 0) != is_in_block(y, x) ? 1 : 0;
  EXPECT_LE(wrong, 20);
}

TEST(MaskFile, MasksOfOneColorOrNearlyMarkNothingOrEverything) {
  EXPECT_EQ(complaint(grey(8, 0, 0)), "marks nothing");
  EXPECT_EQ(complaint(grey(8, 255, 255)), "marks nothing");
  EXPECT_NE(complaint(grey(8, 255, 255), MaskColor16{}).find("marks 100 %"), std::string::npos);
  // The mask is black on white among masks that are white on black.
  EXPECT_NE(complaint(grey(8, 255, 0), MaskColor16{}).find("marks 95 %"), std::string::npos);
  EXPECT_EQ(complaint(png_of({SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8, {}},
                             [](int, int) {
                               return std::vector<std::uint16_t>{0, 0};
                             })),
            "marks nothing");
}

TEST(MaskFile, AFolderTellsABackgroundFromALargeDefect) {
  const auto large = [](int y, int x) { return y < 40 || x < 40; };
  const auto large_defect = rgb([&](int y, int x) { return large(y, x) ? Rgb{255, 255, 255} : Rgb{0, 0, 0}; });
  const auto usual = grey(8, 0, 255);
  const auto black = background_of({usual, large_defect, usual});
  ASSERT_TRUE(black);
  EXPECT_EQ(*black, MaskColor16{});
  EXPECT_EQ(difference(large_defect, large, black), "");

  const auto black_on_white = rgb([&](int y, int x) { return large(y, x) ? Rgb{0, 0, 0} : Rgb{255, 255, 255}; });
  const auto white = background_of({grey(8, 255, 0), black_on_white, grey(8, 255, 0), grey(8, 255, 0)});
  ASSERT_TRUE(white);
  EXPECT_EQ((*white)[0], 65535);
  EXPECT_EQ(difference(black_on_white, large, white), "");
  // The folder holds a mask of another tool with colours of its own.
  EXPECT_EQ(difference(rgb([](int y, int x) {
                         return is_in_block(y, x) ? Rgb{9, 9, 9} : Rgb{200, 200, 200};
                       }),
                       is_in_block, MaskColor16{}),
            "");
}

TEST(MaskFile, BackgroundsAreWrittenAndReadBack) {
  EXPECT_EQ(*parse_color16(to_text(MaskColor16{1, 0xABCD, 65535})), (MaskColor16{1, 0xABCD, 65535}));
  EXPECT_FALSE(parse_color16("#ffffff"));
}

TEST(MaskFile, BrokenFilesAreRefused) {
  auto cut = grey(8, 0, 255);
  cut.resize(cut.size() / 2);
  EXPECT_FALSE(read_mask_file(cut, kLimits));
  EXPECT_FALSE(read_mask_file(grey(8, 0, 255), SizeLimits{128, 4096}));
}

}  // namespace
}  // namespace vedette
