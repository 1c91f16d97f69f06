#include "vision/render/materials.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "vision/render/material_tools.hpp"
#include "vision/render/noise.hpp"

namespace vedette::render {
namespace {

class Machined : public Material {
 public:
  explicit Machined(Random r)
      : lay_(r.below(4)), frame_(r, 180, 0.8, 2.5), base_(draw_color(r, 0.2, 0.75)), seed_(r.next()) {
    centre_x_ = r.uniform(-300, 600);
    centre_y_ = r.uniform(-300, 600);
    pitch_ = r.uniform(2, 9);
    depth_ = r.uniform(0.05, 0.35);
    grain_ = r.uniform(0.02, 0.25);
    stretch_ = r.uniform(15, 90);
    arc_ = r.uniform(30, 120);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    double along = u, across = v;
    if (lay_ == 1) {  // This surface was turned.
      across = std::hypot(x - centre_x_, y - centre_y_);
      along = std::atan2(y - centre_y_, x - centre_x_) * 60;
    } else if (lay_ == 2) {  // This surface was milled: it has arcs behind each other.
      across = v + std::sqrt(std::max(0.0, arc_ * arc_ - std::pow(std::fmod(std::abs(u), arc_) - arc_ / 2, 2)));
    }
    const double wobble = 0.4 * value_noise(along / 40, across / 3, seed_);
    const double groove = lay_ == 3 ? 0 : std::sin(2 * kPi * (across / pitch_ + wobble));
    const double grain = fractal_noise(along / stretch_, across * 1.3, 3, seed_ + 5) - 0.5;
    const double cloud = fractal_noise(x / 90, y / 90, 2, seed_ + 9) - 0.5;
    return base_ * std::max(0.02, 1 + depth_ * groove + 2 * grain_ * grain + 0.15 * cloud);
  }

 private:
  std::uint64_t lay_;
  Frame frame_;
  Color base_;
  std::uint64_t seed_;
  double centre_x_, centre_y_, pitch_, depth_, grain_, stretch_, arc_;
};

class Cast : public Material {
 public:
  explicit Cast(Random r) : frame_(r, 180, 3, 30), base_(draw_color(r, 0.1, 0.7)), seed_(r.next()) {
    relief_ = r.uniform(0.6, 4);
    pits_ = r.uniform() < 0.5 ? r.uniform(0.05, 0.3) : 0;
    mottle_ = r.uniform(0, 0.4);
    octaves_ = 3 + static_cast<int>(r.below(3));
    const double light = r.uniform(0, 2 * kPi);
    light_x_ = std::cos(light);
    light_y_ = std::sin(light);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y), step = 0.15;
    const double here = fractal_noise(u, v, octaves_, seed_);
    const double slope = fractal_noise(u + step * light_x_, v + step * light_y_, octaves_, seed_) - here;
    double shade = 1 + relief_ * slope;
    if (pits_ > 0) {
      const auto cell = nearest_cell(u * 1.7, v * 1.7, seed_ + 3);
      if (random_of(cell.id, 1) < pits_) shade *= 0.35 + 0.65 * smoothstep(0.05, 0.35, cell.first);
    }
    shade *= 1 + mottle_ * (value_noise(x / 60, y / 60, seed_ + 4) - 0.5);
    return base_ * std::max(0.02, shade);
  }

