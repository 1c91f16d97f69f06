#include "vision/pretrain/views.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/image/light.hpp"
#include "vision/render/noise.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette {
namespace {

using render::Damage;

constexpr int kPicture = 160;
constexpr int kMargin = 12;  // The pixels beyond a patch that turned and shifted views need.
constexpr std::size_t kPlane = static_cast<std::size_t>(kPatch) * kPatch;
constexpr int kLeastDamage = 8;  // The least number of damaged pixels in a quadrant.
/// The share of the patches that are seen light-normalised, and the sigma of the neighbourhood, in pixels.
constexpr double kLightShare = 0.5, kLightSigmaLow = 12, kLightSigmaHigh = 32;

/// One way to look at a patch: pose, light, sensor and focus.
class View {
 public:
  /// If `light_sigma` is greater than 0, the view is light-normalised, as detectors see pictures (kNormalizedScale).
  View(Random r, double light_sigma) : seed_(r.next()), light_sigma_(light_sigma) {
    const double angle = r.uniform(-6, 6) * std::numbers::pi / 180, scale = std::exp(r.uniform(-0.08, 0.08));
    a_ = std::cos(angle) * scale;
    b_ = std::sin(angle) * scale;
    shift_x_ = r.uniform(-3, 3);
    shift_y_ = r.uniform(-3, 3);
    gamma_ = std::exp(r.uniform(-0.35, 0.35));
    contrast_ = std::exp(r.uniform(-0.3, 0.3));
    for (auto& gain : gains_) gain = std::exp(r.uniform(-0.06, 0.06));
    brightness_ = r.uniform(-0.12, 0.12);
    field_ = r.uniform() < 0.7 ? r.uniform(0.05, 0.5) : 0;
    noise_ = r.uniform() < 0.7 ? r.uniform(0, 0.03) : 0;
    blur_ = r.uniform() < 0.4 ? r.uniform(0.05, 0.33) : 0;
  }

  /// Returns the place in the picture of a view's pixel.
  [[nodiscard]] std::pair<double, double> place(int y, int x, double centre_y, double centre_x) const {
    const double dx = x - (kPatch - 1) / 2.0, dy = y - (kPatch - 1) / 2.0;
    return {centre_y + b_ * dx + a_ * dy + shift_y_, centre_x + a_ * dx - b_ * dy + shift_x_};
  }

  void render(const RgbImage& picture, double centre_y, double centre_x, float* out) const {
    double mean = 0;
    for (int y = 0; y < kPatch; ++y)
      for (int x = 0; x < kPatch; ++x) {
        const auto [py, px] = place(y, x, centre_y, centre_x);
        const double cy = std::clamp(py, 0.0, picture.height - 1.001), cx = std::clamp(px, 0.0, picture.width - 1.001);
        const int y0 = static_cast<int>(cy), x0 = static_cast<int>(cx);
        const double fy = cy - y0, fx = cx - x0;
        const auto *p = picture.at(y0, x0), *q = picture.at(y0 + 1, x0);
        for (std::size_t c = 0; c < 3; ++c) {
          const double value =
              ((p[c] * (1 - fx) + p[c + 3] * fx) * (1 - fy) + (q[c] * (1 - fx) + q[c + 3] * fx) * fy) / 255;
          out[c * kPlane + index(y, x)] = static_cast<float>(value);
          mean += value;
        }
      }
    mean /= 3.0 * kPlane;
    for (std::size_t c = 0; c < 3; ++c) {
      float* plane = out + c * kPlane;
      for (int y = 0; y < kPatch; ++y)
        for (int x = 0; x < kPatch; ++x) {
          const auto toned = static_cast<float>((plane[index(y, x)] - mean) * contrast_ + mean + brightness_);
          double value = std::pow(std::clamp(toned, 0.0F, 1.0F), static_cast<float>(gamma_)) * gains_[c];
          if (field_ > 0) value *= 1 + field_ * (2 * render::value_noise(x / 40.0, y / 40.0, seed_) - 1);
          plane[index(y, x)] = static_cast<float>(value);
        }
      if (blur_ > 0) blur(plane);
      if (noise_ > 0)
        for (int y = 0; y < kPatch; ++y)
          for (int x = 0; x < kPatch; ++x)
            plane[index(y, x)] += static_cast<float>(
                2.4 * noise_ * (render::hash_noise(x, y, seed_ + c) + render::hash_noise(x, y, seed_ + 5 + c) - 1));
      for (std::size_t i = 0; i < kPlane; ++i) plane[i] = std::clamp(plane[i], 0.0F, 1.0F);
      if (light_sigma_ > 0) {
        const std::vector<float> seen(plane, plane + kPlane);
        normalize_light(seen.data(), plane, kPatch, kPatch, light_sigma_);
        for (std::size_t i = 0; i < kPlane; ++i) plane[i] = 0.5F + kNormalizedScale * plane[i];
      }
    }
  }

