#include "vision/pretrain/scenes.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette {
namespace {

using render::Damage;

constexpr int kNearestBorder = 44;   // The middle of a patch is so many pixels from the border of the picture.
constexpr double kDamageReach = 22;  // Damage is so near to the middle, in pixels along an axis.
constexpr double kSmallest = 5, kLargest = 44;
constexpr double kSmallestSmall = 3, kLargestSmall = 14;
constexpr int kMostSmall = 4;  // A copy has so many pieces of small damage at most.
constexpr double kFaintest = 0.2, kFaintShare = 0.5;
constexpr int kTries = 3;  // Damage that cannot be noticed is drawn again, so often in all.
constexpr std::size_t kCopyBytes = 3UL * kCore * kCore;

double log_uniform(Random& r, double low, double high) {
  return std::exp(r.uniform(std::log(low), std::log(high)));
}

/// Small damage is always more or less faint, and larger damage in half of the cases.
Damage draw_damage(Random& r, int cy, int cx, bool is_small) {
  Damage d{};
  d.fill = render::kFills[r.below(render::kFills.size())];
  d.outline = render::kOutlines[r.below(render::kOutlines.size())];
  d.centre_y = cy + r.uniform(-kDamageReach, kDamageReach);
  d.centre_x = cx + r.uniform(-kDamageReach, kDamageReach);
  d.size = is_small ? log_uniform(r, kSmallestSmall, kLargestSmall) : log_uniform(r, kSmallest, kLargest);
  d.strength = r.uniform(0.25, 1);
  d.opacity = is_small || r.uniform() < kFaintShare ? log_uniform(r, kFaintest, 1) : 1;
  return d;
}

void damage_visibly(RgbImage& picture, const RgbImage& foreign, Random& r, int cy, int cx, bool is_small) {
  for (int i = 0; i < kTries; ++i) {
    const auto mask = render::damage(picture, draw_damage(r, cy, cx, is_small), foreign, Random(r.next()));
    if (std::any_of(mask.values.begin(), mask.values.end(), [](auto inside) { return inside != 0; })) return;
  }
}

void copy_core(const RgbImage& picture, int cy, int cx, std::uint8_t* out) {
  for (int y = 0; y < kCore; ++y) {
    const int row = std::clamp(cy - kCore / 2 + y, 0, kPicture - 1);
    for (int x = 0; x < kCore; ++x, out += 3)
      std::copy_n(picture.at(row, std::clamp(cx - kCore / 2 + x, 0, kPicture - 1)), 3, out);
  }
}

}  // namespace

Block draw_block(std::uint64_t seed, int pictures, int patches, int steps, int threads) {
  Block block;
  block.pictures = pictures;
  block.patches_per_picture = patches;
  const auto count = static_cast<std::size_t>(pictures) * static_cast<std::size_t>(patches);
  block.steps.resize(static_cast<std::size_t>(steps));
  for (auto& step : block.steps) {
    step.centres.resize(count * 2);
    step.copies.resize(count * kCopies * kCopyBytes);
  }
  const Random random(seed);
  // One more picture is rendered than is looked at, since each picture's damage may be cut from the next.
  const auto surfaces = static_cast<std::size_t>(pictures) + 1;
  std::vector<RgbImage> rendered(surfaces);
  run_parallel(surfaces, threads,
               [&](std::size_t p) { rendered[p] = render::render_surface(random.fork(p).next(), kPicture, kPicture); });
  run_parallel(static_cast<std::size_t>(pictures), threads, [&](std::size_t p) {
    for (std::size_t s = 0; s < block.steps.size(); ++s)
      for (std::size_t i = 0; i < static_cast<std::size_t>(patches); ++i) {
        auto r = random.fork(surfaces + p).fork(s * static_cast<std::size_t>(patches) + i);
        auto& step = block.steps[s];
        const auto n = p * static_cast<std::size_t>(patches) + i;
        const auto draw_place = [&] {
          return kNearestBorder + static_cast<int>(r.below(kPicture - 2 * kNearestBorder + 1));
        };
        const int cy = draw_place(), cx = draw_place();
        step.centres[2 * n] = cy;
        step.centres[2 * n + 1] = cx;
        for (std::size_t k = 0; k < kCopies; ++k) {
          auto broken = rendered[p];
          const auto pieces = k == 0 ? 1 : 1 + r.below(kMostSmall);
          for (std::uint64_t piece = 0; piece < pieces; ++piece)
            damage_visibly(broken, rendered[p + 1], r, cy, cx, k == 1);
          copy_core(broken, cy, cx, step.copies.data() + (n * kCopies + k) * kCopyBytes);
        }
      }
  });
  block.pixels.reserve(static_cast<std::size_t>(pictures) * 3 * kPicture * kPicture);
  for (std::size_t p = 0; p + 1 < surfaces; ++p)
    block.pixels.insert(block.pixels.end(), rendered[p].pixels.begin(), rendered[p].pixels.end());
  return block;
}

}  // namespace vedette
