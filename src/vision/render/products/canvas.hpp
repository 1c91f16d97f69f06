#pragma once

#include <cmath>
#include <cstdint>

#include "base/random.hpp"
#include "vision/image/image.hpp"

/// The surface of a product before light falls on it, and the camera that takes its picture.
namespace vedette::products {

struct Color {
  float r = 0, g = 0, b = 0;
};
inline Color operator*(Color c, double s) {
  const auto f = static_cast<float>(s);
  return {c.r * f, c.g * f, c.b * f};
}
inline Color mix(Color a, Color b, double t) {
  const auto f = static_cast<float>(t);
  return {a.r + (b.r - a.r) * f, a.g + (b.g - a.g) * f, a.b + (b.b - a.b) * f};
}

/// What is at one pixel.
struct Texel {
  Color albedo;       ///< share of the light that is scattered, linear, 0 … 1
  float relief = 0;   ///< height in pixels
  float gloss = 0;    ///< share of the light that is mirrored, 0 … 1
  float product = 1;  ///< 1 on the product, 0 beside it: damage is only on the product
  float damage = 0;   ///< how much of the pixel is damaged, 0 … 1
};
using Canvas = Grid<Texel>;

struct Point {
  double x = 0, y = 0;
};

/// Under which conditions a picture is taken: those of its batch, and what varies from picture to picture.
struct Conditions {
  Conditions(Random random, std::uint64_t batch);

  double shift_x, shift_y;  ///< in pixels
  double turn;              ///< in radians
  double light_x, light_y;  ///< where the lamp is, as a unit vector in the plane of the picture
  double light_z;           ///< its height above that plane, for a distance of 1
  double exposure, warmth;  ///< around 1 and around 0
  double fall_x, fall_y;    ///< how much the light falls off over the picture's sides
  double vignette;          ///< how much of the light the corners lose
  Color tint;               ///< factors on the colour of the material
  double roughness;         ///< a factor on the strength of its texture
  double blur, noise;       ///< deviation of the focus in pixels, and of the noise as a share of white
  std::uint64_t noise_seed;
};

/// Where the product lies: its own coordinates have their origin in the middle of the picture.
class Pose {
 public:
  Pose(const Conditions& conditions, int height, int width, double most_turn = 1)
      : cosine_(std::cos(conditions.turn * most_turn)),
        sine_(std::sin(conditions.turn * most_turn)),
        x0_(0.5 * width + conditions.shift_x),
        y0_(0.5 * height + conditions.shift_y) {}
  [[nodiscard]] Point on_product(double x, double y) const {
    return {cosine_ * (x - x0_) + sine_ * (y - y0_), cosine_ * (y - y0_) - sine_ * (x - x0_)};
  }
  [[nodiscard]] Point in_picture(double u, double v) const {
    return {x0_ + cosine_ * u - sine_ * v, y0_ + sine_ * u + cosine_ * v};
  }

 private:
  double cosine_, sine_, x0_, y0_;
};

/// Lights the surface and takes its picture.
RgbImage photograph(const Canvas& canvas, const Conditions& conditions);

/// Marks as damaged what looks otherwise than on the good product.
void mark_changes(Canvas& damaged, const Canvas& good);

/// std::hypot() without its care for huge numbers, which costs most of its time.
inline double hypotenuse(double x, double y) {
  return std::sqrt(x * x + y * y);
}
/// The distance to the outline of a rectangle with rounded corners around the origin, negative inside.
inline double rounded_box(double x, double y, double half_width, double half_height, double radius) {
  const double dx = std::abs(x) - half_width + radius, dy = std::abs(y) - half_height + radius;
  return hypotenuse(std::fmax(dx, 0.0), std::fmax(dy, 0.0)) + std::fmin(std::fmax(dx, dy), 0.0) - radius;
}
/// The distance of a point to a line from a to b.
inline double segment_distance(Point p, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t = length > 0 ? std::fmin(1.0, std::fmax(0.0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / length)) : 0;
  return hypotenuse(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

}  // namespace vedette::products
