#include "vision/dataset_check/dataset_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/image/light.hpp"
#include "vision/render/render.hpp"
#include "vision/render/surfaces.hpp"

namespace vedette::dataset_check {
namespace {

using Pictures = std::vector<CheckedPicture>;

const Describer& describer() {
  static const Describer shared;
  return shared;
}

CheckedPicture look(const RgbImage& image, bool is_anomalous, int quality = 92) {
  CheckedPicture out;
  out.is_anomalous = is_anomalous;
  out.look = describer().look_at(*encode_jpeg(image, quality));
  return out;
}

constexpr int kHeight = 120, kWidth = 160;

/// Renders a disc with holes on a grainy ground: where it lies, its turn, the light and the grain vary with the seed. A
/// bad one has a dark blot. It is coarse, but quick.
RgbImage disc(std::uint64_t seed, bool is_bad = false) {
  Random random(seed + 100);
  const double y0 = random.uniform(56, 64), x0 = random.uniform(76, 84), turn = random.uniform(-0.2, 0.2);
  const double light = random.uniform(0.95, 1.05), blot_y = random.uniform(-25, 25), blot_x = random.uniform(-25, 25);
  RgbImage image{kHeight, kWidth, std::vector<std::uint8_t>(static_cast<std::size_t>(kHeight * kWidth * 3))};
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const double dy = y - y0, dx = x - x0, radius = std::hypot(dy, dx), angle = std::atan2(dy, dx) + turn;
      double value = 70 + 20 * std::sin(0.4 * x) * std::sin(0.1 * y);
      if (radius < 45) value = 170;
      if (radius < 38 && radius > 26 && std::cos(6 * angle) > 0.6) value = 40;
      if (is_bad && std::hypot(dy - blot_y, dx - blot_x) < 9) value = 15;
      value = light * value + random.uniform(-12, 12);
      for (int c = 0; c < 3; ++c) image.at(y, x)[c] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
    }
  return image;
}

Pictures look_at_all(std::size_t count, const std::function<std::pair<RgbImage, bool>(std::size_t)>& picture) {
  Pictures out(count);
  run_parallel(count, 2, [&](std::size_t i) {
    const auto made = picture(i);
    out[i] = look(made.first, made.second);
  });
  return out;
}

/// Good and bad discs. The set is rendered once.
constexpr std::size_t kGood = 40, kBad = 20;
const Pictures& discs() {
  static const Pictures set =
      look_at_all(kGood + kBad, [](std::size_t i) { return std::pair(disc(i, i >= kGood), i >= kGood); });
  return set;
}

Pictures flanges() {
  return look_at_all(60, [](std::size_t i) {
    const bool is_bad = i % 3 == 0;
    const auto defect = render::kDefects[i / 3 % render::kDefects.size()];
    return std::pair(render::render_flange(i, is_bad ? std::optional(defect) : std::nullopt).image, is_bad);
  });
}

/// Pictures of one web of material, each of another place under slightly other light; every third is plainly damaged.
Pictures web(render::Surface surface) {
  constexpr int kWeb = 640, kSide = 128;
  const auto material = render::render_surface(surface, 5, kWeb, kWeb),
             foreign = render::render_surface(render::Surface::matte, 77, kSide, kSide);
  const Random random(3);
  return look_at_all(60, [&](std::size_t i) {
    auto own = random.fork(i);
    const int top = static_cast<int>(own.below(kWeb - kSide)), left = static_cast<int>(own.below(kWeb - kSide));
    const double light = own.uniform(0.95, 1.05);
    RgbImage image{kSide, kSide, std::vector<std::uint8_t>(static_cast<std::size_t>(kSide * kSide * 3))};
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x)
        for (int c = 0; c < 3; ++c)
          image.at(y, x)[c] = static_cast<std::uint8_t>(std::min(255.0, light * material.at(top + y, left + x)[c]));
    if (i % 3 == 0)
      render::damage(image, {render::Fill::color, render::Outline::blob, 64, 64, 30, 0.9}, foreign, own.fork(1));
    return std::pair(std::move(image), i % 3 == 0);
  });
}

