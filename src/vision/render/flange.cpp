#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/random.hpp"
#include "vision/render/noise.hpp"
#include "vision/render/render.hpp"

namespace vedette::render {
namespace {

constexpr int kHeight = 480, kWidth = 640;
constexpr double kOuterRadius = 188, kBoreRadius = 74, kBoltCircle = 131, kBoltRadius = 19;
constexpr double kChamfer = 5;
constexpr int kBolts = 6;
constexpr double kPi = std::numbers::pi;

struct Vector {
  double x, y, z;
};
Vector operator+(Vector a, Vector b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
Vector operator*(Vector a, double s) {
  return {a.x * s, a.y * s, a.z * s};
}
double dot(Vector a, Vector b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
Vector normalized(Vector a) {
  return a * (1 / std::sqrt(dot(a, a)));
}

struct Color {
  double r, g, b;
};
Color operator*(Color c, double s) {
  return {c.r * s, c.g * s, c.b * s};
}
Color operator+(Color a, Color b) {
  return {a.r + b.r, a.g + b.g, a.b + b.b};
}
Color mix(Color a, Color b, double t) {
  return a * (1 - t) + b * t;
}

struct Point {
  double x, y;
};

/// Holds everything random about one picture, drawn once.
class Scene {
 public:
  Scene(std::uint64_t seed, std::optional<Defect> defect) : defect_(defect) {
    Random random(seed);
    auto pose = random.fork(1), light = random.fork(2), material = random.fork(3), damage = random.fork(4);
    centre_ = {kWidth / 2.0 + pose.uniform(-9, 9), kHeight / 2.0 + pose.uniform(-7, 7)};
    angle_ = pose.uniform(-5, 5) * kPi / 180;
    scale_ = pose.uniform(0.985, 1.015);
    const double azimuth = (-130 + light.uniform(-14, 14)) * kPi / 180;
    light_ = normalized({std::cos(azimuth) * 0.62, std::sin(azimuth) * 0.62, 0.85 + light.uniform(-0.06, 0.06)});
    exposure_ = light.uniform(0.9, 1.1);
    warmth_ = light.uniform(-0.025, 0.025);
    falloff_ = {light.uniform(-0.1, 0.1), light.uniform(-0.1, 0.1)};
    texture_seed_ = material.next();
    belt_seed_ = material.next();
    belt_shift_ = {material.uniform(0, 400), material.uniform(0, 400)};
    groove_pitch_ = material.uniform(2.3, 2.7);
    groove_depth_ = material.uniform(0.13, 0.19);
    steel_ = {0.62 + material.uniform(-0.02, 0.02), 0.635, 0.65 + material.uniform(-0.015, 0.02)};
    noise_seed_ = material.next();
    noise_level_ = material.uniform(0.008, 0.014);
    blur_ = material.uniform(0.45, 0.75);
    if (defect_) place_defect(damage);
  }

  /// Returns the linear light that leaves the scene towards pixel (x, y), and says whether the defect is there.
  Color shade(double px, double py, bool& is_defect) const {
    // These are the part's own coordinates: neither rotated nor scaled, with the origin in its middle.
    const double dx = (px - centre_.x) / scale_, dy = (py - centre_.y) / scale_;
    const double x = dx * std::cos(angle_) + dy * std::sin(angle_), y = -dx * std::sin(angle_) + dy * std::cos(angle_);
    const Solid solid = solid_at(x, y);
    is_defect = is_damaged(x, y, solid.inside);
    const double cover = smoothstep(-0.7, 0.7, solid.inside);
    Color out = belt(px, py, solid.inside);
    if (cover > 0) out = mix(out, metal(x, y, solid), cover);
    const double u = px / kWidth - 0.5, v = py / kHeight - 0.5;
    const double field = (1 + falloff_.x * u + falloff_.y * v) * (1 - 0.22 * (u * u + v * v));
    return {out.r * exposure_ * field * (1 + warmth_), out.g * exposure_ * field,
            out.b * exposure_ * field * (1 - warmth_)};
  }

  double blur() const { return blur_; }
  double sensor_noise(int x, int y, int channel) const {
    // Three uniform numbers make a good enough bell.
    double sum = 0;
    for (std::uint64_t i = 0; i < 3; ++i)
      sum += hash_noise(x, y, noise_seed_ + static_cast<std::uint64_t>(channel) * 7 + i) - 0.5;
    return 2 * noise_level_ * sum;
  }

 private:
  struct Solid {
    double inside;   ///< The distance to the nearest edge, positive on metal.
    Point outwards;  ///< The unit vector from metal towards that edge.
  };

  bool hole_is_missing(int hole) const { return defect_ == Defect::missing_hole && hole == missing_hole_; }

  static Point bolt(int hole) {
    const double a = (hole + 0.5) * 2 * kPi / kBolts;
    return {kBoltCircle * std::cos(a), kBoltCircle * std::sin(a)};
  }

  Solid solid_at(double x, double y) const {
    const double r = std::hypot(x, y) + 1e-9;
    Solid s{kOuterRadius - r, {x / r, y / r}};
    if (r - kBoreRadius < s.inside) s = {r - kBoreRadius, {-x / r, -y / r}};
    for (int hole = 0; hole < kBolts; ++hole) {
      if (hole_is_missing(hole)) continue;
      const Point b = bolt(hole);
      const double d = std::hypot(x - b.x, y - b.y) + 1e-9;
      if (d - kBoltRadius < s.inside) s = {d - kBoltRadius, {(b.x - x) / d, (b.y - y) / d}};
    }
    return s;
  }

  /// Returns the light of the rubber belt: a woven imprint, dust, and the shadow of the part.
  Color belt(double px, double py, double inside) const {
    const double x = px + belt_shift_.x, y = py + belt_shift_.y;
    const double weave = 0.5 + 0.25 * std::sin(x * 0.9 + 0.6 * value_noise(x / 9, y / 9, belt_seed_)) +
                         0.25 * std::sin(y * 0.9 + 0.6 * value_noise(y / 9, x / 9, belt_seed_ + 1));
    const double wear = fractal_noise(x / 70, y / 70, 4, belt_seed_ + 2);
    const double grain = value_noise(x / 1.4, y / 1.4, belt_seed_ + 3);
    double value = 0.055 + 0.02 * weave + 0.03 * wear + 0.018 * grain;
    if (hash_noise(static_cast<std::int64_t>(x / 2), static_cast<std::int64_t>(y / 2), belt_seed_ + 4) > 0.9988)
      value += 0.07;  // This is dust.
    // The shadow lies away from the light and is soft where it ends.
    const double sx = px + light_.x * 16, sy = py + light_.y * 16;
    const double dx = (sx - centre_.x) / scale_, dy = (sy - centre_.y) / scale_;
    const double x2 = dx * std::cos(angle_) + dy * std::sin(angle_),
                 y2 = -dx * std::sin(angle_) + dy * std::cos(angle_);
    const double shadow = smoothstep(-9, 8, solid_at(x2, y2).inside);
    const double occlusion = 0.55 * std::exp(inside / 14);
    value *= (1 - 0.62 * shadow) * (1 - std::min(0.7, occlusion));
    return {value * 0.92, value * 1.02, value};
  }

  /// Returns the light of turned steel: its rings of grooves have normals that fan the highlight out, and its edges are
  /// chamfered.
  Color metal(double x, double y, const Solid& solid) const {
    const double r = std::hypot(x, y) + 1e-9;
    const Point radial{x / r, y / r};
    Vector normal{0, 0, 1};
    const double wobble = 1.6 * value_noise(std::atan2(y, x) * 6, r / 60, texture_seed_);
    const double ring = std::floor((r + wobble) / groove_pitch_);
    const double strength = 0.4 + 0.9 * hash_noise(static_cast<std::int64_t>(ring), 0, texture_seed_ + 1);
    const double slope = groove_depth_ * strength * std::sin(2 * kPi * (r + wobble) / groove_pitch_);
    normal.x += slope * radial.x;
    normal.y += slope * radial.y;
    // Fine marks run along the turning direction.
    const double along = (value_noise(r * 1.9, std::atan2(y, x) * r / 24, texture_seed_ + 2) - 0.5) * 0.16;
    normal.x += along * radial.x;
    normal.y += along * radial.y;
    if (solid.inside < kChamfer) {
      const double t = 1 - std::max(0.0, solid.inside) / kChamfer;
      normal.x += 1.0 * t * solid.outwards.x;
      normal.y += 1.0 * t * solid.outwards.y;
    }
    const Vector bump = dent_slope(x, y);
    normal.x += bump.x;
    normal.y += bump.y;

    double scratch_edge = 0;
    const double scratch = scratch_depth(x, y, scratch_edge);
    normal.x += scratch_edge * scratch_normal_.x;
    normal.y += scratch_edge * scratch_normal_.y;

    normal = normalized(normal);
    const Point light_in_part{light_.x * std::cos(angle_) + light_.y * std::sin(angle_),
                              -light_.x * std::sin(angle_) + light_.y * std::cos(angle_)};
    const Vector light{light_in_part.x, light_in_part.y, light_.z};
    const Vector half = normalized(light + Vector{0, 0, 1});
    const double diffuse = std::max(0.0, dot(normal, light));
    const double specular = std::pow(std::max(0.0, dot(normal, half)), 26);
    // The anisotropy is like Ward's: grooves reflect in a fan across the turning direction.
    const double across = half.x * radial.x + half.y * radial.y, tangential = half.y * radial.x - half.x * radial.y;
    const double fan = std::exp(-(across * across) / 0.35 - (tangential * tangential) / 0.018);
    const double mottle = 0.93 + 0.14 * fractal_noise(x / 46, y / 46, 3, texture_seed_ + 3);
    double value = (0.16 + 0.42 * diffuse + 0.34 * specular + 0.3 * fan) * mottle;
    value *= 1 - 0.55 * scratch * scratch_darkness_;
    value += 0.3 * scratch * (1 - scratch_darkness_);
    Color out = steel_ * value;
    if (const double stain = stain_amount(x, y); stain > 0) {
      const Color tint{0.42, 0.30, 0.17};
      const Color stained{out.r * (0.45 + tint.r * 0.5), out.g * (0.42 + tint.g * 0.45), out.b * (0.36 + tint.b * 0.4)};
      out = mix(out, stained, stain * stain_strength_);
    }
    return out;
  }

  // The members below describe the damage.

  /// Returns a point on the face, clear of edges.
  Point point_on_face(Random& random, double margin) const {
    while (true) {
      const double r = random.uniform(kBoreRadius, kOuterRadius), a = random.uniform(0, 2 * kPi);
      const Point p{r * std::cos(a), r * std::sin(a)};
      if (solid_at(p.x, p.y).inside > margin) return p;
    }
  }

  void place_defect(Random& random) {
    switch (*defect_) {
      case Defect::missing_hole:
        missing_hole_ = static_cast<int>(random.below(kBolts));
        break;
      case Defect::dent:
        dent_ = point_on_face(random, 14);
        dent_radius_ = random.uniform(9, 17);
        dent_depth_ = random.uniform(0.75, 1.2);
        dent_seed_ = random.next();
        break;
      case Defect::stain:
        stain_ = point_on_face(random, 8);
        stain_radius_ = random.uniform(17, 32);
        stain_strength_ = random.uniform(0.65, 0.95);
        stain_seed_ = random.next();
        break;
      case Defect::scratch: {
        scratch_width_ = random.uniform(1.4, 2.4);
        scratch_darkness_ = random.uniform() < 0.4 ? 1.0 : 0.0;
        do {
          // A scratch runs across the grooves more often than along them, where it would look like machining. All of it
          // lies on the face of the part.
          scratch_.clear();
          Point p = point_on_face(random, 8);
          double direction = std::atan2(p.y, p.x) + random.uniform(-0.9, 0.9);
          if (random.uniform() < 0.5) direction += kPi;
          const double length = random.uniform(45, 90), bend = random.uniform(-0.012, 0.012);
          scratch_normal_ = {-std::sin(direction), std::cos(direction)};
          for (double s = 0; s < length; s += 2) {
            scratch_.push_back(p);
            direction += bend * 2;
            p = {p.x + 2 * std::cos(direction), p.y + 2 * std::sin(direction)};
          }
        } while (std::any_of(scratch_.begin(), scratch_.end(),
                             [&](const Point& p) { return solid_at(p.x, p.y).inside < kChamfer; }));
        break;
      }
    }
  }

  double dent_distance(double x, double y) const {
    const double dx = x - dent_.x, dy = y - dent_.y;
    const double uneven = 0.8 + 0.4 * value_noise(std::atan2(dy, dx) * 1.3 + 9, 0.5, dent_seed_);
    return std::hypot(dx, dy) / (dent_radius_ * uneven);
  }

  Vector dent_slope(double x, double y) const {
    if (defect_ != Defect::dent) return {0, 0, 0};
    const double d = dent_distance(x, y);
    if (d >= 1.15) return {0, 0, 0};
    // The dent is a bowl: steep in the middle of its wall, with a raised lip outside.
    const double slope = d < 1 ? dent_depth_ * std::sin(kPi * d) : -0.5 * dent_depth_ * std::sin(kPi * (d - 1) / 0.15);
    const double length = std::hypot(x - dent_.x, y - dent_.y) + 1e-9;
    return {-slope * (x - dent_.x) / length, -slope * (y - dent_.y) / length, 0};
  }

  double stain_amount(double x, double y) const {
    if (defect_ != Defect::stain) return 0;
    const double d = std::hypot(x - stain_.x, y - stain_.y) / stain_radius_;
    if (d > 1.7) return 0;
    const double edge = d + 0.75 * (fractal_noise(x / 19, y / 19, 3, stain_seed_) - 0.5);
    // The rim of a stain is darker, as when it dries.
    return smoothstep(1.0, 0.8, edge) * (0.75 + 0.25 * smoothstep(0.5, 0.95, edge));
  }

  /// Returns 1 in the middle of the scratch; `edge` tells how the surface leans there.
  double scratch_depth(double x, double y, double& edge) const {
    edge = 0;
    if (defect_ != Defect::scratch) return 0;
    double nearest = 1e9, side = 0, along = 0;
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
      const double dx = x - scratch_[i].x, dy = y - scratch_[i].y, d = dx * dx + dy * dy;
      if (d < nearest)
        nearest = d, side = dx * scratch_normal_.x + dy * scratch_normal_.y,
        along = static_cast<double>(i) / static_cast<double>(scratch_.size() - 1);
    }
    const double width = scratch_width_ * (0.45 + 0.55 * std::sin(kPi * std::clamp(along, 0.04, 0.96)));
    const double d = std::abs(side) < std::sqrt(nearest) + 1 ? std::sqrt(nearest) : std::abs(side);
    if (d > width + 1) return 0;
    edge = 0.7 * std::clamp(side / width, -1.0, 1.0) * smoothstep(width + 1, width, d);
    return smoothstep(width + 0.6, width - 0.6, d);
  }

  bool is_damaged(double x, double y, double inside) const {
    if (!defect_) return false;
    double unused = 0;
    switch (*defect_) {
      case Defect::missing_hole: {
        const Point b = bolt(missing_hole_);
        return std::hypot(x - b.x, y - b.y) <= kBoltRadius;
      }
      case Defect::dent:
        return inside > 0 && dent_distance(x, y) <= 1.1;
      case Defect::stain:
        return inside > 0 && stain_amount(x, y) > 0.3;
      case Defect::scratch:
        return inside > 0 && scratch_depth(x, y, unused) > 0.3;
    }
    return false;
  }

  std::optional<Defect> defect_;
  Point centre_{}, falloff_{}, belt_shift_{};
  double angle_ = 0, scale_ = 1, exposure_ = 1, warmth_ = 0;
  Vector light_{};
  std::uint64_t texture_seed_ = 0, belt_seed_ = 0, noise_seed_ = 0;
  double groove_pitch_ = 0, groove_depth_ = 0, noise_level_ = 0, blur_ = 0;
  Color steel_{};
  int missing_hole_ = 0;
  Point dent_{}, stain_{}, scratch_normal_{};
  double dent_radius_ = 1, dent_depth_ = 0, stain_radius_ = 1, stain_strength_ = 0, scratch_width_ = 1,
         scratch_darkness_ = 0;
  std::uint64_t dent_seed_ = 0, stain_seed_ = 0;
  std::vector<Point> scratch_;
};

/// Softens a plane of linear light as a lens does, with a small Gaussian.
void soften(std::vector<Color>& pixels, double sigma) {
  double weights[3];
  for (int i = 0; i < 3; ++i) weights[i] = std::exp(-i * i / (2 * sigma * sigma));
  const double sum = weights[0] + 2 * weights[1] + 2 * weights[2];
  std::vector<Color> line;
  const auto filter = [&](int count, auto at) {
    line.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      Color c = at(i) * weights[0];
      for (int k = 1; k < 3; ++k)
        c = c + at(std::max(0, i - k)) * weights[k] + at(std::min(count - 1, i + k)) * weights[k];
      line[static_cast<std::size_t>(i)] = c * (1 / sum);
    }
  };
  const auto pixel = [&](int y, int x) -> Color& {
    return pixels[static_cast<std::size_t>(y) * kWidth + static_cast<std::size_t>(x)];
  };
  for (int y = 0; y < kHeight; ++y) {
    filter(kWidth, [&](int x) { return pixel(y, x); });
    std::copy(line.begin(), line.end(), &pixel(y, 0));
  }
  for (int x = 0; x < kWidth; ++x) {
    filter(kHeight, [&](int y) { return pixel(y, x); });
    for (int y = 0; y < kHeight; ++y) pixel(y, x) = line[static_cast<std::size_t>(y)];
  }
}

std::uint8_t to_srgb(double linear) {
  const double v = std::clamp(linear, 0.0, 1.0);
  // IEC 61966-2-1 defines this encoding.
  const double encoded = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
  return static_cast<std::uint8_t>(std::lround(255 * encoded));
}

}  // namespace

DefectLabel label_of(Defect defect) {
  switch (defect) {
    case Defect::scratch:
      return {"scratch", "#E53935"};
    case Defect::dent:
      return {"dent", "#1E88E5"};
    case Defect::stain:
      return {"stain", "#8E24AA"};
    case Defect::missing_hole:
      return {"missinghole", "#43A047"};
  }
  return {"", ""};
}

Picture render_flange(std::uint64_t seed, std::optional<Defect> defect) {
  const Scene scene(seed, defect);
  Picture out{{kHeight, kWidth, std::vector<std::uint8_t>(3U * kHeight * kWidth)}, Grid<std::uint8_t>(kHeight, kWidth)};
  std::vector<Color> light(static_cast<std::size_t>(kHeight) * kWidth);
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      bool is_defect = false;
      light[static_cast<std::size_t>(y) * kWidth + static_cast<std::size_t>(x)] = scene.shade(x, y, is_defect);
      out.mask.at(y, x) = is_defect ? 1 : 0;
    }
  soften(light, scene.blur());
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const Color& c = light[static_cast<std::size_t>(y) * kWidth + static_cast<std::size_t>(x)];
      const double shot = std::sqrt(std::max(0.05, c.g));
      out.image.at(y, x)[0] = to_srgb(c.r + shot * scene.sensor_noise(x, y, 0));
      out.image.at(y, x)[1] = to_srgb(c.g + shot * scene.sensor_noise(x, y, 1));
      out.image.at(y, x)[2] = to_srgb(c.b + shot * scene.sensor_noise(x, y, 2));
    }
  return out;
}

}  // namespace vedette::render
