#include "annotations/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace vedette {
namespace {

constexpr int kScale = 5;  // Corners are rounded to this fraction of a pixel, as COCO's tools do.
constexpr std::uint8_t kMarked = 1, kCrossing = 2;
constexpr std::int64_t kMostSteps = 400;  // per pixel; see Canvas::fill()
constexpr int kEllipseCorners = 720;

/// Rounds as COCO's tools do: halves go up, and negative numbers are cut off towards zero after that.
std::int64_t rounded(double value) {
  return static_cast<std::int64_t>(std::trunc(value + 0.5));
}
std::int64_t scaled(double value) {
  return rounded(kScale * value);
}

}  // namespace

Canvas::Canvas(int height, int width)
    : pixels_(height, width),
      steps_left_(kMostSteps * static_cast<std::int64_t>(height) * width + 10'000'000),
      top_(height),
      bottom_(0),
      left_(width),
      right_(0) {}

void Canvas::extend(int top, int bottom, int left, int right) {
  top_ = std::min(top_, std::max(top, 0));
  bottom_ = std::max(bottom_, std::min(bottom, pixels_.height));
  left_ = std::min(left_, std::max(left, 0));
  right_ = std::max(right_, std::min(right, pixels_.width));
}

/// Walks along one edge in steps of a fifth of a pixel. Between the steps 5x + 2 and 5x + 3 it passes the middle of
/// column x; the first pixel whose centre lies below is where inside and outside change.
void Canvas::walk(Point from, Point to) {
  auto xs = scaled(from.x), ys = scaled(from.y), xe = scaled(to.x), ye = scaled(to.y);
  const auto dx = std::abs(xe - xs), dy = std::abs(ye - ys);
  const bool is_flat = dx >= dy;
  // The points of an edge do not depend on its direction.
  if (is_flat ? xs > xe : ys > ye) std::swap(xs, xe), std::swap(ys, ye);
  const auto length = is_flat ? dx : dy;
  const double slope = length == 0 ? 0
                       : is_flat   ? static_cast<double>(ye - ys) / static_cast<double>(dx)
                                   : static_cast<double>(xe - xs) / static_cast<double>(dy);
  std::int64_t u_before = 0, v_before = 0;
  for (std::int64_t t = 0; t <= length; ++t) {
    const auto along = static_cast<double>(t);
    const auto u = is_flat ? xs + t : rounded(static_cast<double>(xs) + slope * along);
    const auto v = is_flat ? rounded(static_cast<double>(ys) + slope * along) : ys + t;
    if (t > 0 && u != u_before) {
      const auto low = std::min(u, u_before);
      if (low >= 2 && (low - 2) % kScale == 0 && (low - 2) / kScale < pixels_.width) {
        const auto row = static_cast<double>(std::min(v, v_before));
        const auto y = std::ceil(std::clamp((row + 0.5) / kScale - 0.5, 0.0, static_cast<double>(pixels_.height)));
        if (y < pixels_.height) pixels_.at(static_cast<int>(y), static_cast<int>((low - 2) / kScale)) ^= kCrossing;
      }
    }
    u_before = u, v_before = v;
  }
}

bool Canvas::fill(const Ring& ring) {
  if (ring.size() < 3) return true;
  double top = kMostCoordinate, bottom = -kMostCoordinate, left = kMostCoordinate, right = -kMostCoordinate;
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const auto &a = ring[i], &b = ring[(i + 1) % ring.size()];
    steps += 1 + std::max(std::abs(scaled(a.x) - scaled(b.x)), std::abs(scaled(a.y) - scaled(b.y)));
    top = std::min(top, a.y), bottom = std::max(bottom, a.y), left = std::min(left, a.x), right = std::max(right, a.x);
  }
  const auto row = [](double v) { return static_cast<int>(std::floor(v)); };
  const int first_row = std::clamp(row(top) - 1, 0, pixels_.height),
            end_row = std::clamp(row(bottom) + 2, 0, pixels_.height);
  const int first = std::clamp(row(left) - 1, 0, pixels_.width), end = std::clamp(row(right) + 2, 0, pixels_.width);
  steps += static_cast<std::int64_t>(end_row - first_row) * (end - first);
  if (steps > steps_left_) return false;
  steps_left_ -= steps;
  extend(first_row, end_row, first, end);
  for (std::size_t i = 0; i < ring.size(); ++i) walk(ring[i], ring[(i + 1) % ring.size()]);
  std::vector<std::uint8_t> inside(static_cast<std::size_t>(std::max(end - first, 0)));
  for (int y = first_row; y < end_row; ++y)
    for (int x = first; x < end; ++x) {
      auto& pixel = pixels_.at(y, x);
      auto& state = inside[static_cast<std::size_t>(x - first)];
      if ((pixel & kCrossing) != 0) state ^= 1U;
      pixel = static_cast<std::uint8_t>((pixel & kMarked) | state);
    }
  return true;
}

