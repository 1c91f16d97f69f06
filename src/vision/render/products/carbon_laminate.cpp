#include <numbers>

#include "vision/render/noise.hpp"
#include "vision/render/products/draw.hpp"
#include "vision/render/products/faults.hpp"

/// A laminate of carbon fibre in twill weave under clear resin. The picture shows a part of a larger sheet.
namespace vedette::products {
namespace {

using render::fractal_noise;
using render::hash_noise;
using render::smoothstep;
using render::value_noise;

constexpr double kTow = 13;  // the width of a bundle of fibres, in pixels
enum Damage : std::size_t { lacking_tow, wrinkle, delamination, void_in_resin, foreign_fibre, scratched };

void draw(Canvas& canvas, const Conditions& c, Random r, const Fault* fault) {
  const auto seed = r.next();
  const double turn = r.uniform(-0.03, 0.03) + c.turn, cosine = std::cos(turn), sine = std::sin(turn);
  const double x0 = r.uniform(0, 4 * kTow), y0 = r.uniform(0, 4 * kTow);
  // The lamp's direction decides whether warp or weft shines.
  const double along_u = 0.55 * c.light_x, along_v = 0.55 * c.light_y;
  Point at{}, heading{};
  double size = 0, strength = 0;
  std::int64_t lacking = 1 << 20;
  bool is_warp_lacking = false;
  double lacks_from = 0, lacks_to = 0;
  Random f(0);
  if (fault != nullptr) {
    f = fault->random;
    strength = f.uniform(0.4, 1);
    at = {f.uniform(30, canvas.width - 30), f.uniform(30, canvas.height - 30)};
    const double angle = f.uniform(0, 2 * std::numbers::pi);
    heading = {std::cos(angle), std::sin(angle)};
    size = log_uniform(f, 24, 90);
    if (fault->kind == lacking_tow) {
      is_warp_lacking = f.uniform() < 0.5;
      const double u = cosine * at.x + sine * at.y + x0, v = cosine * at.y - sine * at.x + y0;
      lacking = static_cast<std::int64_t>(std::floor((is_warp_lacking ? u : v) / kTow));
      lacks_from = (is_warp_lacking ? v : u) - size;
      lacks_to = lacks_from + 2 * size;
    }
  }
  for (int y = 0; y < canvas.height; ++y)
    for (int x = 0; x < canvas.width; ++x) {
      double px = x, py = y;
      if (fault != nullptr && fault->kind == wrinkle) {
        // The weave is pushed aside across a line.
        const double dx = x - at.x, dy = y - at.y, across = (dx * heading.y - dy * heading.x) / (0.3 * size),
                     along = (dx * heading.x + dy * heading.y) / size;
        const double reach = 1 - across * across - along * along;
        if (reach > 0) {
          px += heading.y * 7 * strength * reach * reach;
          py -= heading.x * 7 * strength * reach * reach;
        }
      }
      double u = cosine * px + sine * py + x0, v = cosine * py - sine * px + y0;
      u += 2.2 * c.roughness * (value_noise(px / 55, py / 55, seed) - 0.5);
      v += 2.2 * c.roughness * (value_noise(px / 55, py / 55, seed + 1) - 0.5);
      const auto i = static_cast<std::int64_t>(std::floor(u / kTow)),
                 j = static_cast<std::int64_t>(std::floor(v / kTow));
      // Each bundle goes over two and under two.
      bool is_warp = (((i + j) % 4) + 4) % 4 < 2;
      const bool lacks = (is_warp ? i : j) == lacking && is_warp == is_warp_lacking && (is_warp ? v : u) > lacks_from &&
                         (is_warp ? v : u) < lacks_to;
      const double along = is_warp ? v / kTow + static_cast<double>(i) : u / kTow + static_cast<double>(j) - 2;
      const double t = (along - 4 * std::floor(along / 4)) / 2;  // 0 … 1 along the part that lies on top
      const double a = is_warp ? u / kTow - static_cast<double>(i) : v / kTow - static_cast<double>(j);
      const double slope = std::cos(std::numbers::pi * t), dome = std::sin(std::numbers::pi * std::clamp(a, 0.0, 1.0));
      const double miss = (slope * 0.6 - (is_warp ? along_v : along_u)) / 0.42;
      const double tow = hash_noise(is_warp ? i : j, is_warp ? 1 : 2, seed + 2);
      const double fibres = value_noise((is_warp ? u : v) / 0.9, (is_warp ? v : u) / 30, seed + 3);
      double shine = (0.022 + (is_warp ? 0.13 : 0.085) * std::exp(-miss * miss)) * (0.45 + 0.55 * dome) *
                     (0.85 + 0.3 * tow) * (1 + c.roughness * 0.7 * (fibres - 0.5));
      if (lacks) shine = 0.016 + 0.012 * fibres;
      Texel& texel = canvas.at(y, x);
      texel.albedo = {static_cast<float>(shine * c.tint.r), static_cast<float>(shine * c.tint.g),
                      static_cast<float>(shine * 1.04 * c.tint.b)};
      texel.relief =
          static_cast<float>(1.3 * fractal_noise(px / 70, py / 70, 2, seed + 4) + (lacks ? -0.4 : 0.14 * dome));
      texel.gloss = 0.34F;
    }
  if (fault == nullptr) return;
  const double angle = std::atan2(heading.y, heading.x);
  switch (fault->kind) {
    case delamination:  // Light is scattered where the plies part.
      blot(canvas, f, at, log_uniform(f, 20, 120), 0.45, 0.35,
           {{0.11F, 0.115F, 0.12F}, 0.25 + 0.35 * strength, 1.2, 0.45});
      break;
    case void_in_resin:
      pits(canvas, f, at, log_uniform(f, 2, 26), 1 + static_cast<int>(f.below(8)), 3, 8,
           {{0.2F, 0.2F, 0.2F}, 0.25 + 0.6 * strength, -1.6, 0.6});
      break;
    case foreign_fibre:
      fibre(canvas, f, at, log_uniform(f, 20, 120), f.uniform(1.6, 2.8),
            mix({0.5F, 0.48F, 0.42F}, {0.5F, 0.1F, 0.08F}, f.uniform() < 0.3 ? 1 : 0) * (0.4 + 0.6 * strength));
      break;
    case scratched:
      scratch(canvas, f, at, angle, log_uniform(f, 25, 220), f.uniform(2, 3.5),
              {{0.24F, 0.24F, 0.25F}, 0.3 + 0.5 * strength, -0.4, 0.1});
      break;
    default:
      break;  // The weave is wrong above.
  }
}

}  // namespace

const Design kCarbonLaminate = {
    "carbon-laminate", 448, 448, {"lacking-tow", "wrinkle", "delamination", "void", "foreign-fibre", "scratch"}, draw};

}  // namespace vedette::products
