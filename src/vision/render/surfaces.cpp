#include "vision/render/surfaces.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "vision/render/materials.hpp"
#include "vision/render/noise.hpp"

namespace vedette::render {
namespace {

/// What camera and lamps do to linear light.
class Camera {
 public:
  Camera(Random r, int height, int width) : seed_(r.next()) {
    exposure_ = std::exp(r.uniform(-0.35, 0.35));
    gradient_x_ = r.uniform(-0.5, 0.5) / width;
    gradient_y_ = r.uniform(-0.5, 0.5) / height;
    vignette_ = r.uniform(0, 0.4) / (0.25 * (height * height + width * width));
    cloud_ = r.uniform() < 0.4 ? r.uniform(0.1, 0.5) : 0;
    cloud_size_ = r.uniform(0.4, 1.2) * std::min(height, width);
    noise_ = r.uniform(0, 0.018);
    blur_ = r.uniform() < 0.6 ? r.uniform(0.3, 1.0) : 0;
    centre_x_ = width / 2.0;
    centre_y_ = height / 2.0;
  }
  [[nodiscard]] double light(double x, double y) const {
    const double dx = x - centre_x_, dy = y - centre_y_;
    double light = exposure_ * (1 + gradient_x_ * dx + gradient_y_ * dy) * (1 - vignette_ * (dx * dx + dy * dy));
    if (cloud_ > 0) light *= 1 + cloud_ * (value_noise(x / cloud_size_, y / cloud_size_, seed_) - 0.5);
    return light;
  }
  [[nodiscard]] double blur() const { return blur_; }
  /// Returns the display value of linear light, with a sensor's noise.
  [[nodiscard]] std::uint8_t develop(double linear, int x, int y, int channel) const {
    const auto salt = seed_ + 11 + static_cast<std::uint64_t>(channel) * 2;
    // The sum of two uniform numbers is normal enough.
    const double noise = hash_noise(x, y, salt) + hash_noise(x, y, salt + 1) - 1;
    const double value = std::pow(std::clamp(linear, 0.0, 1.0), 1 / 2.2) + 2.4 * noise_ * noise;
    return static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
  }

 private:
  std::uint64_t seed_;
  double exposure_, gradient_x_, gradient_y_, vignette_, cloud_, cloud_size_, noise_, blur_, centre_x_, centre_y_;
};

/// Blurs with three taps along one axis, in place.
void blur_line(std::vector<float>& line, float side) {
  float before = line.front();
  for (std::size_t i = 0; i < line.size(); ++i) {
    const float here = line[i], after = i + 1 < line.size() ? line[i + 1] : here;
    line[i] = here * (1 - 2 * side) + side * (before + after);
    before = here;
  }
}

void blur(Planes& planes, double sigma) {
  // Each pass adds a variance of 2·side, and side is at most a third.
  const int passes = 1 + static_cast<int>(sigma * sigma / 0.6);
  const auto side = static_cast<float>(sigma * sigma / 2 / passes);
  const auto h = static_cast<std::size_t>(planes.height), w = static_cast<std::size_t>(planes.width);
  std::vector<float> line;
  for (int pass = 0; pass < passes; ++pass)
    for (std::size_t c = 0; c < 3; ++c) {
      float* plane = planes.values.data() + c * h * w;
      for (std::size_t y = 0; y < h; ++y) {
        line.assign(plane + y * w, plane + (y + 1) * w);
        blur_line(line, side);
        std::copy(line.begin(), line.end(), plane + y * w);
      }
      line.resize(h);
      for (std::size_t x = 0; x < w; ++x) {
        for (std::size_t y = 0; y < h; ++y) line[y] = plane[y * w + x];
        blur_line(line, side);
        for (std::size_t y = 0; y < h; ++y) plane[y * w + x] = line[y];
      }
    }
}

}  // namespace

RgbImage render_surface(Surface surface, std::uint64_t seed, int height, int width) {
  const Random random(seed ^ (static_cast<std::uint64_t>(surface) << 56));
  const auto material = make_material(surface, random.fork(1), height, width);
  const Camera camera(random.fork(2), height, width);
  const auto plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  Planes linear{3, height, width, std::vector<float>(3 * plane)};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const Color color = material->at(x, y) * camera.light(x, y);
      const auto i = static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
      linear.values[i] = static_cast<float>(color.r);
      linear.values[plane + i] = static_cast<float>(color.g);
      linear.values[2 * plane + i] = static_cast<float>(color.b);
    }
  if (camera.blur() > 0) blur(linear, camera.blur());
  RgbImage image{height, width, std::vector<std::uint8_t>(3 * plane)};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.at(y, x)[c] = camera.develop(
            linear.values[static_cast<std::size_t>(c) * plane +
                          static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)],
            x, y, c);
  return image;
}

RgbImage render_surface(std::uint64_t seed, int height, int width) {
  return render_surface(kSurfaces[Random(seed).below(kSurfaces.size())], seed, height, width);
}

}  // namespace vedette::render
