#include "vision/render/render.hpp"
#include "vision/render/surfaces.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <cstdlib>

#include "base/files.hpp"

namespace vedette::render {
namespace {

TEST(Render, TheMaskCoversWhatTheDefectChanged) {
  // The same seed draws the same scene; only the defect differs.
  for (const auto defect : kDefects) {
    const auto good = render_flange(11, std::nullopt), bad = render_flange(11, defect);
    EXPECT_EQ(std::count(good.mask.values.begin(), good.mask.values.end(), 1), 0);
    const auto area = std::count(bad.mask.values.begin(), bad.mask.values.end(), 1);
    EXPECT_GT(area, 60) << label_of(defect).name;
    EXPECT_LT(area, 640 * 480 / 40) << label_of(defect).name;
    double inside = 0, outside = 0;
    for (int y = 0; y < 480; ++y)
      for (int x = 0; x < 640; ++x)
        (bad.mask.at(y, x) ? inside : outside) += std::abs(bad.image.at(y, x)[1] - good.image.at(y, x)[1]);
    inside /= static_cast<double>(area);
    outside /= 640.0 * 480 - static_cast<double>(area);
    EXPECT_GT(inside, 6) << label_of(defect).name;
    EXPECT_LT(outside, 0.5) << label_of(defect).name;
  }
}

TEST(Render, ASetTooSmallIsRefused) {
  TemporaryFolder folder;
  EXPECT_FALSE(write_sample(folder.path(), 0, 10, 1, {}));
}

TEST(Surfaces, EveryKindIsDeterministicVariedAndNotFlat) {
  for (const auto surface : kSurfaces) {
    int flat = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const auto picture = render_surface(surface, seed, 64, 80);
      EXPECT_EQ(picture.pixels, render_surface(surface, seed, 64, 80).pixels);
      EXPECT_NE(picture.pixels, render_surface(surface, seed + 1, 64, 80).pixels);
      EXPECT_EQ(picture.pixels.size(), 64U * 80 * 3);
      const auto [low, high] = std::minmax_element(picture.pixels.begin(), picture.pixels.end());
      flat += *high - *low < 20;
    }
    EXPECT_LE(flat, 2) << static_cast<int>(surface);
  }
}

TEST(Surfaces, DamageStaysInItsPlaceAndIsOutlined) {
  int seen = 0;
  for (const auto fill : kFills)
    for (const auto outline : kOutlines)
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        auto picture = render_surface(seed + 50, 96, 96);
        const auto before = picture;
        const Damage d{fill, outline, 40, 50, 24, 0.9};
        const auto mask = damage(picture, d, render_surface(seed + 90, 96, 96), Random(seed));
        bool any = false;
        for (int y = 0; y < 96; ++y)
          for (int x = 0; x < 96; ++x) {
            const bool changed = !std::equal(picture.at(y, x), picture.at(y, x) + 3, before.at(y, x));
            const double from_centre = std::hypot(y - d.centre_y, x - d.centre_x);
            if (changed || mask.at(y, x)) {
              EXPECT_LE(from_centre, 1.42 * (0.75 * d.size + 4));
            }
            any = any || mask.at(y, x);
          }
        seen += any;
      }
  EXPECT_GE(seen, 140);  // Of 192 damages some are pastes that look like what was there.
}

TEST(Surfaces, OpacityScalesTheChangeOfEveryFill) {
  for (const auto fill : kFills) {
    const auto good = render_surface(Surface::lattice, 5, 96, 96), foreign = render_surface(Surface::woven, 6, 96, 96);
    const auto change = [&](double opacity) {
      auto picture = good;
      damage(picture, {fill, Outline::ellipse, 48, 48, 30, 0.9, opacity}, foreign, Random(3));
      int sum = 0;
      for (std::size_t i = 0; i < good.pixels.size(); ++i) sum += std::abs(picture.pixels[i] - good.pixels[i]);
      return sum;
    };
    EXPECT_EQ(change(0), 0);
    EXPECT_NEAR(change(0.25), 0.25 * change(1), 0.05 * change(1)) << static_cast<int>(fill);
  }
}

}  // namespace
}  // namespace vedette::render
