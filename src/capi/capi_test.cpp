#include <gtest/gtest.h>
#include <vedette.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/files.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace {

constexpr int kSide = 96;

/// Writes a model that calls bright pictures anomalous. A bright place has the label "red" or "green", whichever channel
/// is higher.
void write_bright_model(const std::filesystem::path& folder, bool has_labels) {
  Manifest m;
  m.image_height = m.image_width = m.input_height = m.input_width = kSide;
  m.folds = 1;
  m.graph = {{"average_pool", "cells", {"image"}, {}, {{"size", 8}}},
             {"tokens", "rows", {"cells"}, {}, {}},
             {"nearest_distance",
              "distances",
              {"rows"},
              {{"bank", "bank"}, {"groups", "groups"}},
              {{"height", kSide / 8}, {"width", kSide / 8}}},
             {"nearest_other_group", "map", {"distances"}, {}, {{"group", 1}}},
             {"channels", "classes", {"cells"}, {}, {{"first", 0}, {"count", 2}}}};
  m.contestants = {
      {.name = "bright", .maps = {"map"}, .pools = {{.fraction = 1.0 / 64, .weight = 1}}, .map_weight = 1}};
  m.threshold = 0.4;
  m.confidence_slope = 3;
  m.confidence_limit = 0.95;
  if (has_labels)
    m.segmentation =
        Segmentation{{{"red", "#ff0000"}, {"green", "#00FF00"}}, {{0.5, 0.5}, {0.5, 0.5}}, {"classes"}, {}};
  const std::map<std::string, Tensor> tensors = {{"bank", Tensor::make({2, 3}, {0, 0, 0, 9, 9, 9})},
                                                 {"groups", Tensor::make({3}, {0, 1, 2})}};
  ASSERT_TRUE(write_artifact(folder, std::move(m), tensors, {{"bank", "groups"}}));
}

/// Makes a black picture with a reddish square.
RgbImage damaged_picture() {
  RgbImage image{kSide, kSide, std::vector<std::uint8_t>(kSide * kSide * 3)};
  for (int y = 16; y < 32; ++y)
    for (int x = 40; x < 56; ++x) {
      image.at(y, x)[0] = 255;
      image.at(y, x)[1] = static_cast<std::uint8_t>(x);
    }
  return image;
}

class Library : public testing::Test {
 protected:
  TemporaryFolder folder_;
  vedette_model* model_ = nullptr;
  vedette_verdict* verdict_ = nullptr;
  vedette_error error_ = {};

  void open(bool has_labels = true) {
    write_bright_model(folder_.path(), has_labels);
    ASSERT_EQ(vedette_model_open(folder_.path().c_str(), 1, &model_, &error_), VEDETTE_OK) << error_.message;
  }
  int32_t judge(const RgbImage& image) {
    return vedette_judge_rgb(model_, image.pixels.data(), image.height, image.width,
                             3 * static_cast<std::size_t>(image.width), &verdict_, &error_);
  }
  /// Expects that a call failed as wrong input does.
  void expect_refusal(int32_t kind, const std::string& message) {
    EXPECT_EQ(kind, VEDETTE_INVALID_INPUT);
    EXPECT_EQ(error_.kind, VEDETTE_INVALID_INPUT);
    EXPECT_NE(std::string(error_.message).find(message), std::string::npos) << error_.message;
    EXPECT_EQ(verdict_, nullptr);
  }
  ~Library() override {
    vedette_verdict_free(verdict_);
    vedette_model_close(model_);
  }
};

