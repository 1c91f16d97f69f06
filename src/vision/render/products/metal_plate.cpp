#include <numbers>

#include "vision/render/noise.hpp"
#include "vision/render/products/draw.hpp"
#include "vision/render/products/faults.hpp"
#include "vision/render/products/lettering.hpp"

/// A name plate of brushed aluminium with an anodised band, four holes, and engraved text with a serial number.
namespace vedette::products {
namespace {

using render::fractal_noise;
using render::smoothstep;
using render::value_noise;

constexpr double kHalfWidth = 292, kHalfHeight = 208;
enum Damage : std::size_t { scratch_mark, dent, misprint, stain, corrosion, nicked_edge };

void draw(Canvas& canvas, const Conditions& c, Random r, const Fault* fault) {
  const Pose pose(c, canvas.height, canvas.width);
  const auto seed = r.next();
  std::string number = "NO 0";
  for (int i = 0; i < 4; ++i) number += static_cast<char>('0' + r.below(10));
  std::array lines = {Lettering("TYPE VK-40", {-128, -112}, 5.2), Lettering("24 V 1.5 A", {-128, -32}, 5.2),
                      Lettering(number, {-128, 48}, 5.2), Lettering("LOT 7 EN 60204", {-128, 132}, 3)};
  const double sheen = 90 * c.light_y + r.uniform(-25, 25);
  double depth = 1;
  int shallow = -1;
  if (fault != nullptr && fault->kind == misprint) {
    Random f = fault->random;
    auto& line = lines[f.below(3)];
    const auto at = f.below(line.size());
    // One character lacks, is another one, or a whole line is shallow.
    if (f.uniform() < 0.35)
      shallow = static_cast<int>(&line - lines.data()), depth = f.uniform(0.1, 0.5);
    else
      line[line[at] == ' ' ? (at + 1) % line.size() : at] = f.uniform() < 0.5 ? ' ' : '8';
  }
  for (int y = 0; y < canvas.height; ++y)
    for (int x = 0; x < canvas.width; ++x) {
      const Point p = pose.on_product(x, y);
      const double edge = rounded_box(p.x, p.y, kHalfWidth, kHalfHeight, 18);
      const double hole = 12 - hypotenuse(std::abs(p.x) - 262, std::abs(p.y) - 178);
      const double outside = std::max(edge, hole), solid = smoothstep(0.8, -0.8, outside);
      Texel& t = canvas.at(y, x);
      const double felt = 0.024 + 0.02 * value_noise(x / 2.5, y / 2.5, seed + 9);
      t.albedo = {static_cast<float>(felt), static_cast<float>(felt), static_cast<float>(felt * 1.1)};
      t.product = static_cast<float>(solid);
      if (solid <= 0) continue;
      const double streak = 0.5 * value_noise(p.x / 190, p.y / 1.1, seed) +
                            0.35 * value_noise(p.x / 60, p.y / 0.9, seed + 1) +
                            0.15 * value_noise(p.x / 22, p.y / 2.4, seed + 2) - 0.5;
      const double band = smoothstep(-176, -178, p.x);  // the anodised part
      const double glow = 1 + 0.3 * std::exp(-std::pow((p.y - sheen) / 130, 2)) * (1 - 0.6 * band);
      const double brush = (1 + (0.62 - 0.3 * band) * c.roughness * streak) * glow;
      const Color metal = mix({0.44F, 0.45F, 0.46F}, {0.05F, 0.13F, 0.33F}, band);
      double engraved = 0;
      for (std::size_t k = 0; k < lines.size(); ++k)
        if (p.x > -140 && p.x < 250) {
          const double width = k == 3 ? 1.2 : 2.2;
          engraved = std::max(engraved, smoothstep(width + 0.7, width - 0.7, lines[k].distance(p.x, p.y)) *
                                            (static_cast<int>(k) == shallow ? depth : 1));
        }
      const double chamfer = smoothstep(-5, 0, outside);
      Color color{metal.r * c.tint.r, metal.g * c.tint.g, metal.b * c.tint.b};
      color = color * (brush * (1 - 0.78 * engraved));
      t.albedo = mix(t.albedo, color, solid);
      t.relief = static_cast<float>(-1.6 * engraved - 2.5 * chamfer);
      t.gloss = static_cast<float>(0.25 * solid * (1 - engraved));
    }
  if (fault == nullptr) return;
  Random f = fault->random;
  const double strength = f.uniform(0.4, 1);
  const Point at = pose.in_picture(f.uniform(-250, 265), f.uniform(-180, 180));
  const double angle = f.uniform(0, std::numbers::pi);
  switch (fault->kind) {
    case scratch_mark:
      scratch(canvas, f, at, angle, log_uniform(f, 25, 260), f.uniform(2, 4),
              {f.uniform() < 0.7 ? Color{0.78F, 0.79F, 0.8F} : Color{0.12F, 0.12F, 0.12F}, 0.75 * strength, -0.7, 0.5});
      break;
    case dent: {
      const double size = log_uniform(f, 9, 55);
      blot(canvas, f, at, size, 0.1, 1, {{0.3F, 0.3F, 0.31F}, 0.25 * strength, -0.13 * size * strength, 0.3});
      break;
    }
    case stain:
      blot(canvas, f, at, log_uniform(f, 18, 130), 0.7, 0.3,
           {mix({0.2F, 0.13F, 0.06F}, {0.2F, 0.28F, 0.3F}, f.uniform()), 0.55 * strength, 0, 0.1});
      break;
    case corrosion:
      pits(canvas, f, at, log_uniform(f, 2, 30), 1 + static_cast<int>(f.below(14)), 3, 6,
           {{0.09F, 0.07F, 0.05F}, 0.5 + 0.5 * strength, -0.8, 0});
      break;
    case nicked_edge: {
      const double side = f.uniform() < 0.5 ? -1 : 1;
      const Point edge = f.uniform() < 0.6 ? Point{f.uniform(-260, 260), side * kHalfHeight}
                                           : Point{side * kHalfWidth, f.uniform(-180, 180)};
      chip(canvas, f, pose.in_picture(edge.x, edge.y), log_uniform(f, 8, 36),
           {{0.05F, 0.05F, 0.05F}, 0.6 + 0.4 * strength, -4, 0.3});
      break;
    }
    default:
      break;  // The misprint is engraved above.
  }
}

}  // namespace

const Design kMetalPlate = {
    "metal-plate", 480, 640, {"scratch", "dent", "misprint", "stain", "corrosion", "nicked-edge"}, draw};

}  // namespace vedette::products