 private:
  Frame frame_;
  Color base_;
  std::uint64_t seed_;
  double relief_, pits_, mottle_, light_x_, light_y_;
  int octaves_;
};

class Woven : public Material {
 public:
  explicit Woven(Random r)
      : frame_(r, 50, 3.5, 22),
        warp_(draw_color(r, 0.15)),
        weft_(r.uniform() < 0.5 ? warp_ : draw_color(r, 0.15)),
        seed_(r.next()) {
    repeat_ = 2 + static_cast<std::int64_t>(r.below(4));
    shift_ = 1 + static_cast<std::int64_t>(r.below(3));
    loose_ = r.uniform(0, 0.25);
    fibre_ = r.uniform(0.05, 0.4);
    gap_ = r.uniform(0, 0.3);
    stripes_ = r.uniform() < 0.3 ? static_cast<std::int64_t>(2 + r.below(12)) : 0;
    stripe_ = draw_color(r, 0.1);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    double u = frame_.u(x, y), v = frame_.v(x, y);
    u += loose_ * (value_noise(u / 7, v / 2, seed_) - 0.5);
    v += loose_ * (value_noise(u / 2, v / 7, seed_ + 1) - 0.5);
    const auto i = static_cast<std::int64_t>(std::floor(u)), j = static_cast<std::int64_t>(std::floor(v));
    const bool warp_on_top = ((i + shift_ * j) % repeat_ + repeat_) % repeat_ == 0;
    const double across = warp_on_top ? fraction(u) : fraction(v), along = warp_on_top ? fraction(v) : fraction(u);
    const double round = std::sin(kPi * std::clamp((across - gap_ / 2) / (1 - gap_), 0.0, 1.0));
    const double crown = 0.7 + 0.3 * std::sin(kPi * along);
    const double fibres = value_noise(warp_on_top ? u * 9 : u * 1.5, warp_on_top ? v * 1.5 : v * 9, seed_ + 2) - 0.5;
    Color color = warp_on_top ? warp_ : weft_;
    if (stripes_ > 0 && warp_on_top && (i / stripes_) % 2 == 0) color = stripe_;
    return color * std::max(0.03, (0.25 + 0.75 * round) * crown * (1 + fibre_ * fibres * 2));
  }

 private:
  Frame frame_;
  Color warp_, weft_, stripe_{};
  std::uint64_t seed_;
  std::int64_t repeat_, shift_, stripes_;
  double loose_, fibre_, gap_;
};

class Printed : public Material {
 public:
  explicit Printed(Random r)
      : frame_(r, r.uniform() < 0.7 ? 6 : 180, 1.2, 4.5),
        paper_(draw_color(r, 0.4, 0.95)),
        ink_(draw_color(r, 0.02, 0.4)),
        second_(draw_color(r, 0.05, 0.8)),
        seed_(r.next()) {
    style_ = r.below(4);
    alphabet_ = 3 + r.below(40);
    if (r.uniform() < 0.3) std::swap(paper_, ink_);
    block_ = r.uniform(20, 70);
    dots_ = r.uniform(3, 7);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    const double fibre = 1 + 0.06 * (value_noise(x / 2, y / 2, seed_) - 0.5);
    double ink = 0;
    Color color = ink_;
    if (style_ == 0 || style_ == 3) {  // This style prints rows of glyphs of 6 × 9 units on a raster of 5 × 7.
      const auto column = static_cast<std::int64_t>(std::floor(u / 6)),
                 row = static_cast<std::int64_t>(std::floor(v / 10));
      const double gx = u - static_cast<double>(column) * 6, gy = v - static_cast<double>(row) * 10;
      const bool is_space = hash_noise(column, row, seed_ + 1) < 0.17 || (style_ == 3 && row % 3 == 0);
      const auto glyph = static_cast<std::int64_t>(hash_noise(column, row, seed_ + 2) * static_cast<double>(alphabet_));
      if (!is_space && gx < 5 && gy < 7) ink = stroke(gx, gy, glyph);
    } else if (style_ == 1) {  // This style prints bars.
      const auto bar = static_cast<std::int64_t>(std::floor(u / 1.5));
      const auto row = static_cast<std::int64_t>(std::floor(v / block_));
      ink = hash_noise(bar, row, seed_ + 3) < 0.5 && fraction(v / block_) < 0.8 ? 1 : 0;
    } else {  // This style prints a half-tone over slow shapes.
      const double wanted = smoothstep(0.3, 0.7, fractal_noise(x / 60, y / 60, 2, seed_ + 4));
      const double d = std::hypot(fraction(u / dots_) - 0.5, fraction(v / dots_) - 0.5);
      ink = smoothstep(0.04, -0.04, d - 0.7 * wanted);
      color = mix(ink_, second_, smoothstep(0.4, 0.6, value_noise(x / 90, y / 90, seed_ + 5)));
    }
    if (style_ == 3) {
      const auto bx = static_cast<std::int64_t>(std::floor(u / block_)),
                 by = static_cast<std::int64_t>(std::floor(v / block_));
      if (hash_noise(bx, by, seed_ + 6) < 0.3) return mix(second_, ink_, ink * 0.8) * fibre;
    }
    return mix(paper_, color, ink) * fibre;
  }

