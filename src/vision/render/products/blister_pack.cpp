#include <numbers>

#include "vision/render/noise.hpp"
#include "vision/render/products/draw.hpp"
#include "vision/render/products/faults.hpp"

/// A blister pack of ten tablets in clear pockets before embossed aluminium foil.
namespace vedette::products {
namespace {

using render::smoothstep;
using render::value_noise;

constexpr int kColumns = 5, kRows = 2;
constexpr double kPitchX = 108, kPitchY = 146, kPocket = 45, kTablet = 33;
enum Damage : std::size_t { missing_tablet, broken_tablet, wrong_tablet, chipped_tablet, hair, torn_foil };

Point middle_of(int pocket) {
  const int column = pocket % kColumns, row = pocket / kColumns;
  return {(column - 0.5 * (kColumns - 1)) * kPitchX, (row - 0.5 * (kRows - 1)) * kPitchY};
}

/// A tablet as it lies in its pocket.
struct Tablet {
  Point middle;      ///< relative to the pocket's
  double turn;       ///< of the score line
  double cut = 1e9;  ///< what is farther along the score's normal than this has broken away
  bool is_there = true;
  Color color{0.74F, 0.7F, 0.52F};
};

void draw(Canvas& canvas, const Conditions& c, Random r, const Fault* fault) {
  const Pose pose(c, canvas.height, canvas.width);
  const auto seed = r.next();
  std::array<Tablet, static_cast<std::size_t>(kColumns * kRows)> tablets;
  for (auto& t : tablets) {
    t.middle = {r.uniform(-5, 5), r.uniform(-5, 5)};
    t.turn = r.uniform(0, std::numbers::pi);
    t.color = t.color * r.uniform(0.97, 1.03);
  }
  Random f(0);
  double strength = 0;
  std::size_t hit = 0;
  if (fault != nullptr) {
    f = fault->random;
    strength = f.uniform(0.4, 1);
    hit = f.below(tablets.size());
    auto& t = tablets[hit];
    if (fault->kind == missing_tablet) t.is_there = false;
    if (fault->kind == broken_tablet) t.cut = f.uniform(-0.2, 0.75) * kTablet;
    if (fault->kind == wrong_tablet)
      t.color = mix(t.color, f.uniform() < 0.5 ? Color{0.62F, 0.3F, 0.22F} : Color{0.7F, 0.72F, 0.74F}, strength);
  }
  const double knurl = 2 * std::numbers::pi / 9;
  for (int y = 0; y < canvas.height; ++y)
    for (int x = 0; x < canvas.width; ++x) {
      const Point p = pose.on_product(x, y);
      const double edge = rounded_box(p.x, p.y, 284, 176, 24), solid = smoothstep(0.8, -0.8, edge);
      Texel& t = canvas.at(y, x);
      const double table = 0.13 + 0.012 * value_noise(x / 2.0, y / 2.0, seed + 8);
      t.albedo = {static_cast<float>(0.75 * table), static_cast<float>(table), static_cast<float>(0.9 * table)};
      t.product = static_cast<float>(solid);
      if (solid <= 0) continue;
      const double foil = 0.36 + 0.05 * c.roughness * (value_noise(p.x / 2.2, p.y / 2.2, seed) - 0.5);
      Color color{static_cast<float>(foil), static_cast<float>(foil), static_cast<float>(1.03 * foil)};
      // The foil is embossed with diamonds and lies in slow waves.
      double relief = 0.42 * c.roughness * std::sin(knurl * (p.x + p.y)) * std::sin(knurl * (p.x - p.y)) +
                      3 * value_noise(p.x / 70 + 50, p.y / 50 + 50, seed + 1);
      double gloss = 0.5;
      const int column = std::clamp(static_cast<int>(std::floor(p.x / kPitchX + 0.5 * kColumns)), 0, kColumns - 1),
                row = std::clamp(static_cast<int>(std::floor(p.y / kPitchY + 0.5 * kRows)), 0, kRows - 1);
      const int pocket = row * kColumns + column;
      const Point m = middle_of(pocket);
      const double qx = p.x - m.x, qy = p.y - m.y, away = hypotenuse(qx, qy);
      if (away < kPocket + 4) {
        const double inside = smoothstep(kPocket + 1, kPocket - 2, away);
        color = color * (1 - 0.3 * inside);  // Less light comes through the pocket.
        relief *= 1 - 0.6 * inside;
        const Tablet& tablet = tablets[static_cast<std::size_t>(pocket)];
        const double tx = qx - tablet.middle.x, ty = qy - tablet.middle.y, radius = hypotenuse(tx, ty);
        const double across = ty * std::cos(tablet.turn) - tx * std::sin(tablet.turn),
                     along = tx * std::cos(tablet.turn) + ty * std::sin(tablet.turn);
        const double broken = across - tablet.cut + 5 * (value_noise(along / 5, 3, seed + 2) - 0.5);
        if (tablet.is_there) {
          const double out = std::max(radius - kTablet, broken);
          const double sx = tx + 6 * c.light_x, sy = ty + 6 * c.light_y;
          const double shadow = std::max(hypotenuse(sx, sy) - kTablet, broken + 6 * c.light_y);
          color = color * (1 - 0.5 * smoothstep(5, -5, shadow));
          const double there = smoothstep(0.8, -0.8, out);
          const double score = smoothstep(2, 0.5, std::abs(across)) * smoothstep(kTablet - 3, kTablet - 6, radius);
          const double powder = 1 + 0.1 * c.roughness * (value_noise(p.x / 1.6, p.y / 1.6, seed + 3) - 0.5);
          const Color pressed{tablet.color.r * c.tint.r, tablet.color.g * c.tint.g, tablet.color.b * c.tint.b};
          color = mix(color, pressed * (powder * (1 - 0.3 * score)), there);
          const double fall = radius / kTablet;
          relief = relief * (1 - there) + there * (8 - 5 * fall * fall - 7 * smoothstep(0.82, 1, fall) - 1.3 * score -
                                                   3 * smoothstep(-4, 0, broken));
          gloss = gloss * (1 - there) + 0.1 * there;
        }
        // The rim of the pocket, and the lamp mirrored in its shoulder.
        const double rim = std::exp(-std::pow((away - kPocket) / 2.2, 2));
        relief -= 1.8 * rim;
        const double facing = (qx * c.light_x + qy * c.light_y) / (away + 1e-6);
        const double crescent = std::exp(-std::pow((away - 0.86 * kPocket) / 2.4, 2)) * smoothstep(0.72, 0.97, facing);
        color = mix(color, {0.95F, 0.95F, 0.95F}, 0.75 * crescent);
      }
      t.albedo = mix(t.albedo, color, solid);
      t.relief = static_cast<float>(relief * solid - 1.5 * smoothstep(-4, 0, edge));
      t.gloss = static_cast<float>(gloss * solid);
    }
  if (fault == nullptr) return;
  const Point m = middle_of(static_cast<int>(hit));
  const double angle = f.uniform(0, 2 * std::numbers::pi);
  switch (fault->kind) {
    case chipped_tablet: {
      const auto& t = tablets[hit];
      const double away = f.uniform(0.65, 1) * kTablet;
      chip(canvas, f,
           pose.in_picture(m.x + t.middle.x + away * std::cos(angle), m.y + t.middle.y + away * std::sin(angle)),
           log_uniform(f, 6, 22), {t.color * 0.72, 0.4 + 0.6 * strength, -2.5, 0});
      break;
    }
    case hair:
      fibre(canvas, f, pose.in_picture(m.x + f.uniform(-20, 20), m.y + f.uniform(-20, 20)), log_uniform(f, 22, 110),
            f.uniform(1.4, 2.6), mix({0.05F, 0.035F, 0.03F}, {0.3F, 0.2F, 0.12F}, 1 - strength));
      break;
    case torn_foil: {
      // It tears between the pockets or creases.
      const Point at = pose.in_picture((f.uniform() < 0.5 ? -0.5 : 0.5) * kPitchX * static_cast<double>(1 + f.below(2)),
                                       f.uniform(-150, 150));
      if (f.uniform() < 0.5)
        crack(canvas, f, at, angle, log_uniform(f, 14, 70), f.uniform(2, 4), {{0.03F, 0.03F, 0.03F}, 0.9, -1, 0.1});
      else
        scratch(canvas, f, at, angle, log_uniform(f, 20, 90), f.uniform(4, 7),
                {{0.3F, 0.3F, 0.3F}, 0.3, 2.2 * strength, 0.9});
      break;
    }
    default:
      break;  // The tablet is wrong above.
  }
}

}  // namespace

const Design kBlisterPack = {"blister-pack",
                             400,
                             608,
                             {"missing-tablet", "broken-tablet", "wrong-tablet", "chipped-tablet", "hair", "torn-foil"},
                             draw};

}  // namespace vedette::products
