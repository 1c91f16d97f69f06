#include "vision/render/products/faults.hpp"

#include <cmath>
#include <numbers>

#include "vision/render/noise.hpp"

namespace vedette::products {

using render::smoothstep;
using render::value_noise;

double log_uniform(Random& random, double least, double most) {
  return std::exp(random.uniform(std::log(least), std::log(most)));
}

void draw_line(Canvas& canvas, const std::vector<Point>& points, double width, double patchy, const Finish& finish,
               std::uint64_t seed) {
  Box box{1e9, 1e9, -1e9, -1e9};
  for (const auto& p : points)
    box = {std::min(box.left, p.x - width - 1), std::min(box.top, p.y - width - 1),
           std::max(box.right, p.x + width + 1), std::max(box.bottom, p.y + width + 1)};
  paint(canvas, box, finish, [&](double x, double y) {
    double nearest = 1e9;
    for (std::size_t i = 0; i + 1 < points.size(); ++i)
      nearest = std::min(nearest, segment_distance({x, y}, points[i], points[i + 1]));
    const double inside = smoothstep(width / 2 + 0.6, width / 2 - 0.6, nearest);
    return inside > 0 ? inside * (1 - patchy * value_noise(x / 9, y / 9, seed)) : 0;
  });
}

void scratch(Canvas& canvas, Random& random, Point at, double angle, double length, double width,
             const Finish& finish) {
  const double bend = random.uniform(-0.3, 0.3) / length;
  std::vector<Point> points;
  for (int i = 0; i <= 8; ++i) {
    const double t = (i / 8.0 - 0.5) * length, a = angle + bend * t;
    points.push_back({at.x + t * std::cos(a), at.y + t * std::sin(a)});
  }
  draw_line(canvas, points, width, 0.5, finish, random.next());
}

void crack(Canvas& canvas, Random& random, Point at, double angle, double length, double width, const Finish& finish) {
  constexpr double kStep = 7;
  std::vector<Point> points = {at};
  const int steps = std::max(2, static_cast<int>(length / kStep));
  for (int i = 0; i < steps; ++i) {
    const double heading = angle + random.normal() * 0.45;
    points.push_back({points.back().x + kStep * std::cos(heading), points.back().y + kStep * std::sin(heading)});
    angle += random.normal() * 0.06;
    if (i > 1 && length > 40 && random.uniform() < 0.12)
      crack(canvas, random, points.back(), angle + (random.uniform() < 0.5 ? 0.7 : -0.7), length * 0.3, width * 0.75,
            finish);
  }
  draw_line(canvas, points, width, 0.3, finish, random.next());
}

void fibre(Canvas& canvas, Random& random, Point at, double length, double width, Color color) {
  constexpr int kSteps = 14;
  double heading = random.uniform(0, 2 * std::numbers::pi), curl = random.normal() * 0.15;
  std::vector<Point> points = {at}, shadow;
  for (int i = 0; i < kSteps; ++i) {
    curl += random.normal() * 0.12;
    heading += curl;
    points.push_back(
        {points.back().x + length / kSteps * std::cos(heading), points.back().y + length / kSteps * std::sin(heading)});
  }
  for (const auto& p : points) shadow.push_back({p.x + 1.5, p.y + 1.8});
  const auto seed = random.next();
  draw_line(canvas, shadow, width + 0.8, 0, {{0, 0, 0}, 0.35, 0, 0}, seed);
  draw_line(canvas, points, width, 0.2, {color, 0.9, 0.5, 0.1}, seed);
}

void blot(Canvas& canvas, Random& random, Point at, double diameter, double uneven, double soft, const Finish& finish) {
  const auto seed = random.next();
  const double angle = random.uniform(0, std::numbers::pi), aspect = random.uniform(0.6, 1);
  const double a = std::cos(angle), b = std::sin(angle), radius = diameter / 2, reach = 1.4 * radius + 2;
  const double edge = std::max(soft, 0.7 / radius);
  paint(canvas, {at.x - reach, at.y - reach, at.x + reach, at.y + reach}, finish, [&](double x, double y) {
    const double u = ((x - at.x) * a + (y - at.y) * b) / radius,
                 v = ((y - at.y) * a - (x - at.x) * b) / (radius * aspect);
    const double r = hypotenuse(u, v) + uneven * (value_noise(3 + 1.7 * u, 3 + 1.7 * v, seed) - 0.5) +
                     0.4 * uneven * (value_noise(9 + 4 * u, 9 + 4 * v, seed + 1) - 0.5);
    return smoothstep(1 + edge / 2, 1 - edge / 2 - soft * 0.5, r);
  });
}

void pits(Canvas& canvas, Random& random, Point at, double spread, int count, double least, double most,
          const Finish& finish) {
  for (int i = 0; i < count; ++i) {
    const double angle = random.uniform(0, 2 * std::numbers::pi), away = spread * std::sqrt(random.uniform());
    blot(canvas, random, {at.x + away * std::cos(angle), at.y + away * std::sin(angle)}, random.uniform(least, most),
         0.2, 0.3, finish);
  }
}

void chip(Canvas& canvas, Random& random, Point at, double diameter, const Finish& finish) {
  // The outline is a polygon of flat fractures; the floor rises from one side to the other.
  const int sides = 5 + static_cast<int>(random.below(4));
  std::vector<std::pair<double, double>> cuts;  // the direction of each side, and its distance from the middle
  for (int i = 0; i < sides; ++i)
    cuts.emplace_back(2 * std::numbers::pi * (i + random.uniform(-0.3, 0.3)) / sides,
                      diameter / 2 * random.uniform(0.62, 1));
  const double tilt = random.uniform(0, 2 * std::numbers::pi), reach = diameter * 0.9;
  const auto seed = random.next();
  Finish flat = finish;
  flat.relief = 0;
  const auto inside = [&](double x, double y) {
    double most = -1e9;
    for (const auto& cut : cuts)
      most = std::max(most, (x - at.x) * std::cos(cut.first) + (y - at.y) * std::sin(cut.first) - cut.second);
    return smoothstep(0.7, -0.7, most + 1.5 * (value_noise(x / 4, y / 4, seed) - 0.5));
  };
  const Box box{at.x - reach, at.y - reach, at.x + reach, at.y + reach};
  paint(canvas, box, flat, inside);
  paint(canvas, box, {{}, 0, finish.relief, 0}, [&](double x, double y) {
    const double slope = ((x - at.x) * std::cos(tilt) + (y - at.y) * std::sin(tilt)) / diameter;
    return inside(x, y) * (0.6 + 0.6 * slope + 0.25 * value_noise(x / 3, y / 3, seed + 1));
  });
}

}  // namespace vedette::products
