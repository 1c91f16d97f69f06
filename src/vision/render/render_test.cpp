#include "vision/render/render.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace vedette::render