 private:
  /// Draws four strokes between points of the raster; the glyph's number chooses them.
  [[nodiscard]] double stroke(double x, double y, std::int64_t glyph) const {
    double nearest = 9;
    for (std::int64_t s = 0; s < 4; ++s) {
      const auto point = [&](std::int64_t end, std::int64_t axis, double steps, double range) {
        return 0.6 + std::floor(hash_noise(glyph * 8 + s * 2 + end, axis, seed_ + 8) * steps) * range / (steps - 1);
      };
      const double ax = point(0, 0, 3, 3.8), ay = point(0, 1, 3, 5.8);
      double bx = point(1, 0, 3, 3.8), by = point(1, 1, 3, 5.8);
      if (hash_noise(glyph, s, seed_ + 9) < 0.7)
        (std::abs(bx - ax) < std::abs(by - ay) ? bx : by) = hash_noise(glyph, s, seed_ + 10) < 0.5 ? ax : ay;
      const double dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
      const double t = length > 0 ? std::clamp(((x - ax) * dx + (y - ay) * dy) / length, 0.0, 1.0) : 0;
      nearest = std::min(nearest, std::hypot(x - ax - t * dx, y - ay - t * dy));
    }
    return smoothstep(0.75, 0.35, nearest);
  }
  Frame frame_;
  Color paper_, ink_, second_;
  std::uint64_t seed_, style_ = 0, alphabet_ = 0;
  double block_, dots_;
};

class Organic : public Material {
 public:
  explicit Organic(Random r)
      : style_(r.below(4)),
        frame_(r, 180, 6, 30),
        light_(draw_color(r, 0.3)),
        dark_(mix(light_, draw_color(r, 0.02, 0.4), 0.7)),
        seed_(r.next()) {
    warp_ = r.uniform(0.3, 2.5);
    rings_ = r.uniform(1, 5);
    contrast_ = r.uniform(0.3, 1);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    const double wu = u + warp_ * (fractal_noise(u / 2, v / 2, 3, seed_) - 0.5);
    const double wv = v + warp_ * (fractal_noise(u / 2, v / 2, 3, seed_ + 1) - 0.5);
    double t = 0;
    if (style_ == 0) {  // This style is wood.
      const double fibre = value_noise(u * 6, v / 3, seed_ + 2);
      t = 0.7 * std::pow(fraction(wu * rings_ / 3), 2) + 0.3 * fibre;
    } else if (style_ == 1) {  // This style is leather or skin.
      const auto cell = nearest_cell(wu * 1.5, wv * 1.5, seed_ + 3);
      t = smoothstep(0.22, 0, cell.second - cell.first) + 0.25 * random_of(cell.id, 2);
    } else if (style_ == 2) {  // This style is marble.
      t = std::pow(1 - std::abs(std::sin(kPi * (wu * 0.4 + 2 * fractal_noise(wu / 2, wv / 2, 4, seed_ + 4)))), 2);
    } else {  // This style is fruit or stone: speckles on clouds.
      const auto cell = nearest_cell(u * 2.5, v * 2.5, seed_ + 5);
      t = 0.5 * fractal_noise(wu / 3, wv / 3, 4, seed_ + 6) +
          (random_of(cell.id, 3) < 0.4 ? smoothstep(0.3, 0.12, cell.first) : 0);
    }
    return mix(light_, dark_, std::clamp(contrast_ * t, 0.0, 1.0));
  }

