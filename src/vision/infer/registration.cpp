#include "vision/infer/registration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/target_clones.hpp"

namespace vedette {
namespace {

constexpr double kCoarseAngleStep = 0.026;  // This is 1.5°.
constexpr int kBand = 16;                   // The number of rows that one thread reduces at a time.
constexpr double kFlat = 1e-9;              // Below this squared deviation there is nothing to register.

/// Where the pixels of one row of the target lie in the source: the index of the upper left one of four neighbours, and
/// how far towards the others.
struct RowPlaces {
  std::vector<std::int32_t> index;
  std::vector<float> down, right;
  explicit RowPlaces(int width) : index(static_cast<std::size_t>(width)), down(index.size()), right(index.size()) {}
};

/// Computes the places of q → M (q − centre) + centre + shift, for x from `first` on, at row y. Beyond the border the
/// nearest pixel is taken.
VEDETTE_TARGET_CLONES void place_row(std::int32_t* __restrict index, float* __restrict down, float* __restrict right,
                                     int first, int end, int y, int height, int width, float cosine, float sine,
                                     float dy, float dx) {
  const float cy = 0.5F * static_cast<float>(height - 1), cx = 0.5F * static_cast<float>(width - 1);
  const float ry = static_cast<float>(y) - cy;
  const float row_y = cosine * ry + cy + dy, row_x = cx + dx - sine * ry;
  const auto last_y = static_cast<float>(height - 1), last_x = static_cast<float>(width - 1);
  for (int x = first; x < end; ++x) {
    const float rx = static_cast<float>(x) - cx;
    float sy = sine * rx + row_y, sx = cosine * rx + row_x;
    sy = sy < 0 ? 0 : sy > last_y ? last_y : sy;
    sx = sx < 0 ? 0 : sx > last_x ? last_x : sx;
    int y0 = static_cast<int>(sy), x0 = static_cast<int>(sx);
    y0 = y0 > height - 2 ? height - 2 : y0;
    x0 = x0 > width - 2 ? width - 2 : x0;
    index[x] = y0 * width + x0;
    down[x] = sy - static_cast<float>(y0);
    right[x] = sx - static_cast<float>(x0);
  }
}

/// Interpolates bilinearly at these places.
VEDETTE_TARGET_CLONES void sample_row(const float* __restrict in, float* __restrict out,
                                      const std::int32_t* __restrict index, const float* down, const float* right,
                                      int first, int end, int width) {
  const float* below = in + width;
  for (int x = first; x < end; ++x) {
    const auto i = index[x];
    const float top = in[i] + right[x] * (in[i + 1] - in[i]);
    const float bottom = below[i] + right[x] * (below[i + 1] - below[i]);
    out[x] = top + down[x] * (bottom - top);
  }
}

void warp(const float* in, float* out, int channels, int height, int width, double cosine, double sine, double dy,
          double dx) {
  const std::size_t plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
#pragma omp parallel
  {
    RowPlaces places(width);
#pragma omp for
    for (int y = 0; y < height; ++y) {
      place_row(places.index.data(), places.down.data(), places.right.data(), 0, width, y, height, width,
                static_cast<float>(cosine), static_cast<float>(sine), static_cast<float>(dy), static_cast<float>(dx));
      for (int c = 0; c < channels; ++c)
        sample_row(
            in + static_cast<std::size_t>(c) * plane,
            out + static_cast<std::size_t>(c) * plane + static_cast<std::size_t>(y) * static_cast<std::size_t>(width),
            places.index.data(), places.down.data(), places.right.data(), 0, width, width);
    }
  }
}

int margin_of(const Grid<float>& map) {
  return static_cast<int>(std::ceil(kLargestShift * std::min(map.height, map.width)));
}

/// Sums over pairs of values: of x and y, of their squares and of their product.
struct Correlation {
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  [[nodiscard]] double value() const {
    const double vx = xx - x * x / n, vy = yy - y * y / n;
    return vx > kFlat && vy > kFlat ? (xy - x * y / n) / std::sqrt(vx * vy) : 0.0;
  }
};

/// Adds y, y² and x·y of pairs. It uses lanes, since a compiler may not reorder sums by itself.
VEDETTE_TARGET_CLONES void correlate(const float* x, const float* y, int count, double* sums) {
  Lanes one = {}, squares = {}, products = {};
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Lanes a, b;
    std::memcpy(&a, x + i, sizeof(a));
    std::memcpy(&b, y + i, sizeof(b));
    one += b;
    squares += b * b;
    products += a * b;
  }
  for (int j = 0; i < count; ++i, ++j) {
    one[j] += y[i];
    squares[j] += y[i] * y[i];
    products[j] += x[i] * y[i];
  }
  for (int j = 0; j < kLanes; ++j) sums[0] += one[j], sums[1] += squares[j], sums[2] += products[j];
}

/// Returns the part of the sums that depends on the reference alone.
Correlation reference_sums(const Grid<float>& reference, int margin) {
  Correlation out;
  for (int y = margin; y < reference.height - margin; ++y)
    for (int x = margin; x < reference.width - margin; ++x) {
      const double value = reference.at(y, x);
      out.n += 1, out.x += value, out.xx += value * value;
    }
  return out;
}

/// Computes registration_score() with the reference's sums and the memory for a row at hand.
struct Scorer {
  const Grid<float>& reference;
  const Grid<float>& picture;
  const int margin = margin_of(reference);  // The border of the reference that is left out.
  RowPlaces places{reference.width};
  std::vector<float> seen = std::vector<float>(places.index.size());
  const Correlation sums = reference_sums(reference, margin);

