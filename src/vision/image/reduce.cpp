#include <algorithm>

#include "base/target_clones.hpp"
#include "vision/image/codecs.hpp"
#include "vision/image/raw_pixels.hpp"

namespace vedette {
namespace {

VEDETTE_TARGET_CLONES void add_bytes(const std::uint8_t* __restrict row, std::uint16_t* __restrict sums,
                                     std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sums[i] = static_cast<std::uint16_t>(sums[i] + row[i]);
}

/// Writes the means of whole squares, whose number of pixels is a power of two.
template <int kReduction>
void take_squares(const std::uint16_t* sums, int squares, std::uint8_t* out) {
  constexpr unsigned kShare = kReduction * kReduction;
  for (int i = 0; i < squares; ++i, sums += 3 * kReduction)
    for (int c = 0; c < 3; ++c) {
      unsigned sum = kShare / 2;
      for (int x = 0; x < kReduction; ++x) sum += sums[3 * x + c];
      *out++ = static_cast<std::uint8_t>(sum / kShare);
    }
}

}  // namespace

int choose_reduction(int height, int width, LeastSize least) {
  for (const int reduction : kReductions)
    if (reduced_side(height, reduction) >= least.height && reduced_side(width, reduction) >= least.width)
      return reduction;
  return 1;
}

RowMeans::RowMeans(int width, int reduction)
    : width_(width), reduction_(reduction), sums_(3 * static_cast<std::size_t>(width)) {}

void RowMeans::add(const std::uint8_t* row) {
  add_bytes(row, sums_.data(), sums_.size());
  ++rows_;
}

void RowMeans::take(std::uint8_t* out) {
  int first = 0;
  if (rows_ == reduction_) {
    const int squares = width_ / reduction_;
    if (reduction_ == 8) take_squares<8>(sums_.data(), squares, out);
    if (reduction_ == 4) take_squares<4>(sums_.data(), squares, out);
    if (reduction_ == 2) take_squares<2>(sums_.data(), squares, out);
    static_assert(kReductions == std::array{8, 4, 2});
    first = squares * reduction_;
    out += 3 * static_cast<std::ptrdiff_t>(squares);
  }
  // Squares that are cut off.
  for (; first < width_; first += reduction_) {
    const int columns = std::min(reduction_, width_ - first);
    const unsigned share = static_cast<unsigned>(rows_ * columns);
    for (int c = 0; c < 3; ++c) {
      unsigned sum = share / 2;
      for (int x = first; x < first + columns; ++x) sum += sums_[static_cast<std::size_t>(3 * x + c)];
      *out++ = static_cast<std::uint8_t>(sum / share);
    }
  }
  std::fill(sums_.begin(), sums_.end(), std::uint16_t{0});
  rows_ = 0;
}

Result<RgbImage> read_raw_pixels(int height, int width, LeastSize least,
                                 const std::function<Result<void>(std::size_t, std::span<std::uint8_t>)>& read) {
  const int reduction = choose_reduction(height, width, least);
  auto image = make_image(reduced_side(height, reduction), reduced_side(width, reduction));
  if (reduction == 1) {
    if (auto ok = read(0, image.pixels); !ok) return ok.error();
    return image;
  }
  const auto stride = 3 * static_cast<std::size_t>(width);
  // A few rows at a time stay in the cache of a core.
  std::vector<std::uint8_t> rows(stride * static_cast<std::size_t>(reduction));
  RowMeans means(width, reduction);
  for (int y = 0; y < image.height; ++y) {
    const int first = y * reduction, count = std::min(reduction, height - first);
    const std::span<std::uint8_t> part(rows.data(), stride * static_cast<std::size_t>(count));
    if (auto ok = read(stride * static_cast<std::size_t>(first), part); !ok) return ok.error();
    for (int r = 0; r < count; ++r) means.add(part.data() + stride * static_cast<std::size_t>(r));
    means.take(image.at(y, 0));
  }
  return image;
}

}  // namespace vedette
