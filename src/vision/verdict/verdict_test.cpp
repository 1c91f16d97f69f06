#include "vision/verdict/verdict.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/parallel.hpp"

namespace vedette {
namespace {

constexpr int kSide = 64;

/// Makes a model that calls bright pictures anomalous: its map is the brightness of cells of 8 × 8 pixels. A bright
/// place has the label "red" or "green", whichever channel is higher; the two arguments are the colours of these
/// labels.
Artifact bright_model(const std::string& red, const std::string& green) {
  Artifact a;
  auto& m = a.manifest;
  m.image_height = m.image_width = m.input_height = m.input_width = kSide;
  m.folds = 1;
  m.graph = {{"average_pool", "cells", {"image"}, {}, {{"size", 8}}},
             {"tokens", "rows", {"cells"}, {}, {}},
             {"nearest_distance",
              "distances",
              {"rows"},
              {{"bank", "bank"}, {"groups", "groups"}},
              {{"height", 8}, {"width", 8}}},
             {"nearest_other_group", "map", {"distances"}, {}, {{"group", 1}}},
             {"channels", "classes", {"cells"}, {}, {{"first", 0}, {"count", 2}}}};
  a.tensors = {{"bank", Tensor::make({2, 3}, {0, 0, 0, 9, 9, 9})}, {"groups", Tensor::make({3}, {0, 1, 2})}};
  m.contestants = {
      {.name = "bright", .maps = {"map"}, .pools = {{.fraction = 1.0 / 64, .weight = 1}}, .map_weight = 1}};
  m.threshold = 0.4;
  m.confidence_slope = 3;
  m.confidence_limit = 0.95;
  m.segmentation = Segmentation{{{"red", red}, {"green", green}}, {{0.5, 0.5}, {0.5, 0.5}}, {"classes"}, {}};
  return a;
}

std::shared_ptr<const Engine> engine_of(Artifact artifact) {
  auto engine = Engine::create(std::move(artifact));
  EXPECT_TRUE(engine) << engine.error().message;
  return *engine;
}

/// Makes a black picture with a square of 16 pixels in each of the colours, side by side.
RgbImage picture(const std::vector<Rgb>& squares) {
  RgbImage image{kSide, kSide, std::vector<std::uint8_t>(kSide * kSide * 3)};
  for (std::size_t s = 0; s < squares.size(); ++s)
    for (int y = 16; y < 32; ++y)
      for (int x = 0; x < 16; ++x)
        std::copy(squares[s].begin(), squares[s].end(), image.at(y, x + 32 * static_cast<int>(s)));
  return image;
}
constexpr Rgb kRed{255, 40, 40}, kGreen{40, 255, 40};

TEST(LabelColors, WhiteAndRepeatedOnesGiveWay) {
  const std::vector<Label> labels = {
      {"a", "#23a436"}, {"b", "#FFFFFF"}, {"c", "#23A436"}, {"d", "#000000"}, {"e", "no colour"}};
  const auto colors = label_colors(labels);
  ASSERT_EQ(colors.size(), labels.size());
  EXPECT_EQ(colors[0].text, "#23a436");  // the text stays as it was written
  EXPECT_EQ(colors[3].rgb, (Rgb{0, 0, 0}));
  std::set<Rgb> different = {{255, 255, 255}};
  for (const auto& color : colors) different.insert(color.rgb);
  EXPECT_EQ(different.size(), labels.size() + 1);
  for (const auto i : {1, 2, 4})
    EXPECT_EQ(*parse_color(colors[static_cast<std::size_t>(i)].text), colors[static_cast<std::size_t>(i)].rgb);
  const std::vector<Label> many(254, {"x", "#ffffff"});
  different = {{255, 255, 255}};
  for (const auto& color : label_colors(many)) different.insert(color.rgb);
  EXPECT_EQ(different.size(), many.size() + 1);
}

TEST(Verdict, IsWhatTheEngineSaysWithMaskAndAreas) {
  const auto engine = engine_of(bright_model("#FFFFFF", "#00ff00"));
  const auto image = picture({kRed, kGreen});
  const auto verdict = judge(*engine, *encode_png(image));
  ASSERT_TRUE(verdict) << verdict.error().message;
  const auto detection = engine->detect(image);
  EXPECT_TRUE(verdict->is_anomalous);
  EXPECT_EQ(verdict->anomaly_score, detection->anomaly_score);
  EXPECT_EQ(verdict->confidence, detection->confidence);
  EXPECT_EQ(verdict->anomaly_map.values, detection->anomaly_map.values);
  EXPECT_EQ(verdict->label_map->values, detection->label_map->values);

  ASSERT_EQ(verdict->areas.size(), 3U);
  EXPECT_EQ(verdict->areas[0].name, "background");
  EXPECT_EQ(verdict->areas[0].color, "#FFFFFF");
  EXPECT_EQ(verdict->areas[1].name, "red");
  EXPECT_NE(verdict->areas[1].color, "#FFFFFF");
  EXPECT_EQ(verdict->areas[2].color, "#00ff00");
  double sum = 0;
  for (const auto& area : verdict->areas) sum += area.fraction;
  EXPECT_NEAR(sum, 1, 1e-12);

  // The mask shows each pixel in the colour that the areas name.
  const auto mask = decode_image(verdict->mask_png);
  ASSERT_TRUE(mask);
  const auto& labels = verdict->label_map->values;
  for (std::size_t l = 0; l < 3; ++l) {
    const auto color = *parse_color(verdict->areas[l].color);
    std::size_t shown = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const bool is_shown =
          std::equal(color.begin(), color.end(), mask->pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
      EXPECT_EQ(is_shown, labels[i] == l);
      shown += is_shown ? 1 : 0;
    }
    EXPECT_DOUBLE_EQ(verdict->areas[l].fraction, static_cast<double>(shown) / static_cast<double>(labels.size()));
    EXPECT_GT(shown, 100U);
  }
  std::string stages;
  for (const auto& stage : verdict->stages) stages += std::string(stage.name) + " ";
  EXPECT_EQ(stages, "decode resize network mask encode ");
}

TEST(Verdict, NamesOnlyLabelsThatCoverSomething) {
  const auto engine = engine_of(bright_model("#FF0000", "#00FF00"));
  const auto one = judge(*engine, picture({kGreen}), {.with_mask_png = false});
  ASSERT_TRUE(one);
  ASSERT_EQ(one->areas.size(), 2U);
  EXPECT_EQ(one->areas[1].name, "green");
  EXPECT_TRUE(one->mask_png.empty());
  const auto none = judge(*engine, picture({}));
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->is_anomalous);
  ASSERT_EQ(none->areas.size(), 1U);
  EXPECT_DOUBLE_EQ(none->areas[0].fraction, 1);
  EXPECT_FALSE(none->mask_png.empty());
}

TEST(Verdict, OfAModelWithoutLabelsHasNoMask) {
  auto artifact = bright_model("#FF0000", "#00FF00");
  artifact.manifest.segmentation.reset();
  const auto verdict = judge(*engine_of(std::move(artifact)), *encode_png(picture({kRed})));
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->is_anomalous);
  EXPECT_TRUE(verdict->areas.empty() && verdict->mask_png.empty() && !verdict->label_map);
  EXPECT_STREQ(verdict->stages.back().name, "mask");
}

