#pragma once

#include <algorithm>
#include <vector>

#include "vision/render/products/canvas.hpp"

/// Shapes of damage, painted onto a canvas in the coordinates of the picture.
namespace vedette::products {

/// What damaged material is like.
struct Finish {
  Color color{};
  double opacity = 0;  ///< 0 … 1: how much of the material's colour gives way to `color`
  double relief = 0;   ///< pixels that are added to the height
  double gloss = 0;    ///< what the gloss becomes, by the opacity
};

struct Box {
  double left, top, right, bottom;
};

/// Paints where `coverage(x, y)` is above 0; it is at most 1.
template <typename Coverage>
void paint(Canvas& canvas, const Box& box, const Finish& finish, const Coverage& coverage) {
  const int top = std::max(0, static_cast<int>(box.top)), left = std::max(0, static_cast<int>(box.left));
  const int bottom = std::min(canvas.height - 1, static_cast<int>(box.bottom) + 1),
            right = std::min(canvas.width - 1, static_cast<int>(box.right) + 1);
  for (int y = top; y <= bottom; ++y)
    for (int x = left; x <= right; ++x) {
      Texel& t = canvas.at(y, x);
      const double share = coverage(x, y) * static_cast<double>(t.product);
      if (share <= 0) continue;
      t.albedo = mix(t.albedo, finish.color, share * finish.opacity);
      t.gloss += static_cast<float>((finish.gloss - static_cast<double>(t.gloss)) * share * finish.opacity);
      t.relief += static_cast<float>(share * finish.relief);
      t.damage = std::max(t.damage, static_cast<float>(share));
    }
}

/// A line through points. Its strength varies along it where `patchy` is above 0 (at most 1).
void draw_line(Canvas& canvas, const std::vector<Point>& points, double width, double patchy, const Finish& finish,
               std::uint64_t seed);
/// A straight or slightly bent line through `at`.
void scratch(Canvas& canvas, Random& random, Point at, double angle, double length, double width, const Finish& finish);
/// A jagged line that starts at `at`, with branches.
void crack(Canvas& canvas, Random& random, Point at, double angle, double length, double width, const Finish& finish);
/// A thin curl that lies on the product and casts a shadow.
void fibre(Canvas& canvas, Random& random, Point at, double length, double width, Color color);
/// A spot with an outline that is as uneven as `uneven` (0 … 1) and as soft as `soft` (0.05 … 1 of its radius).
void blot(Canvas& canvas, Random& random, Point at, double diameter, double uneven, double soft, const Finish& finish);
/// Small round holes within a circle.
void pits(Canvas& canvas, Random& random, Point at, double spread, int count, double least, double most,
          const Finish& finish);
/// A shell-shaped flake that has broken away: its floor is an inclined facet.
void chip(Canvas& canvas, Random& random, Point at, double diameter, const Finish& finish);

/// Draws a number between the limits whose logarithm is uniform.
double log_uniform(Random& random, double least, double most);

}  // namespace vedette::products
