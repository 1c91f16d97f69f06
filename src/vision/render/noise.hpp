#pragma once

#include <cmath>
#include <cstdint>

/// Procedural noise, as pure functions of position and seed.
namespace vedette::render {

/// Returns a uniform number in [0, 1) by hashing integer coordinates.
inline double hash_noise(std::int64_t x, std::int64_t y, std::uint64_t seed) {
  std::uint64_t h = seed ^ (static_cast<std::uint64_t>(x) * 0x9E3779B97F4A7C15ULL) ^
                    (static_cast<std::uint64_t>(y) * 0xC2B2AE3D27D4EB4FULL);
  h = (h ^ (h >> 31)) * 0xBF58476D1CE4E5B9ULL;
  h = (h ^ (h >> 29)) * 0x94D049BB133111EBULL;
  return static_cast<double>((h ^ (h >> 32)) >> 11) * 0x1.0p-53;
}

/// Returns smooth noise in [0, 1) with features of unit size (value noise with quintic interpolation; Perlin, SIGGRAPH
/// 2002).
inline double value_noise(double x, double y, std::uint64_t seed) {
  const double fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<std::int64_t>(fx), iy = static_cast<std::int64_t>(fy);
  const auto fade = [](double t) { return t * t * t * (t * (t * 6 - 15) + 10); };
  const double u = fade(x - fx), v = fade(y - fy);
  const double a = hash_noise(ix, iy, seed), b = hash_noise(ix + 1, iy, seed);
  const double c = hash_noise(ix, iy + 1, seed), d = hash_noise(ix + 1, iy + 1, seed);
  return (a + (b - a) * u) + ((c + (d - c) * u) - (a + (b - a) * u)) * v;
}

/// Returns the sum of several octaves, each half the size and half as strong as the one before. It stays in [0, 1).
inline double fractal_noise(double x, double y, int octaves, std::uint64_t seed) {
  double sum = 0, weight = 0.5, total = 0;
  for (int o = 0; o < octaves; ++o) {
    sum += weight * value_noise(x, y, seed + static_cast<std::uint64_t>(o));
    total += weight;
    weight *= 0.5;
    x *= 2;
    y *= 2;
  }
  return sum / total;
}

inline double smoothstep(double from, double to, double x) {
  const double t = std::fmin(1.0, std::fmax(0.0, (x - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

}  // namespace vedette::render
