#include "vision/assess/assess.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.hpp"
#include "vision/assess/mask_folder.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

constexpr int kSide = 64;

RgbImage flat(Rgb color) {
  RgbImage image{kSide, kSide, {}};
  for (int i = 0; i < kSide * kSide; ++i) image.pixels.insert(image.pixels.end(), color.begin(), color.end());
  return image;
}
/// Makes a picture of one colour, with a block of 8 × 8 pixels of another colour in the middle.
RgbImage block(Rgb ground, Rgb mark) {
  auto image = flat(ground);
  for (int y = 28; y < 36; ++y)
    for (int x = 28; x < 36; ++x) std::copy(mark.begin(), mark.end(), image.at(y, x));
  return image;
}

class Assess : public ::testing::Test {
 protected:
  fs::path save(const std::string& name, const RgbImage& image) {
    auto path = folder_.path() / name;
    const auto bytes = encode_png(image);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes->data()), static_cast<std::streamsize>(bytes->size()));
    return path;
  }
  TrainingPicture sample(bool is_anomalous, const fs::path& image) {
    TrainingPicture s;
    s.source_ref = image.filename().string();
    s.image = image;
    s.is_anomalous = is_anomalous;
    return s;
  }
  std::string check(const std::vector<TrainingPicture>& samples, const MinimumCounts& minimum = {}) {
    const auto ok = check_test_set(samples, minimum, kSide, kSide, false, {}, 1);
    return ok ? "" : ok.error().message;
  }

  TemporaryFolder folder_{fs::temp_directory_path()};
  const fs::path picture_ = save("picture.png", flat({90, 90, 90}));
};

std::vector<std::string> found(const Paths& pictures, const Paths& masks) {
  std::vector<std::string> out;
  for (const auto& m : match_masks("p", pictures, "m", masks).of_picture) out.push_back(m ? m->string() : "");
  return out;
}

using Names = std::vector<std::string>;

TEST(MatchMasks, TakesTheSamePathWithAnyExtension) {
  EXPECT_EQ(found({"p/a/000.jpg", "p/b/000.png"}, {"m/a/000.png", "m/b/000.bmp"}),
            (Names{"m/a/000.png", "m/b/000.bmp"}));
}

TEST(MatchMasks, KnowsTheEndingsThatToolsGive) {
  for (const std::string ending : {"_mask", "-mask", ".mask", "_GT", "_gt", "_label", "_seg", " Mask", "_ground_truth",
                                   ".jpg", ".jpg_mask", "_mask.jpg"})
    EXPECT_EQ(found({"p/scratch/000.jpg"}, {"m/scratch/000" + ending + ".png"}),
              (Names{"m/scratch/000" + ending + ".png"}))
        << ending;
  EXPECT_EQ(found({"p/000.jpg"}, {"m/000_json/img.png", "m/000_json/label.png", "m/000_json/label_viz.png"}),
            (Names{"m/000_json/label.png"}));
  EXPECT_EQ(match_masks("p", Paths{"p/000.jpg"}, "m", Paths{"m/000_json/img.png", "m/000_json/label.png"}).unused,
            Paths{});
}

TEST(MatchMasks, PrefersTheWholeNameAndNeverTakesAnothersMask) {
  EXPECT_EQ(found({"p/a_mask.png", "p/a.png"}, {"m/a.png", "m/a_mask.png"}), (Names{"m/a_mask.png", "m/a.png"}));
  // Nobody can say whose mask this would be.
  EXPECT_EQ(found({"p/a/000.png", "p/b/000.png"}, {"m/c/000.png"}), (Names{"", ""}));
  EXPECT_EQ(found({"p/1.png"}, {"m/11_mask.png", "m/1a.png"}), (Names{""}));
  EXPECT_EQ(found({"p/a/000.png", "p/b/001.png"}, {"m/001_mask.png", "m/000.png"}),
            (Names{"m/000.png", "m/001_mask.png"}));
}

