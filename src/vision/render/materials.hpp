#pragma once

#include <memory>

#include "base/random.hpp"
#include "vision/render/surfaces.hpp"

/// What surfaces look like before camera and lamps; surfaces.cpp uses it.
namespace vedette::render {

struct Color {
  double r, g, b;
};
inline Color operator*(Color c, double s) {
  return {c.r * s, c.g * s, c.b * s};
}
inline Color operator+(Color a, Color b) {
  return {a.r + b.r, a.g + b.g, a.b + b.b};
}
inline Color mix(Color a, Color b, double t) {
  return a * (1 - t) + b * t;
}

/// A kind of surface that returns the linear light at a pixel. Everything random is drawn once, when it is made.
class Material {
 public:
  virtual ~Material() = default;
  [[nodiscard]] virtual Color at(double x, double y) const = 0;
};

/// Makes a surface. Everything random is drawn from `random`; the picture's sides, in pixels, place parts.
std::unique_ptr<Material> make_material(Surface surface, Random random, int height, int width);
/// Makes the surfaces of further_materials.cpp, Surface::matte to Surface::mixed; make_material() calls it.
std::unique_ptr<Material> make_further_material(Surface surface, Random random, int height, int width);

}  // namespace vedette::render
