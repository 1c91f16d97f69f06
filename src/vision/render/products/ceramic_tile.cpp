#include <numbers>

#include "vision/render/noise.hpp"
#include "vision/render/products/draw.hpp"
#include "vision/render/products/faults.hpp"

/// A glazed wall tile with a moulded border and a painted rosette, on a conveyor.
namespace vedette::products {
namespace {

using render::fractal_noise;
using render::hash_noise;
using render::smoothstep;
using render::value_noise;

constexpr double kHalf = 232;
constexpr int kPetals = 8;
enum Damage : std::size_t { chipped_edge, cracked, pinholes, crawled_glaze, glaze_drop, lacking_print };

void draw(Canvas& canvas, const Conditions& c, Random r, const Fault* fault) {
  const Pose pose(c, canvas.height, canvas.width);
  const auto seed = r.next();
  const double thickness = r.uniform(0.85, 1.15);  // of the glaze
  int lacking = -1;
  double faded = 0;
  if (fault != nullptr && fault->kind == lacking_print) {
    Random f = fault->random;
    lacking = static_cast<int>(f.below(kPetals));
    faded = f.uniform(0.35, 1);
  }
  for (int y = 0; y < canvas.height; ++y)
    for (int x = 0; x < canvas.width; ++x) {
      const Point p = pose.on_product(x, y);
      const double edge = rounded_box(p.x, p.y, kHalf, kHalf, 7);
      const double solid = smoothstep(0.8, -0.8, edge);
      Texel& t = canvas.at(y, x);
      const double belt = 0.06 + 0.03 * value_noise(x / 3.0, y / 7.0, seed + 8);
      t.albedo = {static_cast<float>(belt), static_cast<float>(1.05 * belt), static_cast<float>(1.02 * belt)};
      t.product = static_cast<float>(solid);
      if (solid <= 0) continue;
      const double wave = fractal_noise(p.x / 60 + 40, p.y / 60 + 40, 2, seed) - 0.5;
      const double peel = value_noise(p.x / 7, p.y / 7, seed + 1) - 0.5;
      const double border = std::abs(std::abs(edge + 30) - 5);  // two moulded lines
      const double groove = smoothstep(3.2, 0.4, border);
      Color glaze = {0.63F, 0.66F, 0.62F};
      // Glaze is thinner on ridges, where the body shines through, and pools in grooves.
      glaze = mix(glaze, {0.42F, 0.53F, 0.5F}, std::clamp(0.45 * groove * thickness + 0.25 * wave, 0.0, 1.0));
      glaze = mix(glaze, {0.68F, 0.6F, 0.5F}, 0.5 * smoothstep(-9, -1, edge) / thickness);
      // Small specks of iron are in every glaze.
      const auto cx = static_cast<std::int64_t>(std::floor((p.x + 900) / 14)),
                 cy = static_cast<std::int64_t>(std::floor((p.y + 900) / 14));
      if (hash_noise(cx, cy, seed + 3) < 0.16) {
        const double sx = (static_cast<double>(cx) + 0.2 + 0.6 * hash_noise(cx, cy, seed + 4)) * 14 - 900,
                     sy = (static_cast<double>(cy) + 0.2 + 0.6 * hash_noise(cx, cy, seed + 5)) * 14 - 900;
        glaze =
            mix(glaze, {0.3F, 0.22F, 0.14F}, 0.45 * c.roughness * smoothstep(1.5, 0.3, hypotenuse(p.x - sx, p.y - sy)));
      }
      const double radius = hypotenuse(p.x, p.y), turn = std::atan2(p.y, p.x) / (2 * std::numbers::pi) * kPetals;
      const double hand = 2.5 * (value_noise(p.x / 16, p.y / 16, seed + 6) - 0.5);
      if (radius < 160) {
        const double petal = std::round(turn), off = std::abs(turn - petal);
        const int index = (static_cast<int>(petal) + kPetals) % kPetals;
        const double reach = 74 + 46 * std::cos(2 * std::numbers::pi * 0.5 * off);
        const double body = std::min(reach - radius, radius - 34) + hand - 50 * off * off;
        const double ring = 3.4 - std::abs(radius - 136 + hand);
        double ink = smoothstep(-0.9, 0.9, body) * (0.62 + 0.38 * value_noise(radius / 9, turn * 5 + 70, seed + 7));
        if (index == lacking) ink *= 1 - faded;
        ink = std::max({ink, smoothstep(-0.9, 0.9, ring) * 0.85, smoothstep(-0.9, 0.9, 20 - radius + hand) * 0.9});
        glaze = mix(glaze, {0.035F, 0.075F, 0.27F}, ink * std::min(1.0, 0.92 * thickness));
      }
      const Color color{glaze.r * c.tint.r, glaze.g * c.tint.g, glaze.b * c.tint.b};
      t.albedo = mix(t.albedo, color, solid);
      t.relief = static_cast<float>(5 * wave * c.roughness + 0.28 * peel * c.roughness - 1.6 * groove -
                                    4 * smoothstep(-7, 0, edge));
      t.gloss = static_cast<float>(0.75 * solid);
    }
  if (fault == nullptr) return;
  Random f = fault->random;
  const double strength = f.uniform(0.4, 1), angle = f.uniform(0, 2 * std::numbers::pi);
  const Point at = pose.in_picture(f.uniform(-205, 205), f.uniform(-205, 205));
  const Color body = mix({0.46F, 0.3F, 0.2F}, {0.52F, 0.43F, 0.33F}, f.uniform());
  switch (fault->kind) {
    case chipped_edge: {
      const double along = f.uniform(-kHalf, kHalf), side = f.uniform() < 0.5 ? -kHalf + 2 : kHalf - 2;
      const Point edge = f.uniform() < 0.5 ? Point{along, side} : Point{side, along};
      chip(canvas, f, pose.in_picture(edge.x, edge.y), log_uniform(f, 8, 60), {body, 0.95, -3.5, 0.02});
      break;
    }
    case cracked:
      crack(canvas, f, at, angle, log_uniform(f, 30, 300), f.uniform(1.6, 2.8),
            {{0.13F, 0.1F, 0.08F}, 0.75 * strength, -0.5, 0.2});
      break;
    case pinholes:
      pits(canvas, f, at, log_uniform(f, 2, 40), 1 + static_cast<int>(f.below(9)), 3, 7,
           {mix(body, {0.1F, 0.08F, 0.06F}, 0.6), 0.55 + 0.45 * strength, -1.5, 0.1});
      break;
    case crawled_glaze: {
      const double size = log_uniform(f, 12, 70);
      Random same = f;  // the rim has the outline of the bare place
      blot(canvas, f, at, size * 1.12, 0.5, 0.25, {{0.6F, 0.62F, 0.58F}, 0.15, 2.2, 0.9});
      blot(canvas, same, at, size * 0.94, 0.5, 0.1, {mix({0.6F, 0.56F, 0.5F}, body, strength), 0.9, -2.6, 0.02});
      break;
    }
    case glaze_drop: {
      const double size = log_uniform(f, 7, 38);
      blot(canvas, f, at, size, 0.15, 1, {{0.52F, 0.6F, 0.57F}, 0.35 * strength, 0.16 * size * strength, 0.95});
      break;
    }
    default:
      break;  // The print is lacking above.
  }
}

}  // namespace

const Design kCeramicTile = {"ceramic-tile",
                             512,
                             512,
                             {"chipped-edge", "crack", "pinholes", "crawled-glaze", "glaze-drop", "lacking-print"},
                             draw};

}  // namespace vedette::products
