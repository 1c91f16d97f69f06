#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "vision/render/noise.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette::render {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr int kNoticeable = 6;         // A change of so many grey levels can be noticed.
constexpr double kLeastNoticed = 0.1;  // This share of the outline's pixels must have changed noticeably.
// Pixels above this value count as inside, because thin strokes are nowhere wholly inside.
constexpr float kInside = 0.4F;

/// A window of the picture around the damage, and how much each of its pixels is inside the outline (0 … 1).
struct Window {
  int y0, x0;
  Grid<float> inside;
};

/// Returns the distance of a point to a broken line.
double distance_to(const std::vector<std::pair<double, double>>& line, double x, double y) {
  double nearest = 1e9;
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    const auto [ax, ay] = line[i];
    const double dx = line[i + 1].first - ax, dy = line[i + 1].second - ay;
    const double length = dx * dx + dy * dy;
    const double t = length > 0 ? std::clamp(((x - ax) * dx + (y - ay) * dy) / length, 0.0, 1.0) : 0;
    nearest = std::min(nearest, std::hypot(x - ax - t * dx, y - ay - t * dy));
  }
  return nearest;
}

Window outline_window(const Damage& d, int height, int width, Random random) {
  const double reach = d.size * 0.75 + 3;
  Window w{std::clamp(static_cast<int>(d.centre_y - reach), 0, height - 1),
           std::clamp(static_cast<int>(d.centre_x - reach), 0, width - 1),
           {}};
  const int y1 = std::clamp(static_cast<int>(d.centre_y + reach) + 1, w.y0 + 1, height);
  const int x1 = std::clamp(static_cast<int>(d.centre_x + reach) + 1, w.x0 + 1, width);
  w.inside = Grid<float>(y1 - w.y0, x1 - w.x0);
  const double turn = random.uniform(0, 2 * kPi), aspect = std::exp(random.uniform(-0.9, 0)), radius = d.size / 2;
  const double soft = random.uniform(0.4, 1.6);
  const auto seed = random.next();
  std::vector<std::pair<double, double>> points;
  if (d.outline == Outline::stroke) {
    double x = -radius * std::cos(turn), y = -radius * std::sin(turn), heading = turn;
    points.emplace_back(x, y);
    for (int i = 0; i < 6; ++i) {
      heading += random.uniform(-0.35, 0.35);
      x += d.size / 6 * std::cos(heading);
      y += d.size / 6 * std::sin(heading);
      points.emplace_back(x, y);
    }
  } else if (d.outline == Outline::polygon) {
    const auto corners = 3 + random.below(4);
    for (std::uint64_t i = 0; i <= corners; ++i) {
      const double a = turn + 2 * kPi * static_cast<double>(i % corners) / static_cast<double>(corners);
      const double r = radius * (0.6 + 0.4 * hash_noise(static_cast<std::int64_t>(i % corners), 0, seed));
      points.emplace_back(r * std::cos(a), r * aspect * std::sin(a));
    }
  }
  const double half = std::max(0.6, d.size * random.uniform(0.01, 0.05));  // This is half of a stroke's width.
  for (int y = 0; y < w.inside.height; ++y)
    for (int x = 0; x < w.inside.width; ++x) {
      const double dx = x + w.x0 - d.centre_x, dy = y + w.y0 - d.centre_y;
      const double u = (std::cos(turn) * dx + std::sin(turn) * dy) / radius;
      const double v = (std::cos(turn) * dy - std::sin(turn) * dx) / (radius * aspect);
      double depth = 0;  // This says how many pixels the place is inside the outline.
      switch (d.outline) {
        case Outline::ellipse:
          depth = (1 - std::hypot(u, v)) * radius * aspect;
          break;
        case Outline::blob:
          depth = (1 - std::hypot(u, v) - 0.9 * (fractal_noise(u * 1.5 + 50, v * 1.5 + 50, 3, seed) - 0.35)) * radius *
                  aspect;
          break;
        case Outline::stroke:
          depth = half * (0.6 + 0.8 * value_noise(dx / 9 + 50, dy / 9 + 50, seed)) - distance_to(points, dx, dy);
          break;
        case Outline::polygon: {
          bool is_inside = false;
          for (std::size_t i = 0; i + 1 < points.size(); ++i) {
            const auto [ax, ay] = points[i];
            const auto [bx, by] = points[i + 1];
            if ((ay > dy) != (by > dy) && dx < (bx - ax) * (dy - ay) / (by - ay) + ax) is_inside = !is_inside;
          }
          depth = (is_inside ? 1 : -1) * distance_to(points, dx, dy);
          break;
        }
      }
      w.inside.at(y, x) = static_cast<float>(smoothstep(-soft, soft, depth));
    }
  return w;
}