  double operator()(const RigidTransform& t) {
    const int end = reference.width - margin;
    const auto cosine = static_cast<float>(std::cos(t.angle)), sine = static_cast<float>(std::sin(t.angle));
    double own[3] = {};
    for (int y = margin; y < reference.height - margin; ++y) {
      place_row(places.index.data(), places.down.data(), places.right.data(), margin, end, y, picture.height,
                picture.width, cosine, sine, static_cast<float>(t.dy), static_cast<float>(t.dx));
      sample_row(picture.values.data(), seen.data(), places.index.data(), places.down.data(), places.right.data(),
                 margin, end, picture.width);
      correlate(&reference.at(y, margin), seen.data() + margin, end - margin, own);
    }
    return Correlation{sums.n, sums.x, own[0], sums.xx, own[1], own[2]}.value();
  }
};

/// Returns the sum of the products of rows, which are `n` apart in one (a multiple of kLanes) and `stride` apart in the
/// other.
VEDETTE_TARGET_CLONES float multiply(const float* x, const float* y, int rows, int n, std::int64_t stride) {
  Lanes sum = {};
  for (int row = 0; row < rows; ++row, x += n, y += stride)
    for (int i = 0; i < n; i += kLanes) {
      Lanes a, b;
      std::memcpy(&a, x + i, sizeof(a));
      std::memcpy(&b, y + i, sizeof(b));
      sum += a * b;
    }
  float out = 0;
  for (int j = 0; j < kLanes; ++j) out += sum[j];
  return out;
}

/// Sums of a map, and of its squares, over rectangles of one size (Crow, SIGGRAPH 1984).
class SummedArea {
 public:
  SummedArea(const float* map, int height, int width)
      : stride_(width + 1),
        sums_(static_cast<std::size_t>(height + 1) * static_cast<std::size_t>(stride_)),
        squares_(sums_.size()) {
    for (int y = 0; y < height; ++y) {
      double sum = 0, square = 0;
      for (int x = 0; x < width; ++x) {
        const double v = map[y * width + x];
        sum += v, square += v * v;
        const auto i = static_cast<std::size_t>((y + 1) * stride_ + x + 1),
                   above = i - static_cast<std::size_t>(stride_);
        sums_[i] = sums_[above] + sum;
        squares_[i] = squares_[above] + square;
      }
    }
  }
  /// Returns the sum of squared deviations from the rectangle's mean.
  [[nodiscard]] double deviation(int top, int left, int rows, int columns) const {
    const auto sum_of = [&](const std::vector<double>& table) {
      const auto at = [&](int y, int x) { return table[static_cast<std::size_t>(y * stride_ + x)]; };
      return at(top + rows, left + columns) - at(top, left + columns) - at(top + rows, left) + at(top, left);
    };
    const double sum = sum_of(sums_);
    return sum_of(squares_) - sum * sum / (rows * columns);
  }

 private:
  int stride_;
  std::vector<double> sums_, squares_;
};

Grid<float> halve(const Grid<float>& map) {
  return resize_map(map, map.height / 2, map.width / 2);
}

}  // namespace

