#include <numbers>

#include "vision/render/noise.hpp"
#include "vision/render/products/draw.hpp"
#include "vision/render/products/faults.hpp"
#include "vision/render/products/lettering.hpp"

/// A moulded plastic connector with two rows of gilded pins, seen from the mating side.
namespace vedette::products {
namespace {

using render::smoothstep;
using render::value_noise;

constexpr int kColumns = 8, kRows = 2, kPins = kColumns * kRows;
constexpr double kPitchX = 44, kPitchY = 62, kPin = 7;
enum Damage : std::size_t { bent_pin, missing_pin, flash, short_shot, burn, contamination };

void draw(Canvas& canvas, const Conditions& c, Random r, const Fault* fault) {
  const Pose pose(c, canvas.height, canvas.width, 1.6);
  const auto seed = r.next();
  std::array<Point, kPins> pins;
  std::array<double, kPins> polish{};  // how bright each pin is
  for (int i = 0; i < kPins; ++i) {
    const int column = i % kColumns, row = i / kColumns;
    pins[static_cast<std::size_t>(i)] = {(column - 0.5 * (kColumns - 1)) * kPitchX + r.uniform(-1.2, 1.2),
                                         (row - 0.5 * (kRows - 1)) * kPitchY + r.uniform(-1.2, 1.2)};
  }

  for (auto& p : polish) p = r.uniform(0.9, 1.1);
  Random f(0);
  double strength = 0;
  std::size_t hit = 0;
  bool is_missing = false;
  Point bend{};
  if (fault != nullptr) {
    f = fault->random;
    strength = f.uniform(0.2, 1);
    hit = f.below(kPins);
    is_missing = fault->kind == missing_pin;
    if (fault->kind == bent_pin) {
      const double angle = f.uniform(0, 2 * std::numbers::pi), by = log_uniform(f, 3, 13);
      bend = {by * std::cos(angle), by * std::sin(angle)};
    }
  }
  const Lettering mark("K8-02", {-190, -108}, 2.6);
  for (int y = 0; y < canvas.height; ++y)
    for (int x = 0; x < canvas.width; ++x) {
      const Point p = pose.on_product(x, y);
      // One corner is cut off, so that the connector fits one way only.
      const double edge = std::max(rounded_box(p.x, p.y, 228, 132, 14), (p.x + p.y - 332) * std::numbers::sqrt2 / 2);
      const double cavity = rounded_box(p.x, p.y - 6, 196, 82, 10), solid = smoothstep(0.8, -0.8, edge);
      Texel& t = canvas.at(y, x);
      const double shadow = rounded_box(p.x + 9 * c.light_x, p.y + 9 * c.light_y, 228, 132, 14);
      const double tray = 0.4 + 0.03 * value_noise(x / 4.0, y / 4.0, seed + 8) - 0.2 * smoothstep(6, -8, shadow);
      t.albedo = {static_cast<float>(tray), static_cast<float>(tray), static_cast<float>(0.97 * tray)};
      t.product = static_cast<float>(solid);
      if (solid <= 0) continue;
      const double grain = value_noise(p.x / 1.8, p.y / 1.8, seed) - 0.5,
                   flow = value_noise(p.x / 90 + 9, p.y / 60 + 9, seed + 1) - 0.5;
      const double sunk = smoothstep(1.5, -1.5, cavity);
      const double rib = smoothstep(1, -1, rounded_box(p.x, p.y + 104, 34, 13, 4));   // against turning it round
      const double ejector = std::abs(hypotenuse(std::abs(p.x) - 206, p.y - 6) - 9);  // the marks of the mould's pins
      const double letters = smoothstep(2, 0.8, mark.distance(p.x, p.y));
      double shade = (0.075 + 0.006 * flow) * (1 + 0.3 * c.roughness * grain) * (1 - 0.45 * sunk) * (1 + 0.25 * rib);
      shade *= 1 - 0.45 * smoothstep(14, 0, -cavity) * sunk;  // The walls shade the floor.
      Color color{static_cast<float>(shade * 0.92 * c.tint.r), static_cast<float>(shade * c.tint.g),
                  static_cast<float>(shade * 1.18 * c.tint.b)};
      double relief = 0.3 * c.roughness * grain - 7 * sunk + 3 * rib + 0.9 * letters -
                      0.8 * smoothstep(1.6, 0.4, ejector) - 3 * smoothstep(-4, 0, edge);
      double gloss = 0.12;
      if (sunk > 0) {
        const int column = std::clamp(static_cast<int>(std::floor(p.x / kPitchX + 0.5 * kColumns)), 0, kColumns - 1),
                  row = p.y < 0 ? 0 : 1;
        for (int dc = -1; dc <= 1; ++dc) {  // A bent pin may reach into its neighbour's place.
          if (column + dc < 0 || column + dc >= kColumns) continue;
          const auto pin = static_cast<std::size_t>(row * kColumns + column + dc);
          const Point foot = pins[pin];
          const double socket = std::max(std::abs(p.x - foot.x), std::abs(p.y - foot.y)) - 13;
          if (socket < 2) {
            color = color * (1 - 0.5 * smoothstep(1, -1, socket));
            if (socket < -3) color = color * 0.9;
          }
          if (pin == hit && is_missing) continue;
          const Point tip = pin == hit ? Point{foot.x + bend.x, foot.y + bend.y} : foot;
          const double shaft = segment_distance(p, foot, tip),
                       head = rounded_box(p.x - tip.x, p.y - tip.y, kPin, kPin, 2);
          const double shade_of_pin =
              rounded_box(p.x - tip.x + 5 * c.light_x, p.y - tip.y + 5 * c.light_y, kPin, kPin, 2);
          color = color * (1 - 0.55 * smoothstep(3, -3, shade_of_pin));
          const double body = smoothstep(1, -1, std::min(shaft - kPin + 1, head));
          if (body <= 0) continue;
          const Color gold = mix({0.5F, 0.33F, 0.1F}, {0.74F, 0.55F, 0.24F}, smoothstep(0.5, -2.5, head));
          color = mix(color, gold * (polish[pin] * (0.95 + 0.1 * value_noise(p.x / 2, p.y / 2, seed + 3))), body);
          relief = relief * (1 - body) + body * (3.2 * smoothstep(0, -4.5, head));
          gloss = gloss * (1 - body) + 0.75 * body;
        }
      }
      t.albedo = mix(t.albedo, color, solid);
      t.relief = static_cast<float>(relief * solid);
      t.gloss = static_cast<float>(gloss * solid);
    }
  if (fault == nullptr) return;
  const double side = f.uniform() < 0.5 ? -1 : 1;
  const Point rim =
      f.uniform() < 0.5 ? Point{f.uniform(-200, 200), side > 0 ? 118 : -98.0} : Point{side * 212, f.uniform(-110, 100)};
  const Point at = pose.in_picture(rim.x, rim.y);
  const double angle = f.uniform(0, 2 * std::numbers::pi);
  switch (fault->kind) {
    case flash: {  // A thin skin of plastic grows from the cavity's edge over it.
      const Point from = pose.in_picture(f.uniform(-170, 170), side > 0 ? 86 : -74);
      blot(canvas, f, from, log_uniform(f, 6, 40), 0.6, 0.1,
           {{0.11F, 0.125F, 0.15F}, 0.9 * strength, 1.6 * strength, 0.3});
      break;
    }
    case short_shot: {
      const Point edge = pose.in_picture(f.uniform(-200, 200), side * 130);
      chip(canvas, f, edge, log_uniform(f, 7, 45), {{0.02F, 0.022F, 0.026F}, 0.15 + 0.85 * strength, -3, 0.4});
      break;
    }
    case burn:
      blot(canvas, f, at, log_uniform(f, 6, 50), 0.5, 0.5,
           {f.uniform() < 0.5 ? Color{0.2F, 0.19F, 0.17F} : Color{0.09F, 0.045F, 0.025F}, 0.1 + 0.7 * strength, 0,
            0.02});
      break;
    case contamination: {
      const Point place = f.uniform() < 0.6 ? pose.in_picture(f.uniform(-180, 180), f.uniform(-65, 75)) : at;
      if (f.uniform() < 0.5)
        fibre(canvas, f, place, log_uniform(f, 9, 70), f.uniform(1.4, 2.4),
              Color{0.5F, 0.5F, 0.5F} * (0.15 + 0.7 * strength));
      else if (f.uniform() < 0.5)
        chip(canvas, f, place, log_uniform(f, 5, 18), {{0.3F, 0.31F, 0.33F}, 0.9 * strength, 2, 0.2});
      else
        scratch(canvas, f, at, angle, log_uniform(f, 14, 100), f.uniform(2, 3.5),
                {{0.2F, 0.21F, 0.23F}, 0.1 + 0.7 * strength, -0.5, 0.1});
      break;
    }
    default:
      break;  // The pin is wrong above.
  }
}

}  // namespace

const Design kConnector = {
    "connector", 400, 560, {"bent-pin", "missing-pin", "flash", "short-shot", "burn", "contamination"}, draw};

}  // namespace vedette::products
