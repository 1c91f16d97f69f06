#include "vision/render/products/canvas.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "vision/render/noise.hpp"

namespace vedette::products {
namespace {

using render::hash_noise;

constexpr std::size_t kCurveSteps = 4096;
constexpr float kAmbient = 0.45F;  // the share of the light that comes from everywhere

/// Returns the display values, times 255, of linear light in equal steps.
const std::array<float, kCurveSteps + 1>& display_curve() {
  static const auto curve = [] {
    std::array<float, kCurveSteps + 1> out{};
    for (std::size_t i = 0; i <= kCurveSteps; ++i)
      out[i] = static_cast<float>(255 * std::pow(static_cast<double>(i) / kCurveSteps, 1 / 2.2));
    return out;
  }();
  return curve;
}

/// Blurs one plane with five taps along both axes.
void blur(std::vector<float>& plane, int height, int width, double sigma) {
  const auto near = static_cast<float>(std::exp(-0.5 / (sigma * sigma))),
             far = static_cast<float>(std::exp(-2 / (sigma * sigma)));
  const float unit = 1 / (1 + 2 * near + 2 * far);
  const auto w = static_cast<std::size_t>(width);
  std::vector<float> line(w + 4);
  for (int y = 0; y < height; ++y) {
    float* row = plane.data() + static_cast<std::size_t>(y) * w;
    std::copy(row, row + w, line.begin() + 2);
    line[0] = line[1] = row[0];
    line[w + 2] = line[w + 3] = row[w - 1];
    for (std::size_t x = 0; x < w; ++x)
      row[x] = unit * (line[x + 2] + near * (line[x + 1] + line[x + 3]) + far * (line[x] + line[x + 4]));
  }
  const std::vector<float> rows = plane;
  const auto row = [&](int y) { return rows.data() + static_cast<std::size_t>(std::clamp(y, 0, height - 1)) * w; };
  for (int y = 0; y < height; ++y) {
    const float *a = row(y - 2), *b = row(y - 1), *c = row(y), *d = row(y + 1), *e = row(y + 2);
    float* out = plane.data() + static_cast<std::size_t>(y) * w;
    for (std::size_t x = 0; x < w; ++x) out[x] = unit * (c[x] + near * (b[x] + d[x]) + far * (a[x] + e[x]));
  }
}

}  // namespace

Conditions::Conditions(Random random, std::uint64_t batch) {
  // The first batch is as everything was set up; later ones are drawn around it.
  Random b(batch * 7919 + 5);
  const auto batch_draw = [&](double range) {
    const double drawn = b.uniform(-1, 1);
    return batch == 0 ? 0.0 : range * (drawn + (drawn < 0 ? -0.5 : 0.5)) / 1.5;
  };
  const auto varied = [&](double range, double batch_range) {
    return random.uniform(-range, range) + batch_draw(batch_range);
  };
  shift_x = varied(4, 7);
  shift_y = varied(4, 7);
  turn = varied(0.012, 0.015);
  const double azimuth = -2.2 + varied(0.06, 0.7);
  light_x = std::cos(azimuth);
  light_y = std::sin(azimuth);
  light_z = 1.15 + varied(0.04, 0.3);
  exposure = std::exp(varied(0.07, 0.25));
  warmth = varied(0.012, 0.05);
  fall_x = varied(0.07, 0.1);
  fall_y = varied(0.07, 0.1);
  vignette = 0.16 + varied(0.03, 0);
  tint.r = static_cast<float>(1 + varied(0.012, 0.06));
  tint.g = static_cast<float>(1 + varied(0.012, 0.06));
  tint.b = static_cast<float>(1 + varied(0.012, 0.06));
  roughness = std::exp(varied(0.08, 0.35));
  blur = 0.62 + varied(0.12, 0.12);
  noise = 0.011 + varied(0.0015, 0.004);
  noise_seed = random.next();
}

RgbImage photograph(const Canvas& canvas, const Conditions& c) {
  const int height = canvas.height, width = canvas.width;
  const auto pixels = canvas.values.size();
  std::array<std::vector<float>, 3> light;
  for (auto& plane : light) plane.resize(pixels);
  const double length = std::sqrt(1 + c.light_z * c.light_z), half = std::hypot(1, c.light_z + length);
  const auto lx = static_cast<float>(c.light_x), ly = static_cast<float>(c.light_y), lz = static_cast<float>(c.light_z);
  // The camera looks from above: the mirror direction lies half-way between its axis and the lamp.
  const auto hx = static_cast<float>(c.light_x / half), hy = static_cast<float>(c.light_y / half),
             hz = static_cast<float>((c.light_z + length) / half);
  const Color lamp{static_cast<float>((1 + c.warmth) * c.exposure), static_cast<float>(c.exposure),
                   static_cast<float>((1 - c.warmth) * c.exposure)};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const Texel& t = canvas.at(y, x);
      const float dx =
          0.5F * (canvas.at(y, std::min(x + 1, width - 1)).relief - canvas.at(y, std::max(x - 1, 0)).relief);
      const float dy =
          0.5F * (canvas.at(std::min(y + 1, height - 1), x).relief - canvas.at(std::max(y - 1, 0), x).relief);
      const float scale = 1 / std::sqrt(1 + dx * dx + dy * dy);
      const float lambert = std::max(0.0F, (lz - dx * lx - dy * ly) * scale / lz);
      float mirror = std::max(0.0F, (hz - dx * hx - dy * hy) * scale);
      for (int k = 0; k < 5; ++k) mirror *= mirror;  // the 32nd power (Blinn, SIGGRAPH 1977)
      const double u = static_cast<double>(x) / width - 0.5, v = static_cast<double>(y) / height - 0.5;
      const auto field = static_cast<float>((1 + c.fall_x * u + c.fall_y * v) * (1 - 2 * c.vignette * (u * u + v * v)));
      const float scattered = (kAmbient + (1 - kAmbient) * lambert) * field, mirrored = 0.7F * t.gloss * mirror * field;
      const auto i = static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
      light[0][i] = lamp.r * (t.albedo.r * scattered + mirrored);
      light[1][i] = lamp.g * (t.albedo.g * scattered + mirrored);
      light[2][i] = lamp.b * (t.albedo.b * scattered + mirrored);
    }
  for (auto& plane : light) blur(plane, height, width, c.blur);
  RgbImage image{height, width, std::vector<std::uint8_t>(3 * pixels)};
  const auto& curve = display_curve();
  const auto noise = static_cast<float>(255 * 2.4 * c.noise);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const auto i = static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
      for (std::size_t k = 0; k < 3; ++k) {
        const float linear = std::clamp(light[k][i], 0.0F, 1.0F);
        // The sum of two uniform numbers is normal enough.
        const auto salt = c.noise_seed + 2 * k;
        const auto grain = static_cast<float>(hash_noise(x, y, salt) + hash_noise(x, y, salt + 1) - 1);
        const float value = curve[static_cast<std::size_t>(linear * kCurveSteps)] + noise * grain;
        image.pixels[3 * i + k] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
      }
    }
  return image;
}

void mark_changes(Canvas& damaged, const Canvas& good) {
  for (std::size_t i = 0; i < damaged.values.size(); ++i) {
    auto& d = damaged.values[i];
    const auto& g = good.values[i];
    const float color = std::max(
        {std::abs(d.albedo.r - g.albedo.r), std::abs(d.albedo.g - g.albedo.g), std::abs(d.albedo.b - g.albedo.b)});
    if (color > 0.006F || std::abs(d.relief - g.relief) > 0.08F || std::abs(d.gloss - g.gloss) > 0.05F) d.damage = 1;
  }
}

}  // namespace vedette::products
