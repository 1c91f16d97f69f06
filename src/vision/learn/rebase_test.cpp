#include "vision/learn/rebase.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "base/random.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/infer/infer.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 64;
constexpr std::int64_t kRows = 8;  // of the bank, half of them in each group

/// A model of two folds that compares the mean colours of cells of 8 x 8 pixels with a bank of dark colours.
struct SmallModel {
  Artifact artifact;
  SmallModel() {
    auto& m = artifact.manifest;
    m.image_height = m.image_width = m.input_height = m.input_width = kSide;
    m.folds = 2;
    m.graph = {{"average_pool", "cells", {"image"}, {}, {{"size", 8}}},
               {"tokens", "rows", {"cells"}, {}, {}},
               {"nearest_distance",
                "distances",
                {"rows"},
                {{"bank", "bank"}, {"groups", "groups"}},
                {{"height", 8}, {"width", 8}}}};
    Contestant contestant{.name = "memory_bank", .maps = {}, .pools = {{.fraction = 0.1, .scale = 0.1, .weight = 1}}};
    std::vector<float> bank;
    Random random(1);
    for (std::int64_t i = 0; i < kRows; ++i)
      for (int c = 0; c < 3; ++c)
        bank.push_back(i % (kRows / 2) == 0 ? 40.0F / 255 : static_cast<float>(random.uniform(0.1, 0.2)));
    artifact.tensors = {{"bank", Tensor::make({kRows, 3}, bank)},
                        {"groups", Tensor::make({3}, {0, kRows / 2, kRows})},
                        {"ones", Tensor::make({8, 8}, std::vector<float>(64, 1.0F))},
                        {"golden", Tensor::make({kSide, kSide, 3}, std::vector<float>(kSide * kSide * 3, 40.0F))}};
    for (int f = 0; f < 2; ++f) {
      const auto own = "fold." + std::to_string(f);
      m.graph.push_back({"nearest_other_group", own, {"distances"}, {}, {{"group", f}}});
      m.graph.push_back({"scale_cells", own + ".map", {own}, {{"factors", "ones"}}, {}});
      contestant.maps.push_back(own + ".map");
    }
    m.contestants = {contestant};
    m.threshold = 1;
    m.confidence_limit = 0.9;
    auto engine = Engine::create(artifact);
    const auto score = (*engine)->detect({kSide, kSide, Bytes(kSide * kSide * 3, 40)})->anomaly_score;
    m.golden = {{"golden", score, {}}};
  }
  void write(const fs::path& folder) const {
    ASSERT_TRUE(write_artifact(folder, artifact.manifest, artifact.tensors, {{"bank", "groups", "ones"}, {"golden"}}));
  }
};

/// Good pictures of a bright batch.
TrainingJob bright_pictures(const fs::path& folder, int count) {
  fs::create_directories(folder);
  TrainingJob job;
  Random random(2);
  for (int i = 0; i < count; ++i) {
    RgbImage image{kSide, kSide, Bytes(kSide * kSide * 3)};
    for (auto& v : image.pixels) v = static_cast<std::uint8_t>(200 + random.below(20));
    const auto file = folder / (std::to_string(i) + ".png");
    EXPECT_TRUE(write_file_atomically(file, as_text(*encode_png(image))));
    TrainingPicture picture;
    picture.source_ref = file.string();
    picture.image = file;
    picture.is_anomalous = false;
    job.train.push_back(picture);
  }
  return job;
}

