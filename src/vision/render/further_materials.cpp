#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "vision/render/material_tools.hpp"
#include "vision/render/materials.hpp"
#include "vision/render/noise.hpp"

namespace vedette::render {
namespace {

/// Nearly uniform surfaces whose grain is about as strong as faint damage: ground or sprayed metal, paper, rubber.
class Matte : public Material {
 public:
  explicit Matte(Random r) : frame_(r, 180, 0.8, 4), base_(draw_color(r, 0.08, 0.7)), seed_(r.next()) {
    grain_ = std::exp(r.uniform(std::log(0.03), std::log(0.5)));
    stretch_ = r.uniform() < 0.5 ? 1 : std::exp(r.uniform(0, 2));
    cloud_ = r.uniform(0, 0.3);
    cloud_size_ = r.uniform(20, 120);
    speckle_ = r.uniform() < 0.4 ? r.uniform(0.01, 0.12) : 0;
    speckle_depth_ = r.uniform(-0.6, 0.5);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    double shade = 1 + grain_ * (value_noise(u / stretch_, v, seed_) + value_noise(u * 0.4, v * 0.4, seed_ + 1) - 1);
    shade += cloud_ * (value_noise(x / cloud_size_, y / cloud_size_, seed_ + 2) - 0.5);
    if (speckle_ > 0) {
      const double wide = u / 3, high = v / 3;
      const auto i = static_cast<std::int64_t>(std::floor(wide)), j = static_cast<std::int64_t>(std::floor(high));
      if (hash_noise(i, j, seed_ + 3) < speckle_) {
        const double dx = fraction(wide) - 0.5, dy = fraction(high) - 0.5;
        shade += speckle_depth_ * smoothstep(0.5, 0.2, std::sqrt(dx * dx + dy * dy));
      }
    }
    return base_ * std::max(0.02, shade);
  }

 private:
  Frame frame_;
  Color base_;
  std::uint64_t seed_;
  double grain_, stretch_, cloud_, cloud_size_, speckle_, speckle_depth_;
};

/// Grains with edges, as in zinc, stone or silicon, and on some of them a grid of fine lines.
class Crystalline : public Material {
 public:
  explicit Crystalline(Random r)
      : frame_(r, 180, 7, 45),
        grid_(r, r.uniform() < 0.7 ? 4 : 180, 1, 1.001),
        base_(draw_color(r, 0.08, 0.7)),
        line_(draw_color(r, 0.02, 0.95)),
        seed_(r.next()) {
    variety_ = std::exp(r.uniform(std::log(0.05), std::log(0.9)));
    seam_ = r.uniform() < 0.4 ? r.uniform(-0.5, 0.5) : 0;
    ridges_ = r.uniform() < 0.3 ? r.uniform(0.05, 0.25) : 0;
    ridge_pitch_ = r.uniform(2.5, 8);
    fine_ = r.uniform() < 0.6 ? r.uniform(4, 14) : 0;
    coarse_ = r.uniform() < 0.6 ? r.uniform(25, 110) : 0;
    line_width_ = r.uniform(0.4, 2.5);
    line_share_ = r.uniform(0.2, 1);
    cloud_ = r.uniform(0, 0.5);
    grain_ = r.uniform(0, 0.15);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double wobble = 0.35 * (value_noise(x / 5, y / 5, seed_ + 1) - 0.5);
    const auto cell = nearest_cell(frame_.u(x, y) + wobble, frame_.v(x, y) - wobble, seed_);
    double shade = 1 + variety_ * (random_of(cell.id, 1) - 0.5);
    if (seam_ != 0) shade += seam_ * smoothstep(0.12, 0, cell.second - cell.first);
    if (ridges_ > 0) {
      const double angle = kPi * random_of(cell.id, 2);
      shade += ridges_ * std::sin(2 * kPi * (x * std::cos(angle) + y * std::sin(angle)) / ridge_pitch_);
    }
    shade += cloud_ * (value_noise(x / 45, y / 45, seed_ + 2) - 0.5) +
             grain_ * (hash_noise(static_cast<std::int64_t>(x), static_cast<std::int64_t>(y), seed_ + 3) - 0.5);
    const double u = grid_.u(x, y), v = grid_.v(x, y);
    double line = 0;
    if (fine_ > 0) line = 0.6 * line_at(u, fine_, 0.45);
    if (coarse_ > 0) line = std::max({line, line_at(v, coarse_, line_width_), line_at(u, coarse_ * 1.7, line_width_)});
    return mix(base_ * std::max(0.02, shade), line_, line_share_ * line);
  }