Grid<float> registration_map(const float* rgb, int height, int width, int reduction) {
  Grid<float> luminance(height, width), out(height / reduction, width / reduction);
  const auto plane = static_cast<std::int64_t>(luminance.values.size());
#pragma omp parallel for simd
  for (std::int64_t i = 0; i < plane; ++i)
    luminance.values[static_cast<std::size_t>(i)] =
        0.299F * rgb[i] + 0.587F * rgb[plane + i] + 0.114F * rgb[2 * plane + i];
  const int bands = std::max(1, out.height / kBand);
#pragma omp parallel for
  for (int b = 0; b < bands; ++b) {
    const int first = b * out.height / bands, end = (b + 1) * out.height / bands;
    const auto part = resize_map(luminance, out.height, out.width, {first, 0, end - first, out.width});
    std::copy(part.values.begin(), part.values.end(), &out.at(first, 0));
  }
  return out;
}

double registration_score(const Grid<float>& reference, const Grid<float>& picture, const RigidTransform& t) {
  return Scorer{reference, picture}(t);
}

bool has_one_place(const Grid<float>& reference, double score) {
  // The shifts around none at all that fit as well as `score` are one region of shifts, which is found by flooding. The
  // place is not one if another region fits as well, or if this region has no end within the search.
  const int margin = margin_of(reference), reach = 2 * margin, side = 2 * reach + 1;
  Grid<std::uint8_t> fits(side, side);
  const auto scan = [&](int y) {
    Scorer scorer{reference, reference, 2 * margin};
    for (int x = 0; x < side; ++x)
      fits.at(y, x) = scorer({static_cast<double>(y - reach), static_cast<double>(x - reach), 0}) >= score ? 1 : 0;
  };
#pragma omp parallel for
  for (int y = 0; y < side; ++y) scan(y);
  std::vector<std::pair<int, int>> open = {{reach, reach}};
  fits.at(reach, reach) = 0;
  while (!open.empty()) {
    const auto [y, x] = open.back();
    open.pop_back();
    for (const auto& [down, right] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}}) {
      const int ny = y + down, nx = x + right;
      if (ny < 0 || nx < 0 || ny >= side || nx >= side) return false;
      if (fits.at(ny, nx) == 0) continue;
      fits.at(ny, nx) = 0;
      open.emplace_back(ny, nx);
    }
  }
  return std::none_of(fits.values.begin(), fits.values.end(), [](auto fit) { return fit != 0; });
}