TEST_F(Library, SaysWhatTheEngineSays) {
  open();
  const auto image = damaged_picture();
  const auto engine = Engine::load(folder_.path());
  ASSERT_TRUE(engine);
  const auto expected = vedette::judge(**engine, image);
  ASSERT_TRUE(expected);
  ASSERT_EQ(judge(image), VEDETTE_OK) << error_.message;
  EXPECT_EQ(error_.kind, VEDETTE_OK);
  EXPECT_EQ(std::string(error_.message), "");
  EXPECT_EQ(vedette_verdict_is_anomalous(verdict_), 1);
  EXPECT_EQ(vedette_verdict_confidence(verdict_), expected->confidence);
  EXPECT_EQ(vedette_verdict_score(verdict_), expected->anomaly_score);
  EXPECT_EQ(vedette_verdict_threshold(verdict_), 0.4);
  EXPECT_EQ(std::string(vedette_verdict_reason(verdict_)), "");
  ASSERT_EQ(vedette_verdict_area_count(verdict_), expected->areas.size());
  for (std::size_t a = 0; a < expected->areas.size(); ++a) {
    EXPECT_EQ(vedette_verdict_area_name(verdict_, a), expected->areas[a].name);
    EXPECT_EQ(vedette_verdict_area_color(verdict_, a), expected->areas[a].color);
    EXPECT_EQ(vedette_verdict_area_fraction(verdict_, a), expected->areas[a].fraction);
  }
  int32_t height = 0, width = 0;
  const auto* labels = vedette_verdict_label_map(verdict_, &height, &width);
  ASSERT_EQ(std::pair(height, width), std::pair(kSide, kSide));
  EXPECT_EQ(std::vector<std::uint8_t>(labels, labels + kSide * kSide), expected->label_map->values);
  const auto* map = vedette_verdict_anomaly_map(verdict_, &height, &width);
  EXPECT_EQ(std::vector<float>(map, map + height * width), expected->anomaly_map.values);
}

TEST_F(Library, TellsAboutTheModel) {
  open();
  EXPECT_EQ(vedette_model_image_height(model_), kSide);
  EXPECT_EQ(vedette_model_image_width(model_), kSide);
  EXPECT_EQ(vedette_model_threshold(model_), 0.4);
  ASSERT_EQ(vedette_model_label_count(model_), 2U);
  EXPECT_EQ(std::string(vedette_model_label_name(model_, 1)), "green");
  EXPECT_EQ(vedette_model_label_color(model_, 0), 0xFF0000U);
  EXPECT_EQ(std::string(vedette_model_label_name(model_, 2)), "");
  EXPECT_EQ(vedette_model_label_color(model_, 2), 0U);
}

TEST_F(Library, JudgesAFileAndRowsWithGapsLikeItsPixels) {
  open();
  const auto image = damaged_picture();
  ASSERT_EQ(judge(image), VEDETTE_OK);
  const double score = vedette_verdict_score(verdict_);
  const auto png = *encode_png(image);
  vedette_verdict_free(verdict_);
  ASSERT_EQ(vedette_judge_encoded(model_, png.data(), png.size(), &verdict_, &error_), VEDETTE_OK);
  EXPECT_EQ(vedette_verdict_score(verdict_), score);
  constexpr std::size_t kStride = 3 * kSide + 13;
  std::vector<std::uint8_t> rows(kStride * (kSide - 1) + 3 * kSide, 255);  // the gaps are white
  for (int y = 0; y < kSide; ++y) std::memcpy(&rows[static_cast<std::size_t>(y) * kStride], image.at(y, 0), 3 * kSide);
  vedette_verdict_free(verdict_);
  ASSERT_EQ(vedette_judge_rgb(model_, rows.data(), kSide, kSide, kStride, &verdict_, &error_), VEDETTE_OK);
  EXPECT_EQ(vedette_verdict_score(verdict_), score);
}

TEST_F(Library, WritesTheMaskIntoRowsWithGaps) {
  open();
  ASSERT_EQ(judge(damaged_picture()), VEDETTE_OK);
  constexpr std::size_t kStride = 3 * kSide + 5, kSize = kStride * (kSide - 1) + 3 * kSide;
  std::vector<std::uint8_t> mask(kSize, 7);
  ASSERT_EQ(vedette_verdict_write_mask(verdict_, mask.data(), kSize, kStride, &error_), VEDETTE_OK) << error_.message;
  const auto* labels = vedette_verdict_label_map(verdict_, nullptr, nullptr);
  int red = 0;
  for (std::size_t y = 0; y < kSide; ++y) {
    for (std::size_t x = 0; x < kSide; ++x) {
      const auto* pixel = &mask[y * kStride + 3 * x];
      const bool is_red = labels[y * kSide + x] == 1;
      red += is_red;
      EXPECT_EQ(Rgb({pixel[0], pixel[1], pixel[2]}), is_red ? Rgb({255, 0, 0}) : Rgb({255, 255, 255}));
    }
    for (std::size_t gap = 3 * kSide; gap < kStride && y + 1 < kSide; ++gap) EXPECT_EQ(mask[y * kStride + gap], 7);
  }
  EXPECT_GT(red, 100);
  auto* verdict = std::exchange(verdict_, nullptr);
  expect_refusal(vedette_verdict_write_mask(verdict, mask.data(), kSize - 1, kStride, &error_), "too small");
  expect_refusal(vedette_verdict_write_mask(verdict, mask.data(), kSize, 3 * kSide - 1, &error_), "too small");
  expect_refusal(vedette_verdict_write_mask(verdict, mask.data(), kSize, SIZE_MAX, &error_), "too small");
  expect_refusal(vedette_verdict_write_mask(verdict, nullptr, kSize, kStride, &error_), "NULL");
  verdict_ = verdict;
}