 private:
  static std::size_t index(int y, int x) { return static_cast<std::size_t>(y) * kPatch + static_cast<std::size_t>(x); }
  void blur(float* plane) const {
    const auto side = static_cast<float>(blur_);
    for (const bool rows : {true, false})
      for (int i = 0; i < kPatch; ++i) {
        const auto at = [&](int j) -> float& { return plane[rows ? index(i, j) : index(j, i)]; };
        float before = at(0);
        for (int j = 0; j < kPatch; ++j) {
          const float here = at(j), after = j + 1 < kPatch ? at(j + 1) : here;
          at(j) = here * (1 - 2 * side) + side * (before + after);
          before = here;
        }
      }
  }

  std::uint64_t seed_;
  double light_sigma_;
  double a_, b_, shift_x_, shift_y_, gamma_, contrast_, brightness_, field_, noise_, blur_;
  double gains_[3];
};

/// Draws the views of one picture's patches into their places of the batch.
void draw_picture(ViewBatch& batch, Random random, const RgbImage& picture, const RgbImage& foreign, int picture_number,
                  int patches) {
  for (int i = 0; i < patches; ++i) {
    auto r = random.fork(static_cast<std::uint64_t>(i) + 1);
    const auto n = static_cast<std::size_t>(picture_number * patches + i);
    const double reach = kPatch / 2.0 + kMargin;
    const double cy = r.uniform(reach, kPicture - reach), cx = r.uniform(reach, kPicture - reach);
    const double light =
        r.uniform() < kLightShare ? std::exp(r.uniform(std::log(kLightSigmaLow), std::log(kLightSigmaHigh))) : 0;
    View(r.fork(1), light).render(picture, cy, cx, batch.first.data() + n * 3 * kPlane);
    View(r.fork(2), light).render(picture, cy, cx, batch.second.data() + n * 3 * kPlane);
    auto broken = picture;
    const Damage damage{render::kFills[r.below(render::kFills.size())],
                        render::kOutlines[r.below(render::kOutlines.size())],
                        cy + r.uniform(-22, 22),
                        cx + r.uniform(-22, 22),
                        std::exp(r.uniform(std::log(5.0), std::log(44.0))),
                        r.uniform(0.25, 1)};
    const auto mask = render::damage(broken, damage, foreign, r.fork(3));
    const View view(r.fork(4), light);
    view.render(broken, cy, cx, batch.damaged.data() + n * 3 * kPlane);
    int counts[kQuadrants] = {};
    for (int y = 0; y < kPatch; ++y)
      for (int x = 0; x < kPatch; ++x) {
        const auto [py, px] = view.place(y, x, cy, cx);
        const int iy = static_cast<int>(std::lround(py)), ix = static_cast<int>(std::lround(px));
        if (iy >= 0 && ix >= 0 && iy < kPicture && ix < kPicture && mask.at(iy, ix) != 0)
          ++counts[(y >= kPatch / 2 ? 2 : 0) + (x >= kPatch / 2 ? 1 : 0)];
      }
    for (std::size_t q = 0; q < kQuadrants; ++q) {
      batch.damaged_quadrants[n * kQuadrants + q] = counts[q] >= kLeastDamage;
      batch.is_damaged[n] = batch.is_damaged[n] || counts[q] >= kLeastDamage;
    }
  }
}

}  // namespace

ViewBatch draw_views(std::uint64_t seed, int pictures, int patches, int threads) {
  ViewBatch batch;
  batch.patches = pictures * patches;
  const auto count = static_cast<std::size_t>(batch.patches);
  for (auto* views : {&batch.first, &batch.second, &batch.damaged}) views->resize(count * 3 * kPlane);
  batch.is_damaged.resize(count);
  batch.damaged_quadrants.resize(count * kQuadrants);
  const Random random(seed);
  // One more picture is rendered than is looked at, since each picture's damage may be cut from the next.
  const auto surfaces = static_cast<std::size_t>(pictures) + 1;
  std::vector<RgbImage> rendered(surfaces);
  run_parallel(surfaces, threads,
               [&](std::size_t p) { rendered[p] = render::render_surface(random.fork(p).next(), kPicture, kPicture); });
  run_parallel(static_cast<std::size_t>(pictures), threads, [&](std::size_t p) {
    draw_picture(batch, random.fork(surfaces + p), rendered[p], rendered[p + 1], static_cast<int>(p), patches);
  });
  return batch;
}

}  // namespace vedette