 private:
  std::uint64_t style_;
  Frame frame_;
  Color light_, dark_;
  std::uint64_t seed_;
  double warp_, rings_, contrast_;
};

class Granular : public Material {
 public:
  explicit Granular(Random r)
      : frame_(r, 180, 3, 26), base_(draw_color(r, 0.2)), other_(draw_color(r, 0.05)), seed_(r.next()) {
    variety_ = r.uniform(0, 1);
    gap_ = r.uniform(0.02, 0.3);
    jitter_ = r.uniform(0.3, 1);
    powder_ = r.uniform(0, 0.4);
    is_foam_ = r.uniform() < 0.3;
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    const auto cell = nearest_cell(u, v, seed_, jitter_);
    const double edge = smoothstep(0, gap_, cell.second - cell.first);
    const double dome = std::sqrt(std::max(0.0, 1 - cell.first * cell.first));
    const double shade =
        is_foam_ ? 0.35 + 0.65 * smoothstep(0.2, 0.55, cell.first) : (0.25 + 0.75 * edge) * (0.5 + 0.5 * dome);
    const double grain = 1 + powder_ * (value_noise(x, y, seed_ + 7) - 0.5);
    return mix(base_, other_, variety_ * random_of(cell.id, 4)) * (shade * grain);
  }

 private:
  Frame frame_;
  Color base_, other_;
  std::uint64_t seed_;
  double variety_, gap_, jitter_, powder_;
  bool is_foam_ = false;
};

/// Grids, meshes, perforated sheets, louvres and tiles.
class Lattice : public Material {
 public:
  explicit Lattice(Random r)
      : style_(r.below(5)),
        frame_(r, r.uniform() < 0.6 ? 8 : 180, 6, 48),
        solid_(draw_color(r, 0.2)),
        open_(draw_color(r, 0.02, 0.5)),
        seed_(r.next()) {
    fill_ = r.uniform(0.15, 0.75);
    ratio_ = std::exp(r.uniform(-0.8, 0.8));
    soft_ = r.uniform(0.02, 0.12);
    relief_ = r.uniform(0, 0.5);
    vary_ = r.uniform(0, 0.2);
    is_staggered_ = r.uniform() < 0.4;
  }
  [[nodiscard]] Color at(double x, double y) const override {
    double u = frame_.u(x, y);
    const double v = frame_.v(x, y) * ratio_;
    const auto row = static_cast<std::int64_t>(std::floor(v));
    if (is_staggered_ && row % 2 != 0) u += 0.5;
    const auto column = static_cast<std::int64_t>(std::floor(u));
    const double cx = fraction(u) - 0.5, cy = fraction(v) - 0.5;
    double inside = 0;  // This says how far inside the opening the place is, in cells.
    if (style_ == 0) inside = fill_ / 2 - std::hypot(cx, cy);
    if (style_ == 1) inside = fill_ / 2 - std::max(std::abs(cx), std::abs(cy));
    if (style_ == 2) inside = fill_ / 2 - std::abs(cy);
    if (style_ == 3) inside = fill_ / 2 - (std::abs(cx) + std::abs(cy)) * 0.75;
    if (style_ == 4) inside = fill_ / 2 - std::abs(triangle(u + v) - 0.5);
    const double t = smoothstep(-soft_, soft_, inside);
    const double bevel = relief_ * std::exp(-std::pow(inside / (2 * soft_ + 0.02), 2)) * (cx + cy > 0 ? -1 : 1);
    const double cell = 1 + vary_ * (hash_noise(column, row, seed_) - 0.5);
    const double grain = 1 + 0.1 * (value_noise(x / 1.5, y / 1.5, seed_ + 1) - 0.5);
    return mix(solid_, open_, t) * std::max(0.02, cell * grain * (1 + bevel));
  }