 private:
  static double line_at(double along, double pitch, double half) {
    const double d = std::abs(fraction(along / pitch) - 0.5) * pitch;
    return smoothstep(half + 0.5, half - 0.5, d);
  }
  Frame frame_, grid_;
  Color base_, line_;
  std::uint64_t seed_;
  double variety_, seam_, ridges_, ridge_pitch_, fine_, coarse_, line_width_, line_share_, cloud_, grain_;
};

/// Things that are round about an axis: rims, seals, bearings and cut cables, with marks at even angles.
class Rings : public Material {
 public:
  Rings(Random r, int height, int width)
      : inner_(draw_color(r, 0.05)), outer_(draw_color(r, 0.05)), ground_(draw_color(r, 0.02, 0.8)), seed_(r.next()) {
    centre_x_ = width * r.uniform(-0.3, 1.3);
    centre_y_ = height * r.uniform(-0.3, 1.3);
    flat_ = std::exp(r.uniform(-0.3, 0.3));
    pitch_ = std::exp(r.uniform(std::log(4.0), std::log(40.0)));
    variety_ = r.uniform(0.1, 1);
    fine_ = r.uniform(0, 0.4);
    marks_ = r.uniform() < 0.5 ? static_cast<double>(6 + r.below(60)) : 0;
    mark_depth_ = r.uniform(0.1, 0.6);
    gloss_ = r.uniform(0, 0.6);
    gloss_turn_ = r.uniform(0, 2 * kPi);
    grain_ = r.uniform(0, 0.2);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double dx = x - centre_x_, dy = (y - centre_y_) * flat_;
    const double radius = std::sqrt(dx * dx + dy * dy), angle = std::atan2(dy, dx);
    const double place = radius / pitch_ + 0.04 * value_noise(x / 25, y / 25, seed_);
    const auto ring = static_cast<std::int64_t>(std::floor(place));
    const double kind = hash_noise(ring, 0, seed_ + 1), across = place - static_cast<double>(ring);
    double shade = 1 + variety_ * (hash_noise(ring, 1, seed_ + 1) - 0.5);
    if (kind < 0.5) shade *= 0.55 + 0.45 * std::sin(kPi * across);  // This ring is rounded, others are flat.
    shade += fine_ * (value_noise(radius / 1.2, 0, seed_ + 2) - 0.5);
    shade += gloss_ * std::pow(std::abs(std::cos(angle - gloss_turn_ + kind)), 6) - 0.3 * gloss_;
    if (marks_ > 0 && kind > 0.6 && std::abs(across - 0.5) < 0.3)
      shade *= 1 - mark_depth_ * smoothstep(0.1, 0.25, std::abs(fraction(angle * marks_ / (2 * kPi)) - 0.5));
    shade += grain_ * (value_noise(x, y, seed_ + 3) - 0.5);
    const Color color = kind < 0.15 ? ground_ : mix(inner_, outer_, hash_noise(ring, 2, seed_ + 1));
    return color * std::max(0.02, shade);
  }

 private:
  Color inner_, outer_, ground_;
  std::uint64_t seed_;
  double centre_x_, centre_y_, flat_, pitch_, variety_, fine_, marks_, mark_depth_, gloss_, gloss_turn_, grain_;
};

/// Long round things beside and above each other: wires, ropes, hair, straw, felt.
class Strands : public Material {
 public:
  explicit Strands(Random r) : ground_(draw_color(r, 0.02, 0.4)), seed_(r.next()) {
    const double turn = r.uniform(0, 180), spread = r.uniform() < 0.5 ? r.uniform(0, 12) : 90;
    const double size = std::exp(r.uniform(std::log(2.5), std::log(18.0)));
    const Color one = draw_color(r, 0.15), other = r.uniform() < 0.5 ? one : draw_color(r, 0.1);
    for (auto& layer : layers_) {
      const double angle = (turn + r.uniform(-spread, spread)) * kPi / 180, scale = 1 / (size * r.uniform(0.7, 1.3));
      layer = {std::cos(angle) * scale, std::sin(angle) * scale, r.uniform(0, 500), mix(one, other, r.uniform())};
    }
    bend_ = r.uniform(0, 3);
    dense_ = r.uniform(0.25, 1);
    variety_ = r.uniform(0, 0.5);
    twist_ = r.uniform() < 0.4 ? r.uniform(0.1, 0.4) : 0;
  }
  [[nodiscard]] Color at(double x, double y) const override {
    double highest = 0;
    Color color = ground_;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const auto& layer = layers_[l];
      const double u = layer.cosine * x + layer.sine * y,
                   v = layer.cosine * y - layer.sine * x + layer.shift +
                       bend_ * value_noise(u / 8, static_cast<double>(l), seed_ + l);
      const auto strand = static_cast<std::int64_t>(std::floor(v));
      const double lot = hash_noise(strand, static_cast<std::int64_t>(l), seed_ + 9);
      if (lot > dense_) continue;
      const double across = 2 * (v - static_cast<double>(strand)) - 1;
      const double round = std::sqrt(std::max(0.0, 1 - across * across));
      const double height = round * (0.4 + 0.6 * hash_noise(strand, 7, seed_ + l));
      if (height <= highest) continue;
      highest = height;
      double shade = (0.25 + 0.75 * round) * (1 + variety_ * (lot / dense_ - 0.5));
      if (twist_ > 0) shade *= 1 + twist_ * std::sin(2 * kPi * (u + 0.4 * across));
      color = layer.color * std::max(0.02, shade);
    }
    return color;
  }

