#include "vision/render/products/products.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace vedette::products {
namespace {

/// Whether a pixel of the mask lies within `reach` pixels.
bool is_near(const Grid<std::uint8_t>& mask, int y, int x, int reach) {
  for (int j = std::max(0, y - reach); j <= std::min(mask.height - 1, y + reach); ++j)
    for (int i = std::max(0, x - reach); i <= std::min(mask.width - 1, x + reach); ++i)
      if (mask.at(j, i) != 0) return true;
  return false;
}

TEST(Products, DamageIsVisibleInsideItsMaskAndNowhereElse) {
  for (const auto product : kProducts)
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      const auto good = render_product(product, seed, 0, std::nullopt);
      EXPECT_EQ(std::count(good.mask.values.begin(), good.mask.values.end(), 1), 0) << name_of(product);
      for (std::size_t kind = 0; kind < damages_of(product).size(); ++kind) {
        const auto name = std::string(name_of(product)) + " " + damages_of(product)[kind] + " " + std::to_string(seed);
        const auto bad = render_product(product, seed, 0, kind);
        const auto area = std::count(bad.mask.values.begin(), bad.mask.values.end(), 1);
        EXPECT_GE(area, 6) << name;
        EXPECT_LT(area, std::ssize(bad.mask.values) / 10) << name;
        int most_inside = 0, most_outside = 0;
        for (int y = 0; y < bad.mask.height; ++y)
          for (int x = 0; x < bad.mask.width; ++x) {
            int change = 0;
            for (int k = 0; k < 3; ++k)
              change = std::max(change, std::abs(bad.image.at(y, x)[k] - good.image.at(y, x)[k]));
            if (bad.mask.at(y, x) != 0)
              most_inside = std::max(most_inside, change);
            else if (change > most_outside && !is_near(bad.mask, y, x, 4))
              most_outside = change;
          }
        EXPECT_GE(most_inside, 12) << name;
        EXPECT_LE(most_outside, 6) << name;
      }
    }
}

TEST(Products, TheSeedAndTheBatchDetermineThePicture) {
  for (const auto product : kProducts) {
    const auto picture = render_product(product, 3, 1, 1);
    EXPECT_EQ(picture.image.pixels, render_product(product, 3, 1, 1).image.pixels) << name_of(product);
    EXPECT_NE(picture.image.pixels, render_product(product, 4, 1, 1).image.pixels) << name_of(product);
    EXPECT_NE(picture.image.pixels, render_product(product, 3, 2, 1).image.pixels) << name_of(product);
  }
}

}  // namespace
}  // namespace vedette::products