RigidTransform estimate_registration(const Grid<float>& reference, const Grid<float>& picture) {
  const Grid<float> small_reference = halve(reference), small_picture = halve(picture);
  const int height = small_reference.height, width = small_reference.width, margin = margin_of(small_reference);
  const int rows = height - 2 * margin, columns = width - 2 * margin;
  // This is the reference without its mean: products with it alone are the covariance. Its rows end in zeros.
  const int padded = (columns + kLanes - 1) / kLanes * kLanes;
  std::vector<float> centred(static_cast<std::size_t>(rows * padded));
  const auto small_sums = reference_sums(small_reference, margin);
  for (int y = 0; y < rows; ++y)
    for (int x = 0; x < columns; ++x)
      centred[static_cast<std::size_t>(y * padded + x)] =
          small_reference.at(margin + y, margin + x) - static_cast<float>(small_sums.x / small_sums.n);

  const int angle_steps = static_cast<int>(kLargestAngle / kCoarseAngleStep);
  struct Candidate {
    RigidTransform transform;
    double score = -2;
  };
  // Each angle has its best candidate.
  std::vector<Candidate> candidates(static_cast<std::size_t>(2 * angle_steps + 1));
#pragma omp parallel for schedule(dynamic)
  for (int step = -angle_steps; step <= angle_steps; ++step) {
    auto& best_here = candidates[static_cast<std::size_t>(step + angle_steps)];
    const double angle = step * kCoarseAngleStep;
    std::vector<float> turned(small_picture.values.size() +
                              static_cast<std::size_t>(padded));  // Products read on beyond the last row.
    warp(small_picture.values.data(), turned.data(), 1, height, width, std::cos(angle), std::sin(angle), 0, 0);
    const SummedArea area(turned.data(), height, width);
    for (int dy = -margin; dy <= margin; ++dy)
      for (int dx = -margin; dx <= margin; ++dx) {
        const int top = margin + dy, left = margin + dx;
        const double deviation = area.deviation(top, left, rows, columns);
        const double found = deviation > kFlat
                                 ? multiply(centred.data(), turned.data() + top * width + left, rows, padded, width) /
                                       std::sqrt(deviation)
                                 : 0;
        // The shift was applied after turning, so it is carried into the picture's frame.
        if (found > best_here.score)
          best_here = {{2 * (std::sin(angle) * dx + std::cos(angle) * dy),
                        2 * (std::cos(angle) * dx - std::sin(angle) * dy), angle},
                       found};
      }
  }
  RigidTransform best = std::max_element(candidates.begin(), candidates.end(), [](const auto& x, const auto& y) {
                          return x.score < y.score;
                        })->transform;
  // Pattern search tries each parameter both ways, and halves the steps when nothing helps.
  std::array scorers = {Scorer{reference, picture}, Scorer{reference, picture}};
  double best_score = scorers[0](best);
  double shift_step = 1, angle_step = 0.013;
  while (shift_step > 0.06) {
    bool improved = false;
    for (int parameter = 0; parameter < 3; ++parameter) {
      std::array<RigidTransform, 2> trials = {best, best};
      std::array<double, 2> found{};
#pragma omp parallel for
      for (int way = 0; way < 2; ++way) {
        auto& trial = trials[static_cast<std::size_t>(way)];
        const double sign = way == 0 ? -1 : 1;
        if (parameter == 0) trial.dy += sign * shift_step;
        if (parameter == 1) trial.dx += sign * shift_step;
        if (parameter == 2) trial.angle += sign * angle_step;
        found[static_cast<std::size_t>(way)] = scorers[static_cast<std::size_t>(way)](trial);
      }
      for (std::size_t way = 0; way < 2; ++way)
        if (found[way] > best_score) {
          best = trials[way], best_score = found[way], improved = true;
          break;  // The other way would lead back.
        }
    }
    if (!improved) shift_step /= 2, angle_step /= 2;
  }
  return best;
}

RigidTransform find_pose(const Grid<float>& reference, const Grid<float>& picture, std::optional<double> in_place) {
  // If more than this share of what the correlation lacked remains, the difference is not one of place.
  constexpr double kLargestRemainder = 0.5;
  if (!in_place) return estimate_registration(reference, picture);
  const double unmoved = registration_score(reference, picture, {});
  if (unmoved >= *in_place) return {};
  const auto found = estimate_registration(reference, picture);
  const double moved = registration_score(reference, picture, found);
  return 1 - moved < kLargestRemainder * (1 - unmoved) ? found : RigidTransform{};
}

void warp_to_reference(const float* in, float* out, int channels, int height, int width, const RigidTransform& t,
                       double scale) {
  warp(in, out, channels, height, width, std::cos(t.angle), std::sin(t.angle), t.dy * scale, t.dx * scale);
}

void warp_from_reference(const float* in, float* out, int channels, int height, int width, const RigidTransform& t,
                         double scale) {
  // This is the inverse: q = R⁻¹ (p − centre − shift) + centre.
  const double cosine = std::cos(t.angle), sine = std::sin(t.angle);
  warp(in, out, channels, height, width, cosine, -sine, (sine * t.dx - cosine * t.dy) * scale,
       (-cosine * t.dx - sine * t.dy) * scale);
}

MapPoint to_reference(const RigidTransform& t, MapPoint in_picture, int height, int width) {
  const double cy = 0.5 * (height - 1), cx = 0.5 * (width - 1), cosine = std::cos(t.angle), sine = std::sin(t.angle);
  const double dy = in_picture.y - cy - t.dy, dx = in_picture.x - cx - t.dx;
  return {cosine * dy - sine * dx + cy, sine * dy + cosine * dx + cx};
}

MapPoint from_reference(const RigidTransform& t, MapPoint in_reference, int height, int width) {
  const double cy = 0.5 * (height - 1), cx = 0.5 * (width - 1), cosine = std::cos(t.angle), sine = std::sin(t.angle);
  const double y = in_reference.y - cy, x = in_reference.x - cx;
  return {cosine * y + sine * x + cy + t.dy, cosine * x - sine * y + cx + t.dx};
}

}  // namespace vedette