 private:
  struct Layer {
    double cosine, sine, shift;
    Color color;
  };
  Color ground_;
  std::uint64_t seed_;
  std::array<Layer, 3> layers_;
  double bend_, dense_, variety_, twist_;
};

/// Smooth reliefs that shine: moulded plastic, lacquer, wet or polished things.
class Glossy : public Material {
 public:
  explicit Glossy(Random r) : frame_(r, 180, 12, 70), base_(draw_color(r, 0.03, 0.7)), seed_(r.next()) {
    relief_ = r.uniform(0.3, 2.5);
    octaves_ = 1 + static_cast<int>(r.below(3));
    shine_ = r.uniform(0.1, 0.9);
    power_ = std::exp(r.uniform(std::log(4.0), std::log(60.0)));
    const double turn = r.uniform(0, 2 * kPi), tilt = r.uniform(0.2, 0.9);
    light_x_ = std::cos(turn) * std::sin(tilt);
    light_y_ = std::sin(turn) * std::sin(tilt);
    light_z_ = std::cos(tilt);
    grain_ = r.uniform(0, 0.06);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y), step = 0.08;
    const double here = fractal_noise(u, v, octaves_, seed_);
    const double nx = relief_ * (here - fractal_noise(u + step, v, octaves_, seed_)) / step;
    const double ny = relief_ * (here - fractal_noise(u, v + step, octaves_, seed_)) / step;
    const double facing = (nx * light_x_ + ny * light_y_ + light_z_) / std::sqrt(nx * nx + ny * ny + 1);
    const double light = std::max(0.0, facing), spot = shine_ * std::pow(light, power_);
    const double grain =
        1 + grain_ * (hash_noise(static_cast<std::int64_t>(x), static_cast<std::int64_t>(y), seed_ + 5) - 0.5);
    return base_ * (grain * (0.25 + 0.75 * light)) + Color{spot, spot, spot};
  }

 private:
  Frame frame_;
  Color base_;
  std::uint64_t seed_;
  double relief_, shine_, power_, light_x_, light_y_, light_z_, grain_;
  int octaves_;
};

/// Shapes of all sizes on top of each other, each with a texture of its own: dead leaves (Lee, Mumford & Huang, IJCV
/// 2001), whose statistics are those of photographs.
class Leaves : public Material {
 public:
  Leaves(Random r, int height, int width) : ground_(draw_color(r)), seed_(r.next()) {
    const auto count = 20 + r.below(100);
    const double smallest = r.uniform(3, 8), side = std::min(height, width);
    const auto shapes = r.uniform() < 0.5 ? r.below(3) : 3;  // 3: all shapes
    const double turn = r.uniform() < 0.5 ? 0 : kPi;
    const bool is_textured = r.uniform() < 0.7;
    for (std::uint64_t i = 0; i < count; ++i) {
      Leaf leaf;
      leaf.x = r.uniform(0, width);
      leaf.y = r.uniform(0, height);
      // The density of radii falls with their third power.
      const double share = 1 - r.uniform() * (1 - std::pow(smallest / (0.4 * side), 2));
      leaf.radius = smallest / std::sqrt(share);
      const double angle = r.uniform(-turn, turn);
      leaf.cosine = std::cos(angle) / leaf.radius;
      leaf.sine = std::sin(angle) / leaf.radius;
      leaf.aspect = std::exp(r.uniform(0, 1.2));
      leaf.shape = shapes < 3 ? shapes : r.below(3);
      leaf.color = draw_color(r);
      leaf.texture = is_textured ? r.below(4) : 0;
      leaf.pitch = r.uniform(2, 12);
      leaf.depth = r.uniform(0.05, 0.5);
      leaves_.push_back(leaf);
    }
  }
  [[nodiscard]] Color at(double x, double y) const override {
    for (const auto& leaf : leaves_) {
      const double dx = x - leaf.x, dy = y - leaf.y;
      const double u = leaf.cosine * dx + leaf.sine * dy, v = (leaf.cosine * dy - leaf.sine * dx) * leaf.aspect;
      const double edge = leaf.shape == 0   ? 1 - (u * u + v * v)
                          : leaf.shape == 1 ? 1 - std::max(std::abs(u), std::abs(v))
                                            : 1 - (std::abs(u) + std::abs(v));
      if (edge <= 0) continue;
      double shade = 1;
      if (leaf.texture == 1) shade += leaf.depth * std::sin(2 * kPi * u * leaf.radius / leaf.pitch);
      if (leaf.texture == 2)
        shade += leaf.depth * 2 * (value_noise(dx / leaf.pitch * 2, dy / leaf.pitch * 2, seed_) - 0.5);
      if (leaf.texture == 3) shade *= 0.6 + 0.4 * std::sqrt(std::min(1.0, edge));
      return leaf.color * shade;
    }
    return ground_ * (0.9 + 0.2 * value_noise(x / 4, y / 4, seed_ + 1));
  }