TEST(MatchMasks, MasksMayLieAmongThePictures) {
  const Paths all{"p/1.png", "p/1_label.png", "p/2.png"};
  const auto apart = tell_masks_from_pictures("p", all, "p", all);
  const auto matched = match_masks("p", apart.pictures, "p", apart.masks);
  EXPECT_EQ(matched.of_picture[0], "p/1_label.png");
  EXPECT_FALSE(matched.of_picture[1]);
  EXPECT_EQ(matched.of_picture.size(), 2U);
  EXPECT_TRUE(matched.unused.empty());
  // A mask without a picture is not a defective part, and a picture is not another picture's mask.
  const Paths mixed{"p/1.jpg", "p/1.png", "p/7_mask.png", "p/masks/8.png"};
  EXPECT_EQ(tell_masks_from_pictures("p", mixed, "p", mixed).pictures, (Paths{"p/1.jpg", "p/1.png", "p/masks/8.png"}));
  EXPECT_EQ(tell_masks_from_pictures("p", mixed, "p/masks", Paths{"p/masks/8.png"}).pictures,
            (Paths{"p/1.jpg", "p/1.png", "p/7_mask.png"}));
  EXPECT_EQ(tell_masks_from_pictures("p", mixed, "p/masks/", Paths{"p/masks/8.png"}).masks, Paths{"p/masks/8.png"});
}

TEST(MatchMasks, CountsMasksWithoutAPicture) {
  EXPECT_EQ(match_masks("p", Paths{"p/1.png"}, "m", Paths{"m/1.png", "m/2.png"}).unused, Paths{"m/2.png"});
}

TEST_F(Assess, ASurveyNamesTheMaskAtFault) {
  const auto good = save("good.png", block({0, 0, 0}, {255, 255, 255}));
  EXPECT_TRUE(survey_masks(Paths{good}));
  const auto empty = save("empty.png", flat({0, 0, 0}));
  EXPECT_NE(survey_masks(Paths{good, empty}).error().message.find("empty.png marks nothing"), std::string::npos);
  const auto full = save("full.png", flat({255, 255, 255}));
  EXPECT_NE(survey_masks(Paths{good, full}).error().message.find("full.png marks 100 %"), std::string::npos);
  const auto text = folder_.path() / "text.png";
  std::ofstream(text) << "no picture";
  EXPECT_NE(survey_masks(Paths{good, text}).error().message.find("text.png cannot be used"), std::string::npos);
}

TEST_F(Assess, AnEmptyMaskIsAnErrorThatNamesIt) {
  auto s = sample(true, picture_);
  s.mask = save("empty.png", flat({0, 0, 0}));
  s.mask_colors = {{"anomaly", "#ff0000"}};
  const std::vector<Label> labels{{"anomaly", "#ff0000"}};
  s.is_binary_mask = true;
  const auto loaded = load_picture(s, labels, kSide, kSide, false, {}, {});
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("empty.png marks nothing"), std::string::npos);
}

TEST_F(Assess, ALabelThatTheModelDoesNotKnowIsMarkedAsTheNumberAfterTheLast) {
  auto s = sample(true, picture_);
  s.mask = save("spot.png", block({255, 255, 255}, {0, 0, 255}));
  s.mask_colors = {{"BACKGROUND", "#ffffff"}, {"spot", "#0000ff"}};
  const std::vector<Label> labels{{"scratch", "#ff0000"}, {"dent", "#00ff00"}};
  const auto loaded = load_picture(s, labels, kSide, kSide, false, {}, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->truth->at(0, 0), 0);
  EXPECT_EQ(loaded->truth->at(30, 30), 3);
}

TEST_F(Assess, AMaskWithoutItsColorsIsRefused) {
  auto s = sample(true, picture_);
  s.mask = save("blank.png", flat({255, 255, 255}));
  s.mask_colors = {{"spot", "#0000ff"}};
  const std::vector<Label> labels{{"spot", "#0000ff"}};
  const auto loaded = load_picture(s, labels, kSide, kSide, false, {}, {});
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("none of the colours"), std::string::npos);
}

TEST_F(Assess, APictureThatCannotBeReadSaysWhy) {
  const auto why = [&](const TrainingPicture& s) {
    const auto loaded = load_picture(s, {}, kSide, kSide, false, {}, {});
    if (loaded) return std::string("loaded");
    EXPECT_EQ(loaded.error().code, kUnreadable);
    const auto skipped = skipped_picture(s, loaded.error());
    EXPECT_EQ(skipped.source_ref, s.source_ref);
    EXPECT_EQ(skipped.text(), loaded.error().message);
    return skipped.reason;
  };
  EXPECT_EQ(why(sample(true, folder_.path() / "none.png")), "the file does not exist");
  EXPECT_EQ(why(sample(true, folder_.path())), "the file is not a plain file");
  fs::create_symlink("loop.png", folder_.path() / "loop.png");
  EXPECT_EQ(why(sample(true, folder_.path() / "loop.png")), "the file is a link that leads back to itself");
  auto left_out = sample(true, folder_.path() / "never.png");
  left_out.fault = "the object does not exist any more";
  EXPECT_EQ(why(left_out), "the object does not exist any more");
}