TEST_F(Library, HasNoMaskWithoutLabels) {
  open(false);
  ASSERT_EQ(judge(damaged_picture()), VEDETTE_OK);
  EXPECT_EQ(vedette_verdict_area_count(verdict_), 0U);
  int32_t height = 1, width = 1;
  EXPECT_EQ(vedette_verdict_label_map(verdict_, &height, &width), nullptr);
  EXPECT_EQ(std::pair(height, width), std::pair(0, 0));
  std::vector<std::uint8_t> mask(3 * kSide * kSide);
  auto* verdict = std::exchange(verdict_, nullptr);
  expect_refusal(vedette_verdict_write_mask(verdict, mask.data(), mask.size(), 3 * kSide, &error_), "no labels");
  verdict_ = verdict;
}

TEST_F(Library, RefusesWhatItCannotJudge) {
  open();
  const auto image = damaged_picture();
  const auto* pixels = image.pixels.data();
  const std::string text = "This is no picture.";
  expect_refusal(vedette_judge_encoded(model_, text.data(), text.size(), &verdict_, &error_), "");
  expect_refusal(vedette_judge_encoded(model_, text.data(), 0, &verdict_, &error_), "");
  auto png = *encode_png(image);
  expect_refusal(vedette_judge_encoded(model_, png.data(), png.size() / 2, &verdict_, &error_), "");
  png = *encode_png(RgbImage{100, 80, std::vector<std::uint8_t>(24000)});
  expect_refusal(vedette_judge_encoded(model_, png.data(), png.size(), &verdict_, &error_), "80");
  const auto judge_size = [&](int32_t height, int32_t width, std::size_t stride) {
    return vedette_judge_rgb(model_, pixels, height, width, stride, &verdict_, &error_);
  };
  expect_refusal(judge_size(kSide, kSide - 1, 3 * kSide), "96x96");
  expect_refusal(judge_size(0, 0, 0), "0x0");
  expect_refusal(judge_size(-1, INT32_MIN, 3 * kSide), "96x96");
  expect_refusal(judge_size(kSide, kSide, 3 * kSide - 1), "stride");
}

