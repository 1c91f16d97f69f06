#include "vision/infer/registration.hpp"

#include <algorithm>
#include <cmath>

namespace vedette {
namespace {

constexpr double kCoarseAngleStep = 0.026;  // 1.5°

/// q → M (q − centre) + centre + shift, by bilinear interpolation.
void warp(const float* in, float* out, int channels, int height, int width, double cosine, double sine, double dy,
          double dx) {
  const double cy = 0.5 * (height - 1), cx = 0.5 * (width - 1);
  const std::size_t plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
#pragma omp parallel for
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double sy = std::clamp(sine * (x - cx) + cosine * (y - cy) + cy + dy, 0.0, height - 1.0);
      const double sx = std::clamp(cosine * (x - cx) - sine * (y - cy) + cx + dx, 0.0, width - 1.0);
      const int y0 = std::min(static_cast<int>(sy), height - 2), x0 = std::min(static_cast<int>(sx), width - 2);
      const auto v = static_cast<float>(sy - y0), u = static_cast<float>(sx - x0);
      for (int c = 0; c < channels; ++c) {
        const float* p = in + static_cast<std::size_t>(c) * plane +
                         static_cast<std::size_t>(y0) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x0);
        const float top = p[0] + u * (p[1] - p[0]), bottom = p[width] + u * (p[width + 1] - p[width]);
        out[static_cast<std::size_t>(c) * plane + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
            static_cast<std::size_t>(x)] = top + v * (bottom - top);
      }
    }
}

int margin_of(const Grid<float>& map) {
  return static_cast<int>(std::ceil(kLargestShift * std::min(map.height, map.width)));
}

struct Correlation {
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  void add(double x, double y) { n += 1, a += x, b += y, aa += x * x, bb += y * y, ab += x * y; }
  [[nodiscard]] double value() const {
    const double va = aa - a * a / n, vb = bb - b * b / n;
    return va > 1e-9 && vb > 1e-9 ? (ab - a * b / n) / std::sqrt(va * vb) : 0.0;
  }
};

Grid<float> halve(const Grid<float>& map) {
  return resize_map(map, map.height / 2, map.width / 2);
}

}  // namespace

Grid<float> registration_map(const Planes& image, int reduction) {
  Grid<float> luminance(image.height, image.width);
  const std::size_t plane = luminance.values.size();
  for (std::size_t i = 0; i < plane; ++i)
    luminance.values[i] =
        0.299F * image.values[i] + 0.587F * image.values[plane + i] + 0.114F * image.values[2 * plane + i];
  return resize_map(luminance, image.height / reduction, image.width / reduction);
}

double registration_score(const Grid<float>& reference, const Grid<float>& picture, const RigidTransform& t) {
  const int margin = margin_of(reference);
  const double cosine = std::cos(t.angle), sine = std::sin(t.angle);
  const double cy = 0.5 * (picture.height - 1), cx = 0.5 * (picture.width - 1);
  Correlation sums;
  for (int y = margin; y < reference.height - margin; ++y)
    for (int x = margin; x < reference.width - margin; ++x) {
      const double sy = std::clamp(sine * (x - cx) + cosine * (y - cy) + cy + t.dy, 0.0, picture.height - 1.0);
      const double sx = std::clamp(cosine * (x - cx) - sine * (y - cy) + cx + t.dx, 0.0, picture.width - 1.0);
      const int y0 = std::min(static_cast<int>(sy), picture.height - 2),
                x0 = std::min(static_cast<int>(sx), picture.width - 2);
      const double v = sy - y0, u = sx - x0;
      const double top = picture.at(y0, x0) + u * (picture.at(y0, x0 + 1) - picture.at(y0, x0));
      const double bottom = picture.at(y0 + 1, x0) + u * (picture.at(y0 + 1, x0 + 1) - picture.at(y0 + 1, x0));
      sums.add(reference.at(y, x), top + v * (bottom - top));
    }
  return sums.value();
}

RigidTransform estimate_registration(const Grid<float>& reference, const Grid<float>& picture) {
  const Grid<float> small_reference = halve(reference), small_picture = halve(picture);
  const int margin = margin_of(small_reference);
  const int angle_steps = static_cast<int>(kLargestAngle / kCoarseAngleStep);
  struct Candidate {
    RigidTransform transform;
    double score = -2;
  };
  std::vector<Candidate> candidates(static_cast<std::size_t>(2 * angle_steps + 1));  // the best of each angle
#pragma omp parallel for schedule(dynamic)
  for (int step = -angle_steps; step <= angle_steps; ++step) {
    auto& best_here = candidates[static_cast<std::size_t>(step + angle_steps)];
    const double angle = step * kCoarseAngleStep;
    Grid<float> turned(small_picture.height, small_picture.width);
    warp(small_picture.values.data(), turned.values.data(), 1, turned.height, turned.width, std::cos(angle),
         std::sin(angle), 0, 0);
    for (int dy = -margin; dy <= margin; ++dy)
      for (int dx = -margin; dx <= margin; ++dx) {
        float n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
        for (int y = margin; y < turned.height - margin; ++y) {
          const float* r = &small_reference.at(y, 0);
          const float* p = &turned.at(y + dy, 0) + dx;
          for (int x = margin; x < turned.width - margin; ++x)
            a += r[x], b += p[x], aa += r[x] * r[x], bb += p[x] * p[x], ab += r[x] * p[x];
          n += static_cast<float>(turned.width - 2 * margin);
        }
        const double score = Correlation{n, a, b, aa, bb, ab}.value();
        // The shift was applied after turning: carry it into the picture's frame.
        if (score > best_here.score)
          best_here = {{2 * (std::sin(angle) * dx + std::cos(angle) * dy),
                        2 * (std::cos(angle) * dx - std::sin(angle) * dy), angle},
                       score};
      }
  }
  RigidTransform best = std::max_element(candidates.begin(), candidates.end(), [](const auto& x, const auto& y) {
                          return x.score < y.score;
                        })->transform;
  // Pattern search: try each parameter both ways, halve the steps when nothing helps.
  double best_score = registration_score(reference, picture, best);
  double shift_step = 1, angle_step = 0.013;
  while (shift_step > 0.06) {
    bool improved = false;
    for (int parameter = 0; parameter < 3; ++parameter)
      for (const double sign : {-1.0, 1.0}) {
        RigidTransform trial = best;
        if (parameter == 0) trial.dy += sign * shift_step;
        if (parameter == 1) trial.dx += sign * shift_step;
        if (parameter == 2) trial.angle += sign * angle_step;
        if (const double score = registration_score(reference, picture, trial); score > best_score)
          best = trial, best_score = score, improved = true;
      }
    if (!improved) shift_step /= 2, angle_step /= 2;
  }
  return best;
}

void warp_to_reference(const float* in, float* out, int channels, int height, int width, const RigidTransform& t,
                       double scale) {
  warp(in, out, channels, height, width, std::cos(t.angle), std::sin(t.angle), t.dy * scale, t.dx * scale);
}

void warp_from_reference(const float* in, float* out, int channels, int height, int width, const RigidTransform& t,
                         double scale) {
  // The inverse: q = R⁻¹ (p − centre − shift) + centre.
  const double cosine = std::cos(t.angle), sine = std::sin(t.angle);
  warp(in, out, channels, height, width, cosine, -sine, (sine * t.dx - cosine * t.dy) * scale,
       (-cosine * t.dx - sine * t.dy) * scale);
}

}  // namespace vedette
