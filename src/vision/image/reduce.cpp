#include <algorithm>
#include <atomic>

#include "base/parallel.hpp"
#include "base/target_clones.hpp"
#include "vision/image/codecs.hpp"
#include "vision/image/raw_pixels.hpp"

namespace vedette {
namespace {

constexpr int kPartsPerThread = 4;  // of a picture that several threads read

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
  const auto stride = 3 * static_cast<std::size_t>(width);
  // More parts than threads even out what else the cores have to do. Their memory is taken before any thread begins,
  // where running out of it is still an ordinary exception.
  const int threads = ThreadCount::current();
  const int parts = threads == 1 ? 1 : std::min(image.height, threads * kPartsPerThread);
  struct Part {
    RowMeans means;
    std::vector<std::uint8_t> rows;  // stay in the cache of a core
    Result<void> done;
  };
  std::vector<Part> all;
  for (int p = 0; p < parts; ++p)
    all.push_back(Part{RowMeans(width, reduction),
                       std::vector<std::uint8_t>(reduction == 1 ? 0 : stride * static_cast<std::size_t>(reduction)),
                       {}});
  std::atomic<bool> has_failed{false};
#pragma omp parallel for schedule(dynamic)
  for (int p = 0; p < parts; ++p) {
    auto& part = all[static_cast<std::size_t>(p)];
    const int end = (p + 1) * image.height / parts;
    int y = p * image.height / parts;
    if (reduction == 1) {
      const auto bytes = stride * static_cast<std::size_t>(end - y);
      part.done = read(stride * static_cast<std::size_t>(y), {image.at(y, 0), bytes});
      continue;
    }
    for (; y < end && !has_failed; ++y) {
      const int first = y * reduction, count = std::min(reduction, height - first);
      const auto rows = std::span(part.rows).first(stride * static_cast<std::size_t>(count));
      part.done = read(stride * static_cast<std::size_t>(first), rows);
      if (!part.done) has_failed = true;
      for (int r = 0; r < count; ++r) part.means.add(rows.data() + stride * static_cast<std::size_t>(r));
      part.means.take(image.at(y, 0));
    }
  }
  for (const auto& part : all)
    if (!part.done) return part.done.error();
  return image;
}

}  // namespace vedette