 private:
  std::uint64_t style_;
  Frame frame_;
  Color solid_, open_;
  std::uint64_t seed_;
  double fill_, ratio_, soft_, relief_, vary_;
  bool is_staggered_ = false;
};

/// Circuit boards: traces between pads on a raster, packages with pins, vias, and print.
class Board : public Material {
 public:
  explicit Board(Random r)
      : frame_(r, 4, 7, 20),
        mask_(draw_color(r, 0.05, 0.35)),
        copper_(mix(mask_, draw_color(r, 0.3, 0.8), r.uniform(0.2, 0.9))),
        metal_({0.75, 0.73, 0.68}),
        print_({0.85, 0.86, 0.84}),
        body_(draw_color(r, 0.02, 0.15)),
        seed_(r.next()) {
    dense_ = r.uniform(0.25, 0.8);
    package_ = r.uniform(4, 9);
    parts_ = r.uniform(0.1, 0.55);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    const auto i = static_cast<std::int64_t>(std::floor(u)), j = static_cast<std::int64_t>(std::floor(v));
    const double cx = u - static_cast<double>(i) - 0.5, cy = v - static_cast<double>(j) - 0.5;
    Color color = mask_ * (1 + 0.08 * (value_noise(x / 3, y / 3, seed_) - 0.5));
    // A node of the raster is joined, or not, to its right, lower and diagonal neighbours.
    const auto joined = [&](std::int64_t a, std::int64_t b, std::int64_t direction) {
      return hash_noise(a * 4 + direction, b, seed_ + 1) < dense_ * (direction == 2 ? 0.25 : 0.6);
    };
    const double half = 0.1 + 0.08 * hash_noise(j, 3, seed_ + 2);
    double trace = 1;
    if ((cx > 0 && joined(i, j, 0)) || (cx <= 0 && joined(i - 1, j, 0))) trace = std::min(trace, std::abs(cy));
    if ((cy > 0 && joined(i, j, 1)) || (cy <= 0 && joined(i, j - 1, 1))) trace = std::min(trace, std::abs(cx));
    if ((cx + cy > 0 && joined(i, j, 2)) || (cx + cy <= 0 && joined(i - 1, j - 1, 2)))
      trace = std::min(trace, std::abs(cx - cy) * 0.7071);
    color = mix(copper_, color, smoothstep(half - 0.04, half + 0.04, trace));
    const double kind = hash_noise(i, j, seed_ + 3);
    const double radius = std::hypot(cx, cy);
    if (kind < 0.14) color = mix(metal_, color, smoothstep(0.26, 0.32, radius));
    if (kind < 0.08) color = mix({0.03, 0.03, 0.03}, color, smoothstep(0.11, 0.15, radius));
    // The packages lie on a coarser raster.
    const auto pi = static_cast<std::int64_t>(std::floor(u / package_)),
               pj = static_cast<std::int64_t>(std::floor(v / package_));
    if (hash_noise(pi, pj, seed_ + 4) < parts_) {
      const double px = u - static_cast<double>(pi) * package_ - package_ / 2,
                   py = v - static_cast<double>(pj) * package_ - package_ / 2;
      const double w = package_ * (0.15 + 0.2 * hash_noise(pi, pj, seed_ + 5)),
                   h = package_ * (0.12 + 0.22 * hash_noise(pi, pj, seed_ + 6));
      const bool has_pins = w > 0.22 * package_;
      if (has_pins && std::abs(px) < w && std::abs(py) < h + 0.7 && std::abs(fraction(px * 1.5) - 0.5) < 0.25)
        color = metal_ * (0.8 + 0.3 * fraction(py));
      if (!has_pins && std::abs(px) < w + 0.35 && std::abs(py) < h) color = metal_;
      const double outside = std::max(std::abs(px) - w, std::abs(py) - h);
      if (outside < 0) {
        color = body_ * (1 + 0.6 * smoothstep(-0.15, 0, outside));
        const auto column = static_cast<std::int64_t>(std::floor(px * 2.5));
        if (std::abs(py) < 0.25 * h && std::abs(px) < 0.7 * w &&
            hash_noise(column, static_cast<std::int64_t>(std::floor(py * 5)),
                       seed_ + 7 + static_cast<std::uint64_t>(pi * 31 + pj)) < 0.45)
          color = print_ * 0.7;
      } else if (outside > 0.75 && outside < 0.9) {
        color = mix(color, print_, 0.8);
      }
    }
    return color;
  }