/// Returns the mean colour where the window is inside.
std::array<double, 3> mean_inside(const RgbImage& image, const Window& w, int dy, int dx) {
  std::array<double, 3> sum{};
  double weight = 1e-6;
  for (int y = 0; y < w.inside.height; ++y)
    for (int x = 0; x < w.inside.width; ++x) {
      const auto* p =
          image.at(std::clamp(y + w.y0 + dy, 0, image.height - 1), std::clamp(x + w.x0 + dx, 0, image.width - 1));
      const double a = w.inside.at(y, x);
      for (std::size_t c = 0; c < 3; ++c) sum[c] += a * p[c];
      weight += a;
    }
  for (auto& s : sum) s /= weight;
  return sum;
}

}  // namespace

Grid<std::uint8_t> damage(RgbImage& image, const Damage& d, const RgbImage& foreign, Random random) {
  const RgbImage before = image;
  const auto w = outline_window(d, image.height, image.width, random.fork(1));
  const int window_h = w.inside.height, window_w = w.inside.width;
  // Pasted content comes from somewhere else in the picture.
  const int from_y =
      static_cast<int>(random.below(static_cast<std::uint64_t>(std::max(1, image.height - window_h)))) - w.y0;
  const int from_x =
      static_cast<int>(random.below(static_cast<std::uint64_t>(std::max(1, image.width - window_w)))) - w.x0;
  const double angle = random.uniform(0, 2 * kPi), length = d.strength * (4 + 0.35 * d.size);
  const double move_y = length * std::sin(angle), move_x = length * std::cos(angle);
  std::array<double, 3> paint{};
  const double lift = (random.uniform() < 0.5 ? -1 : 1) * 110 * d.strength;
  const bool is_tinted = random.uniform() < 0.3;
  for (auto& p : paint) p = is_tinted ? random.uniform(0, 255) : lift;
  const auto here = mean_inside(before, w, 0, 0);
  const auto there = mean_inside(before, w, from_y, from_x);
  const auto seed = random.next();
  const auto sample = [](const RgbImage& source, double y, double x, int c) {
    const double cy = std::clamp(y, 0.0, source.height - 1.0), cx = std::clamp(x, 0.0, source.width - 1.0);
    const int y0 = static_cast<int>(cy), x0 = static_cast<int>(cx);
    const int y1 = std::min(y0 + 1, source.height - 1), x1 = std::min(x0 + 1, source.width - 1);
    const double fy = cy - y0, fx = cx - x0;
    return (source.at(y0, x0)[c] * (1 - fx) + source.at(y0, x1)[c] * fx) * (1 - fy) +
           (source.at(y1, x0)[c] * (1 - fx) + source.at(y1, x1)[c] * fx) * fy;
  };
  Grid<std::uint8_t> mask(image.height, image.width);
  std::int64_t outlined = 0, noticed = 0;
  for (int y = 0; y < window_h; ++y)
    for (int x = 0; x < window_w; ++x) {
      const double inside = w.inside.at(y, x);
      if (inside <= 0) continue;
      const int py = y + w.y0, px = x + w.x0;
      int change = 0;
      for (int c = 0; c < 3; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        const double old = before.at(py, px)[c];
        double value = 0, opacity = inside * (0.35 + 0.65 * d.strength);
        switch (d.fill) {
          case Fill::paste:
            value = sample(before, py + from_y, px + from_x, c);
            opacity = inside;
            break;
          case Fill::matched_paste:
            value = sample(before, py + from_y, px + from_x, c) + here[channel] - there[channel];
            opacity = inside;
            break;
          case Fill::foreign:
            value = sample(foreign, py, px, c);
            break;
          case Fill::color:
            value = is_tinted ? paint[channel] : old + paint[channel];
            break;
          case Fill::smear: {
            double sum = 0;
            for (int s = 0; s < 8; ++s) sum += sample(before, py + move_y * s / 8, px + move_x * s / 8, c);
            value = sum / 8;
            opacity = inside;
            break;
          }
          case Fill::warp:
            value = sample(before, py + move_y * inside, px + move_x * inside, c);
            opacity = 1;
            break;
          case Fill::erase:
            value = here[channel] + 12 * (hash_noise(px, py, seed) - 0.5);
            opacity = inside;
            break;
          case Fill::glow:
            value = old + lift * inside * (0.5 + value_noise(px / 6.0, py / 6.0, seed));
            opacity = inside;
            break;
        }
        const auto now =
            static_cast<int>(std::lround(std::clamp(old + d.opacity * opacity * (value - old), 0.0, 255.0)));
        image.at(py, px)[c] = static_cast<std::uint8_t>(now);
        change = std::max(change, std::abs(now - before.at(py, px)[c]));
      }
      if (w.inside.at(y, x) < kInside) continue;
      mask.at(py, px) = 1;
      ++outlined;
      noticed += change >= kNoticeable;
    }
  // What looks like what was there before is no damage.
  if (static_cast<double>(noticed) < kLeastNoticed * static_cast<double>(outlined))
    mask = Grid<std::uint8_t>(image.height, image.width);
  return mask;
}

}  // namespace vedette::render