TEST(Rebase, TheNewBatchIsLearnedAndTheOldOneIsKept) {
  const TemporaryFolder folder;
  const SmallModel model;
  model.write(folder.path() / "base");
  const auto job = bright_pictures(folder.path() / "bright", 6);
  auto evaluation = rebase(job, folder.path() / "base", folder.path() / "moved", 2, {});
  ASSERT_TRUE(evaluation) << evaluation.error().message;
  EXPECT_EQ(evaluation->predictions.size(), 6U);
  EXPECT_EQ(evaluation->warnings[0], "Before, the model called 6 of these 6 good pictures anomalous.");
  const auto moved = read_artifact(folder.path() / "moved");
  ASSERT_TRUE(moved);
  // Each group keeps its rows and has half as many new ones behind them.
  const auto &bank = moved->tensors.at("bank"), &groups = moved->tensors.at("groups");
  EXPECT_EQ(groups.copy(), (std::vector<float>{0, 6, 12}));
  ASSERT_EQ(bank.shape, (std::vector<std::int64_t>{12, 3}));
  const auto& old = model.artifact.tensors.at("bank");
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(bank.data()[i], old.data()[i]);
    EXPECT_EQ(bank.data()[18 + i], old.data()[12 + i]);
  }
  for (std::size_t i = 12; i < 18; ++i) EXPECT_GT(bank.data()[i], 0.7F);
  const auto engine = Engine::load(folder.path() / "moved");
  ASSERT_TRUE(engine);
  const auto is_anomalous = [&](std::uint8_t level) {
    return (*engine)->detect({kSide, kSide, Bytes(kSide * kSide * 3, level)})->is_anomalous;
  };
  EXPECT_FALSE(is_anomalous(209));
  EXPECT_FALSE(is_anomalous(40));
  EXPECT_TRUE(is_anomalous(130));

  // Pictures that the model has learned from do not judge it.
  ASSERT_TRUE(write_evaluation(folder.path() / "moved", *evaluation));
  const auto again = rebase(job, folder.path() / "moved", folder.path() / "again", 2, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(again.error().message.find("has learned from 6 others"), std::string::npos) << again.error().message;
  // However often it is moved, the bank stays within its bounds.
  auto base = folder.path() / "moved";
  for (int i = 0; i < 18; ++i) {
    const auto next = folder.path() / ("moved-" + std::to_string(i));
    fs::remove(base / "evaluation.json");
    ASSERT_TRUE(rebase(job, base, next, 2, {}));
    base = next;
  }
  EXPECT_LE(read_artifact(base)->tensors.at("bank").size(0), 4800);
}

TEST(Rebase, WhatCannotBeMovedIsRefused) {
  const TemporaryFolder folder;
  const auto job = bright_pictures(folder.path() / "bright", 6);
  const auto refuses = [&](const SmallModel& model, const TrainingJob& pictures, const char* reason) {
    const TemporaryFolder own;
    model.write(own.path() / "base");
    const auto moved = rebase(pictures, own.path() / "base", own.path() / "moved", 2, {});
    ASSERT_FALSE(moved) << reason;
    EXPECT_EQ(moved.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(moved.error().message.find(reason), std::string::npos) << moved.error().message;
    EXPECT_FALSE(fs::exists(own.path() / "moved"));
  };
  refuses({}, bright_pictures(folder.path() / "few", 4), "At least 5 different good pictures");
  auto copies = bright_pictures(folder.path() / "copies", 4);
  for (int i = 0; i < 4; ++i) copies.train.push_back(copies.train[static_cast<std::size_t>(i)]);
  refuses({}, copies, "only 4 can be used");
  auto anomalous = job;
  for (auto& p : anomalous.train) p.is_anomalous = true;
  refuses({}, anomalous, "only 0 can be used");
  SmallModel three_groups;
  three_groups.artifact.tensors["groups"] = Tensor::make({4}, {0, 2, 4, kRows});
  refuses(three_groups, job, "3 groups");
  auto other_size = job;
  const auto wide = folder.path() / "wide.png";
  ASSERT_TRUE(write_file_atomically(wide, as_text(*encode_png({kSide, 2 * kSide, Bytes(kSide * kSide * 6, 200)}))));
  other_size.train[2].image = wide;
  refuses({}, other_size, "64x64");
}

}  // namespace
}  // namespace vedette
