#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/random.hpp"
#include "vision/render/materials.hpp"
#include "vision/render/noise.hpp"

/// What several materials are made of. Only the files of materials use it.
namespace vedette::render {

inline constexpr double kPi = std::numbers::pi;

inline double fraction(double x) {
  return x - std::floor(x);
}
/// Returns 0 at whole numbers and 1 half-way between them.
inline double triangle(double x) {
  return 2 * std::abs(fraction(x) - 0.5) * -1 + 1;
}

/// Draws a colour as things in plants have them: mostly grey, sometimes strong.
inline Color draw_color(Random& random, double darkest = 0.05, double brightest = 0.85) {
  const double value = random.uniform(darkest, brightest);
  const double saturation = random.uniform() < 0.6 ? random.uniform(0, 0.12) : random.uniform(0.1, 0.8);
  const double hue = random.uniform(0, 6);
  const auto channel = [&](double shift) {
    const double k = std::fmod(hue + shift, 6);
    return value * (1 - saturation * std::clamp(std::min(k, 4 - k), 0.0, 1.0));
  };
  return {channel(5), channel(3), channel(1)};
}

/// Coordinates that are turned and scaled about the picture's middle.
struct Frame {
  double cosine = 1, sine = 0, scale = 1, x0 = 0, y0 = 0;
  Frame(Random& random, double degrees, double smallest, double largest) {
    const double angle = random.uniform(-degrees, degrees) * kPi / 180;
    cosine = std::cos(angle);
    sine = std::sin(angle);
    scale = 1 / std::exp(random.uniform(std::log(smallest), std::log(largest)));
    x0 = random.uniform(0, 1000);
    y0 = random.uniform(0, 1000);
  }
  [[nodiscard]] double u(double x, double y) const { return (cosine * x + sine * y) * scale + x0; }
  [[nodiscard]] double v(double x, double y) const { return (cosine * y - sine * x) * scale + y0; }
};

/// The distances to the nearest and second nearest of scattered points, and which one is nearest (Worley, SIGGRAPH
/// 1996).
struct Cell {
  double first, second;
  std::uint64_t id;
};
inline Cell nearest_cell(double x, double y, std::uint64_t seed, double jitter = 1) {
  const auto ix = static_cast<std::int64_t>(std::floor(x)), iy = static_cast<std::int64_t>(std::floor(y));
  double first = 81, second = 81;  // squared distances
  std::int64_t at_i = ix, at_j = iy;
  for (std::int64_t j = iy - 1; j <= iy + 1; ++j)
    for (std::int64_t i = ix - 1; i <= ix + 1; ++i) {
      const double dx = x - (static_cast<double>(i) + 0.5 + jitter * (hash_noise(i, j, seed) - 0.5));
      const double dy = y - (static_cast<double>(j) + 0.5 + jitter * (hash_noise(i, j, seed + 1) - 0.5));
      const double d = dx * dx + dy * dy;
      if (d < first) {
        second = first;
        first = d;
        at_i = i;
        at_j = j;
      } else if (d < second) {
        second = d;
      }
    }
  return {std::sqrt(first), std::sqrt(second), static_cast<std::uint64_t>(hash_noise(at_i, at_j, seed + 2) * 0x1p52)};
}

inline double random_of(std::uint64_t id, std::uint64_t salt) {
  return hash_noise(static_cast<std::int64_t>(id), static_cast<std::int64_t>(salt), 77);
}

}  // namespace vedette::render