 private:
  struct Leaf {
    double x, y, radius, cosine, sine, aspect, pitch, depth;
    std::uint64_t shape, texture;
    Color color;
  };
  Color ground_;
  std::uint64_t seed_;
  std::vector<Leaf> leaves_;  // the topmost first
};

/// Two surfaces beside each other: coatings, inlays, stripes, labels, seams.
class Mixed : public Material {
 public:
  Mixed(Random r, int height, int width) : frame_(r, r.uniform() < 0.5 ? 6 : 180, 1, 1.001), seed_(r.next()) {
    constexpr std::array kKinds = {Surface::machined, Surface::cast,        Surface::woven,   Surface::printed,
                                   Surface::organic,  Surface::granular,    Surface::lattice, Surface::matte,
                                   Surface::matte,    Surface::crystalline, Surface::strands, Surface::glossy};
    first_ = make_material(kKinds[r.below(kKinds.size())], r.fork(1), height, width);
    second_ = make_material(kKinds[r.below(kKinds.size())], r.fork(2), height, width);
    style_ = r.below(4);
    size_ = std::exp(r.uniform(std::log(18.0), std::log(90.0)));
    share_ = r.uniform(0.25, 0.75);
    soft_ = r.uniform(0.4, 2.5);
    rim_ = r.uniform() < 0.5 ? r.uniform(-0.6, 0.6) : 0;
    rim_width_ = r.uniform(1, 4);
    centre_x_ = width * r.uniform(0.3, 0.7);
    centre_y_ = height * r.uniform(0.3, 0.7);
  }
  [[nodiscard]] Color at(double x, double y) const override {
    const double u = frame_.u(x, y), v = frame_.v(x, y);
    double inside = 0;  // This says how many pixels the place is inside the second surface.
    if (style_ == 0) {  // Two halves.
      inside = frame_.cosine * (x - centre_x_) + frame_.sine * (y - centre_y_) + 3 * value_noise(u / 20, v / 20, seed_);
    } else if (style_ == 1) {  // Stripes.
      inside = (share_ / 2 - std::abs(fraction(u / size_) - 0.5)) * size_;
    } else if (style_ == 2) {  // Islands.
      inside = (fractal_noise(u / size_, v / size_, 2, seed_) - 0.5) * size_ * 1.5;
    } else {  // Fields in rows.
      inside =
          std::min(share_ / 2 - std::abs(fraction(u / size_) - 0.5), share_ / 2 - std::abs(fraction(v / size_) - 0.5)) *
          size_;
    }
    const double t = smoothstep(-soft_, soft_, inside);
    const Color color = t <= 0   ? first_->at(x, y)
                        : t >= 1 ? second_->at(x, y)
                                 : mix(first_->at(x, y), second_->at(x, y), t);
    if (rim_ == 0 || std::abs(inside) > 2 * rim_width_) return color;
    return color * (1 + rim_ * smoothstep(rim_width_, 0, std::abs(inside)));
  }

 private:
  Frame frame_;
  std::uint64_t seed_, style_;
  std::unique_ptr<Material> first_, second_;
  double size_, share_, soft_, rim_, rim_width_, centre_x_, centre_y_;
};

}  // namespace

std::unique_ptr<Material> make_further_material(Surface surface, Random random, int height, int width) {
  switch (surface) {
    case Surface::matte:
      return std::make_unique<Matte>(random);
    case Surface::crystalline:
      return std::make_unique<Crystalline>(random);
    case Surface::rings:
      return std::make_unique<Rings>(random, height, width);
    case Surface::strands:
      return std::make_unique<Strands>(random);
    case Surface::glossy:
      return std::make_unique<Glossy>(random);
    case Surface::leaves:
      return std::make_unique<Leaves>(random, height, width);
    case Surface::mixed:
      return std::make_unique<Mixed>(random, height, width);
    default:
      return nullptr;
  }
}

}  // namespace vedette::render