TEST(Summary, OnlyPicturesOfOneFoldAreRankedAgainstEachOther) {
  // In each fold the anomalous pictures have the highest scores, but all scores of fold 1 lie above those of fold 0.
  Evaluation e;
  for (int i = 0; i < 40; ++i) {
    Prediction p;
    p.fold = i % 2;
    p.is_anomalous = i < 12;
    p.anomaly_score = 100.0 * (i % 2) + (p.is_anomalous ? 2 : 1) + 0.01 * i;
    e.predictions.push_back(p);
  }
  summarize_predictions(e);
  EXPECT_EQ(e.image_auroc, 1);
  EXPECT_EQ(e.average_precision, 1);
  const auto apart = e.intervals.at("image_auroc");
  // If the folds are batches, their scores differ as those of the next batches will.
  e.batches = BatchFinding{.are_clear = true, .share = 0.5, .known_auroc = {}, .known_f1 = {}};
  summarize_predictions(e);
  EXPECT_LT(*e.image_auroc, 0.8);
  e.batches.reset();
  for (auto& p : e.predictions) p.fold.reset();
  summarize_predictions(e);
  EXPECT_LT(*e.image_auroc, 0.8);
  // Fewer pairs say less.
  for (auto& p : e.predictions) p.anomaly_score = p.is_anomalous ? 2 : 1;
  summarize_predictions(e);
  EXPECT_EQ(e.image_auroc, 1);
  EXPECT_LT(apart.first, e.intervals.at("image_auroc").first);
}

TEST(Summary, FoldsWithoutBothClassesSayNothingOfRanks) {
  Evaluation e;
  const auto add = [&](std::int64_t fold, bool is_anomalous, double score) {
    Prediction p;
    p.fold = fold;
    p.is_anomalous = is_anomalous;
    p.anomaly_score = score;
    e.predictions.push_back(p);
  };
  add(0, false, 5), add(0, false, 6), add(1, true, 1);
  summarize_predictions(e);
  EXPECT_EQ(e.image_auroc, 0);  // Then all pictures are compared.
  add(2, false, 1), add(2, true, 2);
  summarize_predictions(e);
  EXPECT_EQ(e.image_auroc, 1);
}

TEST(SegmentationTally, FiguresOfALabelThatNoTestPictureHoldsAreUndefined) {
  SegmentationTally tally({"scratch", "spot"});
  Grid<std::uint8_t> clean(8, 8), drawn(8, 8), truth(8, 8);
  drawn.values[3] = 1;
  truth.values[5] = 2;
  tally.add(drawn, clean);  // a false mark
  tally.add(clean, truth);  // a spot that is missed
  const auto metrics = tally.metrics();
  EXPECT_EQ(metrics[0].precision, 0.0);
  EXPECT_FALSE(metrics[0].recall || metrics[0].f1 || metrics[0].aiou);
  EXPECT_FALSE(metrics[1].precision);
  EXPECT_EQ(metrics[1].recall, 0.0);
  EXPECT_EQ(metrics[1].f1, 0.0);
  EXPECT_EQ(metrics[1].aiou, 0.0);
}

TEST_F(Assess, ATestSetThatCannotDoIsRefusedWithTheReason) {
  const auto good = sample(false, picture_), bad = sample(true, picture_);
  EXPECT_EQ(check({good, bad}), "");
  EXPECT_NE(check({good, good}).find("1 normal and 1 anomalous images; 2 and 0 can be used"), std::string::npos);
  EXPECT_NE(check({good, bad}, {.train_normal = 10, .train_per_label = 10, .test_normal = 10, .test_anomaly = 10})
                .find("10 normal and 10 anomalous images; 1 and 1"),
            std::string::npos);
  const auto text = folder_.path() / "text.png";
  std::ofstream(text) << "no picture";
  EXPECT_NE(check({good, sample(true, text)}).find("1 could not be read: text.png: "), std::string::npos);
  EXPECT_EQ(check({good, bad, sample(true, text)}), "");
  // All that are at fault are named.
  const auto empty = folder_.path() / "empty.png";
  std::ofstream(empty).close();
  const auto several = check({good, sample(true, text), sample(true, empty)});
  EXPECT_NE(several.find("2 could not be read: text.png: "), std::string::npos) << several;
  EXPECT_NE(several.find("; empty.png: the file is empty"), std::string::npos) << several;
  auto blank = bad;
  blank.mask = save("blank.png", flat({255, 255, 255}));
  blank.mask_colors = {{"spot", "#0000ff"}};
  EXPECT_NE(check({good, bad, blank}).find("none of the colours"), std::string::npos);
}

}  // namespace
}  // namespace vedette