bool Canvas::fill(const Runs& runs) {
  const auto line = static_cast<std::int64_t>(runs.by_columns ? runs.height : runs.width);
  std::int64_t position = 0, steps = static_cast<std::int64_t>(runs.lengths.size());
  // The rectangle of the marked pixels: first and one past the last, along the runs and across them.
  std::int64_t first_along = line, end_along = 0, first_across = -1, end_across = 0;
  for (std::size_t i = 0; i < runs.lengths.size(); position += runs.lengths[i++]) {
    if (i % 2 == 0 || runs.lengths[i] == 0) continue;
    const std::int64_t last = position + runs.lengths[i] - 1;
    steps += runs.lengths[i];
    const bool is_one_line = position / line == last / line;
    first_along = std::min(first_along, is_one_line ? position % line : 0);
    end_along = std::max(end_along, is_one_line ? last % line + 1 : line);
    if (first_across < 0) first_across = position / line;
    end_across = last / line + 1;
  }
  if (first_across < 0) return true;
  steps += (end_along - first_along) * (end_across - first_across);
  if (steps > steps_left_) return false;
  steps_left_ -= steps;
  if (!runs.by_columns) std::swap(first_along, first_across), std::swap(end_along, end_across);
  extend(runs.top + static_cast<int>(first_along), runs.top + static_cast<int>(end_along),
         runs.left + static_cast<int>(first_across), runs.left + static_cast<int>(end_across));
  position = 0;
  for (std::size_t i = 0; i < runs.lengths.size(); ++i) {
    const std::int64_t end = position + runs.lengths[i];
    if (i % 2 == 1)
      for (auto p = position; p < end; ++p) {
        const auto y = runs.top + static_cast<int>(runs.by_columns ? p % line : p / line);
        const auto x = runs.left + static_cast<int>(runs.by_columns ? p / line : p % line);
        if (y >= 0 && y < pixels_.height && x >= 0 && x < pixels_.width) pixels_.at(y, x) |= kMarked;
      }
    position = end;
  }
  return true;
}

bool check_runs(const Runs& runs) {
  if (runs.height < 1 || runs.height > kMostSide || runs.width < 1 || runs.width > kMostSide) return false;
  if (std::abs(runs.left) > kMostSide || std::abs(runs.top) > kMostSide) return false;
  std::uint64_t sum = 0;
  for (const auto length : runs.lengths) sum += length;  // There are less than 2^32 of them.
  return sum == static_cast<std::uint64_t>(runs.height) * static_cast<std::uint64_t>(runs.width);
}

Ring rectangle(double left, double top, double right, double bottom) {
  return {{left, top}, {left, bottom}, {right, bottom}, {right, top}};
}

void turn(Ring& ring, Point centre, double degrees) {
  const double angle = degrees * std::numbers::pi / 180, c = std::cos(angle), s = std::sin(angle);
  for (auto& p : ring) {
    const double x = p.x - centre.x, y = p.y - centre.y;
    p = {centre.x + c * x - s * y, centre.y + s * x + c * y};
  }
}

Ring ellipse(Point centre, double radius_x, double radius_y, double degrees) {
  Ring ring;
  for (int i = 0; i < kEllipseCorners; ++i) {
    const double angle = 2 * std::numbers::pi * i / kEllipseCorners;
    ring.push_back({centre.x + radius_x * std::cos(angle), centre.y + radius_y * std::sin(angle)});
  }
  turn(ring, centre, degrees);
  return ring;
}

Grid<std::uint8_t> to_raw_grid(const Grid<std::uint8_t>& shown, int orientation) {
  const bool is_quarter = is_quarter_turn(orientation);
  Grid<std::uint8_t> raw(is_quarter ? shown.width : shown.height, is_quarter ? shown.height : shown.width);
  // EXIF 2.32 says where the first row and column of the raw grid are seen.
  const bool is_row_last = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool is_column_last = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  for (int y = 0; y < raw.height; ++y)
    for (int x = 0; x < raw.width; ++x) {
      const int row = is_row_last ? raw.height - 1 - y : y, column = is_column_last ? raw.width - 1 - x : x;
      raw.at(y, x) = is_quarter ? shown.at(column, row) : shown.at(row, column);
    }
  return raw;
}

}  // namespace vedette