 private:
  Frame frame_;
  Color mask_, copper_, metal_, print_, body_;
  std::uint64_t seed_;
  double dense_, package_, parts_;
};

/// Rigid parts on a background: one large part, or many of a kind, in rows or strewn.
class Parts : public Material {
 public:
  Parts(Random r, int height, int width) : seed_(r.next()) {
    constexpr Surface kGrounds[] = {Surface::machined, Surface::cast, Surface::woven, Surface::granular,
                                    Surface::organic};
    constexpr Surface kBodies[] = {Surface::machined, Surface::cast, Surface::organic, Surface::printed,
                                   Surface::granular};
    ground_ = make_material(kGrounds[r.below(std::size(kGrounds))], r.fork(1), height, width);
    body_ = make_material(kBodies[r.below(std::size(kBodies))], r.fork(2), height, width);
    is_plain_ground_ = r.uniform() < 0.5;
    plain_ = draw_color(r, 0.03, 0.8);
    tint_ = draw_color(r, 0.3, 1);
    bevel_ = r.uniform(1.5, 9);
    shape_ = r.below(5);
    corners_ = 3 + static_cast<int>(r.below(7));
    hole_ = r.uniform() < 0.5 ? r.uniform(0.15, 0.7) : 0;
    satellites_ = r.uniform() < 0.4 ? 3 + static_cast<int>(r.below(6)) : 0;
    for (int i = 0; i < satellites_; ++i) {
      const double a = 2 * kPi * i / satellites_, at = 0.4 + 0.5 * hole_;
      satellite_places_.emplace_back(at * std::cos(a), at * std::sin(a));
    }
    const double light = r.uniform(0, 2 * kPi);
    light_x_ = std::cos(light);
    light_y_ = std::sin(light);
    const double side = std::min(height, width);
    const auto arrangement = r.below(3);
    if (arrangement == 0) {
      const double x = width * r.uniform(0.42, 0.58), y = height * r.uniform(0.42, 0.58);
      const double radius = side * r.uniform(0.25, 0.46);
      parts_.emplace_back(x, y, radius, r.uniform(0, 2 * kPi));
    } else if (arrangement == 1) {
      const double pitch = side * r.uniform(0.18, 0.4), turn = r.uniform(0, 2 * kPi);
      for (double y = pitch * r.uniform(0.3, 0.7); y < height; y += pitch)
        for (double x = pitch * r.uniform(0.45, 0.55); x < width; x += pitch)
          parts_.emplace_back(x, y, pitch * 0.36, turn);
    } else {
      const auto count = 3 + r.below(14);
      for (std::uint64_t i = 0; i < count; ++i) {
        const double x = r.uniform(0, width), y = r.uniform(0, height), radius = side * r.uniform(0.06, 0.2);
        parts_.emplace_back(x, y, radius, r.uniform(0, 2 * kPi));
      }
    }
  }
  [[nodiscard]] Color at(double x, double y) const override {
    // Finds the topmost part here, and how far inside its outline the pixel lies.
    double inside = -1e9, shadow = -1e9;
    const Part* top = nullptr;
    for (const auto& part : parts_) {
      const double reach = part.radius * 1.5 + 12;
      if (std::abs(x - part.x) > reach || std::abs(y - part.y) > reach) continue;
      const double d = depth(part, x, y);
      if (d > 0 || d > inside) {
        inside = d;
        top = &part;
      }
      shadow = std::max(shadow, depth(part, x + 5 * light_x_, y + 5 * light_y_));
    }
    const double cover = smoothstep(-0.7, 0.7, inside);
    Color color = is_plain_ground_ ? plain_ : ground_->at(x, y);
    color = color * (1 - 0.45 * smoothstep(-4, 4, shadow));
    if (cover <= 0) return color;
    const double rim = smoothstep(bevel_, 0, inside);
    double shade = 1;
    if (rim > 0 && top != nullptr)
      shade += 0.7 * rim * ((depth(*top, x + 1, y) - inside) * light_x_ + (depth(*top, x, y + 1) - inside) * light_y_);
    const Color texture = body_->at(x, y);
    const Color body{texture.r * tint_.r, texture.g * tint_.g, texture.b * tint_.b};
    return mix(color, body * std::max(0.05, shade), cover);
  }