TEST(Verdict, TellsWhyAPictureCannotBeJudged) {
  auto artifact = bright_model("#FF0000", "#00FF00");
  artifact.manifest.plausibility.darkest = 0.01;
  const auto engine = engine_of(std::move(artifact));
  const auto verdict = judge(*engine, picture({}));
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->is_anomalous);
  EXPECT_NE(verdict->reason.find("darker"), std::string::npos);
  EXPECT_EQ(judge(*engine, Bytes{1, 2, 3}).error().kind, ErrorKind::invalid_input);
  const RgbImage larger{80, 80, std::vector<std::uint8_t>(80 * 80 * 3)};
  EXPECT_EQ(judge(*engine, *encode_png(larger)).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(judge(*engine, larger).error().kind, ErrorKind::invalid_input);
  std::stop_source caller;
  caller.request_stop();
  EXPECT_EQ(judge(*engine, *encode_png(picture({})), {.abandoned = caller.get_token()}).error().kind,
            ErrorKind::unavailable);
}

TEST(Verdict, CallsMayRunSideBySideOnAsManyThreadsAsTheyAreTold) {
  const auto engine = engine_of(bright_model("#FF0000", "#00FF00"));
  const auto png = *encode_png(picture({kRed, kGreen}));
  const auto alone = judge(*engine, png);
  ASSERT_TRUE(alone);
  const ThreadCount outside(3);
  std::vector<Result<Verdict>> verdicts(8, internal_error("nobody judged the picture"));
  run_parallel(verdicts.size(), 4, [&](std::size_t i) {
    verdicts[i] = judge(*engine, png, {.threads = 1 + static_cast<int>(i % 2)});
    EXPECT_EQ(ThreadCount::current(), 1);
  });
  for (const auto& verdict : verdicts) {
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->anomaly_score, alone->anomaly_score);
    EXPECT_EQ(verdict->mask_png, alone->mask_png);
  }
  EXPECT_EQ(ThreadCount::current(), 3);
}

}  // namespace
}  // namespace vedette