std::vector<Finding> find(const Pictures& pictures, const LeastPictures& least = {}) {
  const std::atomic<bool> is_cancelled{false};
  auto found = find_all(pictures, least, 2, is_cancelled);
  EXPECT_TRUE(found);
  return found ? *found : std::vector<Finding>();
}

std::vector<Finding> of_kind(const std::vector<Finding>& found, FindingKind kind) {
  std::vector<Finding> out;
  std::copy_if(found.begin(), found.end(), std::back_inserter(out), [&](const auto& f) { return f.kind == kind; });
  return out;
}

std::string listed(const std::vector<Finding>& found) {
  std::string out;
  for (const auto& f : found)
    out += std::string(to_text(f.kind)) + " " + std::to_string(f.picture.value_or(9999)) + ": " + f.detail + "\n";
  return out;
}

RgbImage changed(RgbImage image, double factor, double offset) {
  for (auto& v : image.pixels) v = static_cast<std::uint8_t>(std::clamp(factor * v + offset, 0.0, 255.0));
  return image;
}

TEST(DatasetCheck, SoundSetsHaveNoFindings) {
  EXPECT_EQ(listed(find(discs())), "");
  EXPECT_EQ(listed(find(flanges())), "");
  for (const auto surface : {render::Surface::woven, render::Surface::granular})
    EXPECT_EQ(listed(find(web(surface))), "") << static_cast<int>(surface);
}

TEST(DatasetCheck, KindsHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (std::size_t k = 0; k < kFindingKinds; ++k) names.insert(to_text(static_cast<FindingKind>(k)));
  EXPECT_EQ(names.size(), kFindingKinds);
  EXPECT_FALSE(names.contains(""));
}

TEST(DatasetCheck, PicturesThatNoTrainingTakesAreToldWithTheReason) {
  auto set = discs();
  const auto whole = *encode_jpeg(disc(900), 90);
  set.push_back({});
  set.back().look = describer().look_at(std::span(whole).first(whole.size() / 2));
  set.push_back({});
  set.back().look = describer().look_at(as_bytes("no picture"));
  set.push_back({});
  set.back().look = invalid_input("The image does not exist.");
  set.back().is_missing = true;
  set.push_back(look(RgbImage{32, 80, std::vector<std::uint8_t>(32 * 80 * 3, 90)}, false));
  const auto found = find(set);
  const auto unreadable = of_kind(found, FindingKind::unreadable);
  ASSERT_EQ(unreadable.size(), 3U) << listed(found);
  EXPECT_EQ(of_kind(found, FindingKind::missing).size(), 1U);
  EXPECT_EQ(unreadable[0].picture, discs().size());
  EXPECT_NE(unreadable[2].detail.find("64"), std::string::npos) << unreadable[2].detail;
}

TEST(DatasetCheck, PicturesOfAnotherSizeAreTold) {
  auto set = discs();
  set.push_back(look(to_image(resize_to_planes(disc(901), 90, 120)), false));
  const auto found = of_kind(find(set), FindingKind::other_size);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].picture, discs().size());
  EXPECT_EQ(found[0].detail, "It has 120x90 pixels, and 160x120 is the most frequent size.");
}

TEST(DatasetCheck, ExactCopiesAreToldOnceEach) {
  auto set = discs();
  set.push_back(set[3]);
  set.push_back(set[3]);
  const auto found = find(set);
  ASSERT_EQ(found.size(), 2U) << listed(found);
  for (const auto& f : found) {
    EXPECT_EQ(f.kind, FindingKind::exact_duplicate);
    EXPECT_EQ(f.related, 3U);
  }
}

TEST(DatasetCheck, CopiesOfOtherCompressionSizeAndLightAreNear) {
  auto set = discs();
  const auto first = set.size();
  set.push_back(look(disc(7), false, 40));
  set.push_back(look(to_image(resize_to_planes(disc(8), 90, 120)), false));
  set.push_back(look(changed(disc(9), 1.15, 5), false));
  const auto found = of_kind(find(set), FindingKind::near_duplicate);
  ASSERT_EQ(found.size(), 3U) << listed(found);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found[i].picture, first + i);
    EXPECT_EQ(found[i].related, 7 + i);
  }
}