 private:
  struct Part {
    Part(double at_x, double at_y, double r, double turn)
        : x(at_x), y(at_y), radius(r), cosine(std::cos(turn)), sine(std::sin(turn)) {}
    double x, y, radius, cosine, sine;
  };
  /// Returns the signed distance to the outline, positive inside.
  [[nodiscard]] double depth(const Part& p, double x, double y) const {
    const double u = p.cosine * (x - p.x) + p.sine * (y - p.y), v = p.cosine * (y - p.y) - p.sine * (x - p.x);
    const double distance = std::sqrt(u * u + v * v);
    const double angle = shape_ == 2 || shape_ == 3 ? std::atan2(v, u) : 0;
    double d = p.radius - distance;
    if (shape_ == 1) {  // This shape is a rounded rectangle.
      const double a = std::abs(u) - p.radius * 0.75, b = std::abs(v) - p.radius * 0.5, round = p.radius * 0.2;
      d = round - std::hypot(std::max(a, 0.0), std::max(b, 0.0)) - std::min(std::max(a, b), 0.0);
    } else if (shape_ == 2) {  // This shape is a regular polygon.
      const double sector = 2 * kPi / corners_;
      d = p.radius * std::cos(sector / 2) - distance * std::cos(std::remainder(angle, sector));
    } else if (shape_ == 3) {  // This shape is a gear.
      d += 0.1 * p.radius * std::clamp(3 * std::sin(angle * corners_ * 3), -1.0, 1.0);
    } else if (shape_ == 4) {  // This shape is a capsule.
      d = p.radius * 0.4 - std::hypot(std::max(std::abs(u) - p.radius * 0.6, 0.0), v);
    }
    if (hole_ > 0) d = std::min(d, distance - hole_ * p.radius * 0.8);
    for (int i = 0; i < satellites_; ++i) {
      const auto [to_x, to_y] = satellite_places_[static_cast<std::size_t>(i)];
      const double du = u - p.radius * to_x, dv = v - p.radius * to_y;
      d = std::min(d, std::sqrt(du * du + dv * dv) - p.radius * 0.09);
    }
    return d;
  }

  std::uint64_t seed_;
  std::unique_ptr<Material> ground_, body_;
  bool is_plain_ground_ = false;
  Color plain_{}, tint_{};
  double bevel_, hole_, light_x_, light_y_;
  std::uint64_t shape_;
  int corners_, satellites_;
  std::vector<std::pair<double, double>> satellite_places_;  // in radii of the part
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Material> make_material(Surface surface, Random random, int height, int width) {
  switch (surface) {
    case Surface::machined:
      return std::make_unique<Machined>(random);
    case Surface::cast:
      return std::make_unique<Cast>(random);
    case Surface::woven:
      return std::make_unique<Woven>(random);
    case Surface::printed:
      return std::make_unique<Printed>(random);
    case Surface::organic:
      return std::make_unique<Organic>(random);
    case Surface::granular:
      return std::make_unique<Granular>(random);
    case Surface::lattice:
      return std::make_unique<Lattice>(random);
    case Surface::board:
      return std::make_unique<Board>(random);
    case Surface::parts:
      return std::make_unique<Parts>(random, height, width);
    case Surface::matte:
    case Surface::crystalline:
    case Surface::rings:
    case Surface::strands:
    case Surface::glossy:
    case Surface::leaves:
    case Surface::mixed:
      return make_further_material(surface, random, height, width);
  }
  return nullptr;
}

}  // namespace vedette::render