TEST_F(Library, AnswersNullWithAnError) {
  expect_refusal(vedette_model_open(nullptr, 0, &model_, &error_), "NULL");
  expect_refusal(vedette_model_open("model", 0, nullptr, &error_), "NULL");
  EXPECT_EQ(vedette_model_open("model", 0, nullptr, nullptr), VEDETTE_INVALID_INPUT);
  open();
  const auto image = damaged_picture();
  const auto* pixels = image.pixels.data();
  expect_refusal(vedette_judge_encoded(nullptr, pixels, 9, &verdict_, &error_), "NULL");
  expect_refusal(vedette_judge_encoded(model_, nullptr, 9, &verdict_, &error_), "NULL");
  expect_refusal(vedette_judge_encoded(model_, pixels, 9, nullptr, &error_), "NULL");
  expect_refusal(vedette_judge_rgb(nullptr, pixels, kSide, kSide, 3 * kSide, &verdict_, &error_), "NULL");
  expect_refusal(vedette_judge_rgb(model_, nullptr, kSide, kSide, 3 * kSide, &verdict_, &error_), "NULL");
  expect_refusal(vedette_judge_rgb(model_, pixels, kSide, kSide, 3 * kSide, nullptr, &error_), "NULL");
  expect_refusal(vedette_verdict_write_mask(nullptr, nullptr, 0, 0, &error_), "NULL");
  vedette_model_close(nullptr);
  vedette_verdict_free(nullptr);
  EXPECT_EQ(vedette_model_image_height(nullptr) + vedette_model_image_width(nullptr), 0);
  EXPECT_EQ(vedette_model_threshold(nullptr), 0);
  EXPECT_EQ(vedette_model_label_count(nullptr), 0U);
  EXPECT_EQ(std::string(vedette_model_label_name(nullptr, 0)), "");
  EXPECT_EQ(vedette_model_label_color(nullptr, 0), 0U);
  EXPECT_EQ(vedette_verdict_is_anomalous(nullptr), 0);
  EXPECT_EQ(vedette_verdict_confidence(nullptr) + vedette_verdict_score(nullptr) + vedette_verdict_threshold(nullptr),
            0);
  EXPECT_EQ(std::string(vedette_verdict_reason(nullptr)) + vedette_verdict_corrected_by(nullptr), "");
  EXPECT_EQ(vedette_verdict_area_count(nullptr), 0U);
  EXPECT_EQ(std::string(vedette_verdict_area_name(nullptr, 0)) + vedette_verdict_area_color(nullptr, 0), "");
  EXPECT_EQ(vedette_verdict_area_fraction(nullptr, 0), 0);
  EXPECT_EQ(vedette_verdict_label_map(nullptr, nullptr, nullptr), nullptr);
  EXPECT_EQ(vedette_verdict_anomaly_map(nullptr, nullptr, nullptr), nullptr);
  ASSERT_EQ(judge(image), VEDETTE_OK);
  EXPECT_EQ(std::string(vedette_verdict_area_name(verdict_, 99)) + vedette_verdict_area_color(verdict_, 99), "");
}

TEST_F(Library, RefusesAFolderThatHoldsNoWholeModel) {
  const auto open_again = [&](int32_t threads = 1) {
    return vedette_model_open(folder_.path().c_str(), threads, &model_, &error_);
  };
  expect_refusal(open_again(), "no model");
  write_bright_model(folder_.path(), true);
  expect_refusal(open_again(-1), "threads");
  expect_refusal(open_again(1025), "threads");
  ASSERT_TRUE(write_file_atomically(folder_.path() / "verified.json", "{"));
  expect_refusal(open_again(), "");
  std::filesystem::remove(folder_.path() / "verified.json");
  std::filesystem::remove_all(folder_.path() / "blobs");
  expect_refusal(open_again(), "is missing");
  ASSERT_TRUE(write_file_atomically(folder_.path() / "manifest.json", "{}"));
  expect_refusal(open_again(), "");
  EXPECT_EQ(model_, nullptr);
}

TEST_F(Library, CutsALongMessageBetweenCharacters) {
  std::string name;
  for (int i = 0; i < 600; ++i) name += "/é";
  expect_refusal(vedette_model_open(name.c_str(), 1, &model_, &error_), "é");
  const std::string message = error_.message;
  EXPECT_GE(message.size(), sizeof(error_.message) - 2);
  EXPECT_EQ(static_cast<unsigned char>(message.back()), 0xA9U);  // the last byte of an é
}

TEST_F(Library, ServesManyThreadsWithOneModel) {
  open();
  const auto image = damaged_picture();
  std::vector<double> scores(4);
  std::vector<std::thread> threads;
  for (auto& score : scores)
    threads.emplace_back([&, &own = score] {
      vedette_verdict* verdict = nullptr;
      if (vedette_judge_rgb(model_, image.pixels.data(), kSide, kSide, 3 * kSide, &verdict, nullptr) == VEDETTE_OK)
        own = vedette_verdict_score(verdict);
      vedette_verdict_free(verdict);
    });
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(judge(image), VEDETTE_OK);
  for (const double score : scores) EXPECT_EQ(score, vedette_verdict_score(verdict_));
}

TEST(LibraryVersion, IsThatOfTheProject) {
  EXPECT_EQ(std::string(vedette_version()), VEDETTE_VERSION);
}

}  // namespace
}  // namespace vedette