TEST(DatasetCheck, CopiesAmongTrainingAndTestComeBeforePlainOnesAndOtherLabelsBeforeThose) {
  auto set = discs();
  set.push_back(set[3]);
  set.push_back(set[3]);
  set.back().is_test = true;
  set.push_back(set[4]);
  set.back().is_test = set.back().is_anomalous = true;
  const auto found = find(set);
  ASSERT_EQ(found.size(), 3U) << listed(found);
  EXPECT_EQ(found[0].kind, FindingKind::conflicting_duplicate);
  EXPECT_EQ(found[0].detail, "It has the same pixels as a picture of the training dataset, which is labelled normal.");
  EXPECT_EQ(found[1].kind, FindingKind::train_test_duplicate);
  EXPECT_EQ(found[1].related, 3U);
  EXPECT_EQ(found[2].kind, FindingKind::exact_duplicate);
}

TEST(DatasetCheck, APartBeforeAndAfterItsDamageIsNoConflict) {
  auto set = discs();
  auto image = disc(5);
  const auto damaged = render::damage(image, {render::Fill::color, render::Outline::ellipse, 40, 80, 14, 1},
                                      render::render_surface(4, kHeight, kWidth), Random(1));
  ASSERT_GT(std::count(damaged.values.begin(), damaged.values.end(), 1), 50);
  set.push_back(look(image, true));
  EXPECT_EQ(listed(of_kind(find(set), FindingKind::conflicting_duplicate)), "");
  // The same picture without the damage is one, also when it was saved anew.
  set.back() = look(disc(5), true, 70);
  EXPECT_EQ(of_kind(find(set), FindingKind::conflicting_duplicate).size(), 1U);
}

TEST(DatasetCheck, WrongLabelsAreContradicted) {
  auto set = discs();
  const std::set<std::size_t> wrong = {12, kGood + 5};  // a good one and an anomaly
  for (std::uint64_t i = 0; i < 4; ++i) set.push_back(look(disc(800 + i, true), true));
  for (const auto i : wrong) set[i].is_anomalous = !set[i].is_anomalous;
  const auto found = of_kind(find(set), FindingKind::contradicted_label);
  EXPECT_FALSE(found.empty());
  for (const auto& f : found) {
    EXPECT_TRUE(wrong.contains(*f.picture)) << listed(found);
    ASSERT_TRUE(f.related);
    EXPECT_NE(set[*f.related].is_anomalous, set[*f.picture].is_anomalous);
  }
}

TEST(DatasetCheck, LabelsThatThePicturesDoNotTellAreNotDoubted) {
  Pictures set(discs().begin(), discs().begin() + kGood);
  for (std::size_t i = 0; i < kGood; ++i) set[i].is_anomalous = i % 2 == 0;
  EXPECT_EQ(listed(of_kind(find(set), FindingKind::contradicted_label)), "");
}

TEST(DatasetCheck, GoodPicturesUnlikeTheOthersAreTold) {
  auto set = flanges();
  const auto first = set.size();
  set.push_back(look(changed(render::render_flange(910, {}).image, 0.35, 0), false));
  auto blurred = resize_to_planes(render::render_flange(911, {}).image, 480, 640);
  for (int c = 0; c < 3; ++c) gaussian_blur(blurred.values.data() + c * 480 * 640, 480, 640, 9);
  set.push_back(look(to_image(blurred), false));
  set.push_back(look(render::render_surface(render::Surface::parts, 3, 480, 640), false));
  const auto found = find(set);
  const auto is_told = [&](FindingKind kind, std::size_t picture) {
    return std::any_of(found.begin(), found.end(),
                       [&](const auto& f) { return f.kind == kind && f.picture == picture; });
  };
  EXPECT_TRUE(is_told(FindingKind::brightness_outlier, first)) << listed(found);
  EXPECT_TRUE(is_told(FindingKind::focus_outlier, first + 1)) << listed(found);
  EXPECT_TRUE(is_told(FindingKind::framing_outlier, first + 2)) << listed(found);
  for (const auto& f : found) EXPECT_GE(*f.picture, first) << listed(found);
  // Anomalies may look as they like.
  for (auto i = first; i < set.size(); ++i) set[i].is_anomalous = true;
  EXPECT_EQ(listed(find(set)), "");
}

