#include <numbers>

#include "vision/render/noise.hpp"
#include "vision/render/products/draw.hpp"
#include "vision/render/products/faults.hpp"

/// A panel of oak veneer: two leaves of one log, mirrored at a seam. The picture shows a part of it.
namespace vedette::products {
namespace {

using render::fractal_noise;
using render::hash_noise;
using render::smoothstep;
using render::value_noise;

enum Damage : std::size_t { split, knot, worm_holes, glue, open_seam, scratched };

void draw(Canvas& canvas, const Conditions& c, Random r, const Fault* fault) {
  const Pose pose(c, canvas.height, canvas.width);
  const auto seed = r.next();
  const double ring = r.uniform(8.5, 11.5), cathedral = r.uniform(25, 60), ripe = r.uniform(-0.08, 0.08);
  Random f(0);
  double strength = 0, open_from = 0, open_to = 0, gap = 0;
  if (fault != nullptr) {
    f = fault->random;
    strength = f.uniform(0.4, 1);
    if (fault->kind == open_seam) {
      open_from = f.uniform(-290, 200);
      open_to = open_from + log_uniform(f, 25, 220);
      gap = f.uniform(1.2, 3.4);
    }
  }
  for (int y = 0; y < canvas.height; ++y)
    for (int x = 0; x < canvas.width; ++x) {
      const Point p = pose.on_product(x, y);
      const double away = std::abs(p.y);  // from the seam, at which the leaves mirror each other
      const double bent = away + cathedral * value_noise(p.x / 330 + 20, away / 120, seed) +
                          3 * value_noise(p.x / 70 + 20, away / 12, seed + 1);
      const double growth = bent / ring * (1 + 0.15 * value_noise(bent / 60, 0.5, seed + 2));
      const double phase = growth - std::floor(growth);
      const double late = smoothstep(0.35, 0.92, phase) * smoothstep(1, 0.95, phase);
      const double fine = value_noise(p.x / 26, p.y / 1.2, seed + 3) - 0.5;
      const double year = 0.5 + 0.5 * hash_noise(static_cast<std::int64_t>(std::floor(growth)), 0, seed + 4);
      double dark = 0.42 * year * late + 0.34 * fine * c.roughness + ripe +
                    0.28 * (value_noise(p.x / 160, p.y / 60, seed + 5) - 0.5);
      // Pores are short dark dashes along the grain, mostly in early wood.
      const double lane = p.y / 2.6,
                   run = p.x / 21 + 7.3 * hash_noise(static_cast<std::int64_t>(std::floor(lane)), 3, seed + 6);
      const auto pi = static_cast<std::int64_t>(std::floor(run)), pj = static_cast<std::int64_t>(std::floor(lane));
      double pore = 0;
      if (hash_noise(pi, pj, seed + 7) < 0.3 - 0.2 * late) {
        const double half = 0.15 + 0.3 * hash_noise(pi, pj, seed + 8);
        pore = smoothstep(0.5, 0.2, std::abs(lane - std::floor(lane) - 0.5)) *
               smoothstep(half + 0.06, half - 0.06, std::abs(run - std::floor(run) - 0.5));
      }
      dark += 0.42 * c.roughness * pore;
      const bool is_open = p.x > open_from && p.x < open_to;
      const double width = is_open ? 0.7 + gap * smoothstep(0, 12, std::min(p.x - open_from, open_to - p.x)) : 0.7;
      const double seam = smoothstep(width + 0.5, width - 0.5, away) * (is_open ? 1 : 0.45);
      const Color wood = mix({0.47F, 0.3F, 0.155F}, {0.2F, 0.105F, 0.045F}, std::clamp(dark + 0.12, 0.0, 1.0));
      Texel& t = canvas.at(y, x);
      t.albedo = mix({wood.r * c.tint.r, wood.g * c.tint.g, wood.b * c.tint.b}, {0.03F, 0.02F, 0.015F}, seam);
      t.relief = static_cast<float>(-0.35 * pore * c.roughness - 0.8 * seam + 0.12 * fine);
      t.gloss = static_cast<float>(0.12 * (1 - pore));
    }
  if (fault == nullptr) return;
  const Point at = pose.in_picture(f.uniform(-290, 290), f.uniform(-215, 215));
  const double grain = f.uniform(-0.06, 0.06);
  switch (fault->kind) {
    case split:
      crack(canvas, f, at, grain, log_uniform(f, 25, 240), f.uniform(1.8, 3.4),
            {{0.05F, 0.03F, 0.02F}, 0.45 + 0.5 * strength, -1, 0});
      break;
    case knot: {
      const double size = log_uniform(f, 10, 55);
      Random same = f;
      blot(canvas, f, at, 1.5 * size, 0.3, 0.6, {{0.16F, 0.075F, 0.03F}, 0.45 * strength, 0, 0.1});
      blot(canvas, same, at, 0.9 * size, 0.3, 0.25, {{0.07F, 0.03F, 0.015F}, 0.55 + 0.4 * strength, -0.4, 0.15});
      break;
    }
    case worm_holes:
      pits(canvas, f, at, log_uniform(f, 2, 45), 1 + static_cast<int>(f.below(7)), 3, 7,
           {{0.03F, 0.02F, 0.012F}, 0.5 + 0.5 * strength, -1.8, 0});
      break;
    case glue:
      blot(canvas, f, at, log_uniform(f, 20, 120), 0.6, 0.25,
           {f.uniform() < 0.5 ? Color{0.5F, 0.4F, 0.25F} : Color{0.2F, 0.13F, 0.07F}, 0.2 + 0.35 * strength, 0.5, 0.6});
      break;
    case scratched:  // It runs across the grain, as sanding does where it goes wrong.
      scratch(
          canvas, f, at, std::numbers::pi / 2 + f.uniform(-0.9, 0.9), log_uniform(f, 20, 170), f.uniform(2, 4),
          {f.uniform() < 0.6 ? Color{0.6F, 0.45F, 0.28F} : Color{0.1F, 0.055F, 0.03F}, 0.3 + 0.5 * strength, -0.8, 0});
      break;
    default:
      break;  // The seam is open above.
  }
}

}  // namespace

const Design kWoodVeneer = {
    "wood-veneer", 480, 640, {"split", "knot", "worm-holes", "glue", "open-seam", "scratch"}, draw};

}  // namespace vedette::products