TEST(DatasetCheck, TooFewPicturesAndLabelsOutOfBalanceAreTold) {
  Pictures set(discs().begin(), discs().begin() + 24);
  set.push_back(discs().back());
  set.back().mask = MaskLook{{}, {"scratch"}};
  const auto found = find(set, {.train_normal = 30, .train_anomaly = 1, .test_normal = 5, .train_per_label = 2});
  ASSERT_EQ(found.size(), 4U) << listed(found);
  EXPECT_EQ(found[0].detail,
            "A training needs at least 30 training pictures labelled normal that can be used, and there are 24.");
  EXPECT_EQ(found[1].detail,
            "A training needs at least 5 test pictures labelled normal that can be used, and there are 0.");
  EXPECT_TRUE(found[1].is_test);
  EXPECT_EQ(found[2].detail,
            "At least 2 training pictures must have masks that show only one anomaly label; scratch has 1.");
  EXPECT_EQ(found[3].kind, FindingKind::imbalance);
}

TEST(DatasetCheck, NothingAndLittleAreChecked) {
  EXPECT_TRUE(find({}).empty());
  EXPECT_TRUE(find({discs()[0]}).empty());
  EXPECT_TRUE(find({discs()[0], discs().back()}).empty());
  // Flat pictures have no structure that could be compared.
  const RgbImage grey{64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 128)};
  EXPECT_TRUE(find({look(grey, false), look(changed(grey, 1, 9), false)}).empty());
}

TEST(DatasetCheck, EndsWhenItIsCancelled) {
  const std::atomic<bool> is_cancelled{true};
  const auto found = find_all(discs(), {}, 1, is_cancelled);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::unavailable);
}

class Masks : public testing::Test {
 protected:
  static constexpr int kSide = 80;
  static RgbImage marked(int rows, Rgb color) {
    RgbImage image{kSide, kSide, std::vector<std::uint8_t>(kSide * kSide * 3, 255)};
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < kSide; ++x) std::copy(color.begin(), color.end(), image.at(y, x));
    return image;
  }
  static MaskLook look(const RgbImage& mask, int height = kSide) {
    return look_at_mask(*encode_png(mask), kColors, height, kSide);
  }
  static inline const std::vector<MaskLabel> kColors = {
      {"BACKGROUND", {255, 255, 255}}, {"scratch", {200, 0, 0}}, {"dent", {0, 200, 0}}};
};

TEST_F(Masks, SoundOnesTellTheirLabels) {
  auto mask = marked(20, {200, 0, 0});
  EXPECT_FALSE(look(mask).trouble);
  EXPECT_EQ(look(mask).labels, std::vector<std::string>{"scratch"});
  std::copy_n(kColors[2].color.begin(), 3, mask.at(50, 50));
  EXPECT_EQ(look(mask).labels, (std::vector<std::string>{"scratch", "dent"}));
}

TEST_F(Masks, EachTroubleHasItsKind) {
  const auto kind_of = [](const MaskLook& mask) { return mask.trouble ? mask.trouble->kind : FindingKind::imbalance; };
  EXPECT_EQ(kind_of(look(marked(0, {}))), FindingKind::empty_mask);
  EXPECT_EQ(kind_of(look(marked(kSide, {200, 0, 0}))), FindingKind::full_mask);
  EXPECT_EQ(kind_of(look(marked(9, {1, 2, 3}))), FindingKind::unknown_mask_color);
  EXPECT_EQ(kind_of(look(marked(9, {200, 0, 0}), 90)), FindingKind::other_mask_size);
  EXPECT_EQ(kind_of(look_at_mask(*encode_jpeg(marked(9, {200, 0, 0}), 90), kColors, kSide, kSide)),
            FindingKind::unreadable_mask);
  const auto png = *encode_png(marked(9, {200, 0, 0}));
  EXPECT_EQ(kind_of(look_at_mask(std::span(png).first(png.size() / 2), kColors, kSide, kSide)),
            FindingKind::unreadable_mask);
  // A training ignores a mask that marks nothing only where the picture is normal.
  Pictures set = {discs().back()};
  set[0].mask = look(marked(0, {}));
  EXPECT_EQ(listed(find(set)), "EMPTY_MASK 0: The mask marks nothing.\n");
}

}  // namespace
}  // namespace vedette::dataset_check
