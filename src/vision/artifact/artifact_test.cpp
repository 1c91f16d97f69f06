#include "vision/artifact/artifact.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/random.hpp"

namespace vedette {
namespace {

Manifest small_manifest() {
  Manifest m;
  m.image_height = m.image_width = m.input_height = m.input_width = 64;
  m.folds = 1;
  m.graph = {{"convolution", "gray", {"image"}, {{"weights", "w"}}, {{"stride", 1}}}};
  m.contestants = {{.name = "c", .maps = {"gray"}, .pools = {{.fraction = 0.1, .weight = 1}}, .map_weight = 1}};
  m.threshold = 0.7;
  m.int8_agrees = false;
  m.golden = {{"p", 2, 2.5}, {"p", 3}};
  return m;
}

const std::map<std::string, Tensor> kTensors = {{"w", Tensor::make({1, 3, 1, 1}, {0.3F, 0.6F, 0.1F})},
                                                {"g", Tensor::make({2}, {1, 2})},
                                                {"p", Tensor::make({64, 64, 3}, std::vector<float>(64 * 64 * 3))}};

TEST(Artifact, WhatIsWrittenIsReadAndTheSameInputGivesTheSameBytes) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_artifact(folder.path() / "a", small_manifest(), kTensors, {{"w"}, {"g", "p"}}));
  ASSERT_TRUE(write_artifact(folder.path() / "b", small_manifest(), kTensors, {{"w"}, {"g", "p"}}));
  EXPECT_EQ(*read_file(folder.path() / "a/manifest.json", 1 << 20),
            *read_file(folder.path() / "b/manifest.json", 1 << 20));
  const auto back = read_artifact(folder.path() / "a");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->tensors.at("w").copy(), kTensors.at("w").copy());
  EXPECT_EQ(back->manifest.threshold, 0.7);
  EXPECT_EQ(back->manifest.int8_agrees, false);
  ASSERT_EQ(back->manifest.golden.size(), 2);
  EXPECT_EQ(back->manifest.golden[0].int8_score, 2.5);
  EXPECT_FALSE(back->manifest.golden[1].int8_score);
  EXPECT_FALSE(back->manifest.bf16_agrees);
  EXPECT_EQ(back->manifest.graph[0].numbers.at("stride"), 1);
}

TEST(Artifact, AMovedThresholdStandsBesideTheTrainedOne) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_artifact(folder.path(), small_manifest(), kTensors, {{"w"}, {"g", "p"}}));
  for (const double moved : {0.5, 1.5}) {
    ASSERT_TRUE(move_threshold(folder.path(), moved));
    const auto artifact = read_artifact(folder.path());
    ASSERT_TRUE(artifact) << artifact.error().message;
    EXPECT_EQ(artifact->manifest.threshold, moved);
    EXPECT_EQ(artifact->manifest.trained_threshold, 0.7);
  }
  // A manifest with both thresholds is written as it was read.
  const auto text = *read_file(folder.path() / "manifest.json", 1 << 20);
  ASSERT_TRUE(write_artifact(folder.path() / "again", *parse_manifest(as_text(text)), kTensors, {{"w"}, {"g", "p"}}));
  EXPECT_EQ(*read_file(folder.path() / "again/manifest.json", 1 << 20), text);
  EXPECT_EQ(move_threshold(folder.path() / "none", 1).error().kind, ErrorKind::invalid_input);
  EXPECT_FALSE(parse_manifest("{}"));
}

TEST(Artifact, LooksAndBudgetAreReadIfTheyAreThereAndValid) {
  auto m = small_manifest();
  const auto written = [&m] {
    TemporaryFolder folder;
    EXPECT_TRUE(write_artifact(folder.path(), m, kTensors, {{"w"}, {"g", "p"}}));
    return read_artifact(folder.path());
  };
  EXPECT_FALSE(written()->manifest.looks);
  EXPECT_FALSE(written()->manifest.false_alarm_budget);
  m.false_alarm_budget = 0.005;
  EXPECT_EQ(written()->manifest.false_alarm_budget, 0.005);
  m.looks = TrainingLooks{40, {1, 2}, {1, 2, 2.5}, {0.25, 0.5}, {3, 4}};
  const auto back = written();
  ASSERT_TRUE(back && back->manifest.looks);
  EXPECT_EQ(back->manifest.looks->pictures, 40);
  EXPECT_EQ(back->manifest.looks->anomaly_score, m.looks->anomaly_score);
  EXPECT_EQ(back->manifest.looks->level, m.looks->level);
  EXPECT_EQ(back->manifest.looks->brightness, m.looks->brightness);
  EXPECT_EQ(back->manifest.looks->sharpness, m.looks->sharpness);
  for (const auto& level : {std::vector<double>{2, 1}, std::vector<double>{1}}) {
    m.looks->level = level;
    EXPECT_FALSE(written());
  }
}

TEST(Artifact, OlderModelsHaveOnePool) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_artifact(folder.path(), small_manifest(), kTensors, {{"w"}, {"g", "p"}}));
  auto json = nlohmann::json::parse(as_text(*read_file(folder.path() / "manifest.json", 1 << 20)));
  json["version"] = 5;
  json["contestants"][0] = {{"name", "c"},     {"maps", {"gray"}}, {"pool_fraction", 0.25}, {"level_exponent", 0.5},
                            {"location", 2.0}, {"scale", 0.5},     {"score_weight", 3.0},   {"map_weight", 4.0}};
  ASSERT_TRUE(write_file_atomically(folder.path() / "manifest.json", json.dump()));
  const auto back = read_artifact(folder.path());
  ASSERT_TRUE(back) << back.error().message;
  const auto& c = back->manifest.contestants[0];
  ASSERT_EQ(c.pools.size(), 1);
  EXPECT_EQ(c.pools[0].fraction, 0.25);
  EXPECT_EQ(c.pools[0].level_exponent, 0.5);
  EXPECT_EQ(c.pools[0].location, 2);
  EXPECT_EQ(c.pools[0].scale, 0.5);
  EXPECT_EQ(c.score_weight(), 3);
  EXPECT_EQ(c.map_weight, 4);
  EXPECT_DOUBLE_EQ(c.map_unit, std::exp(2.0));

  for (const auto& version :
       {nlohmann::json(4294967302), nlohmann::json(5.5), nlohmann::json("5"), nlohmann::json(7)}) {
    json["version"] = version;
    ASSERT_TRUE(write_file_atomically(folder.path() / "manifest.json", json.dump()));
    EXPECT_FALSE(read_artifact(folder.path())) << version;
  }
  json["version"] = 4;
  json["image"].erase("sample_bits");
  ASSERT_TRUE(write_file_atomically(folder.path() / "manifest.json", json.dump()));
  const auto oldest = read_artifact(folder.path());
  ASSERT_TRUE(oldest) << oldest.error().message;
  EXPECT_EQ(oldest->manifest.sample_bits, 16);
}

TEST(Artifact, TheRangeOfSamplesIsKept) {
  TemporaryFolder folder;
  auto m = small_manifest();
  m.sample_bits = 12;
  ASSERT_TRUE(write_artifact(folder.path() / "a", m, kTensors, {{"w"}, {"g", "p"}}));
  EXPECT_EQ(read_artifact(folder.path() / "a")->manifest.sample_bits, 12);
  const auto file = folder.path() / "a/manifest.json";
  std::string text(as_text(*read_file(file, 1 << 20)));
  const auto replace = [&](std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    ASSERT_TRUE(write_file_atomically(file, text));
  };
  replace("\"sample_bits\": 12", "\"sample_bits\": 17");
  EXPECT_FALSE(read_artifact(folder.path() / "a"));
  replace("\"sample_bits\": 17", "\"other\": 12");
  EXPECT_FALSE(read_artifact(folder.path() / "a"));
}

TEST(Artifact, DanglingNamesAndMissingFilesAreRefused) {
  TemporaryFolder folder;
  EXPECT_EQ(read_artifact(folder.path()).error().kind, ErrorKind::invalid_input);
  const auto refuses = [&](Manifest m, const char* name) {
    ASSERT_TRUE(write_artifact(folder.path() / name, std::move(m), kTensors, {{"w", "g", "p"}}));
    EXPECT_FALSE(read_artifact(folder.path() / name)) << name;
  };
  auto m = small_manifest();
  m.graph[0].inputs = {"later"};
  refuses(m, "input");
  m = small_manifest();
  m.segmentation = Segmentation{{255, {"scratch", "#ff0000"}}, std::vector<MaskThresholds>(255), {"gray"}, {}};
  refuses(m, "labels");
  m.segmentation->labels.pop_back();
  m.segmentation->thresholds.pop_back();
  ASSERT_TRUE(write_artifact(folder.path() / "as many as possible", m, kTensors, {{"w", "g", "p"}}));
  EXPECT_TRUE(read_artifact(folder.path() / "as many as possible"));
  m.segmentation->details = "none";
  refuses(m, "details");
  m.segmentation->details = "gray";
  ASSERT_TRUE(write_artifact(folder.path() / "with pixels", m, kTensors, {{"w", "g", "p"}}));
  const auto read = read_artifact(folder.path() / "with pixels");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->manifest.segmentation->details, "gray");
  m = small_manifest();
  m.graph[0].tensors["weights"] = "none";
  refuses(m, "tensor");
  m = small_manifest();
  m.contestants[0].maps = {"none"};
  refuses(m, "map");
  m = small_manifest();
  const auto refuses_pool = [&](Pool pool, const char* name) {
    auto changed = small_manifest();
    changed.contestants[0].pools = {pool};
    refuses(changed, name);
  };
  refuses_pool({.fraction = 0.1, .scale = 0}, "scale");
  refuses_pool({.fraction = 0}, "no cells");
  refuses_pool({.fraction = 1.1}, "too many cells");
  refuses_pool({.level_exponent = 2}, "exponent");
  refuses_pool({.weight = 1e300}, "weight");
  refuses_pool({.location = -1e300}, "location");
  m.contestants[0].pools.clear();
  refuses(m, "no pools");
  m = small_manifest();
  m.contestants[0].pools.resize(65);
  refuses(m, "many pools");
  m = small_manifest();
  m.contestants[0].map_unit = 0;
  refuses(m, "unit");
  m = small_manifest();
  m.image_height = 1 << 20;
  refuses(m, "size");
}

TEST(Artifact, FloatsStayWhereTheyAreAndHalvesAreWidened) {
  // Three halves before "b" would push it off its alignment.
  const auto bytes = std::make_shared<const std::string>(
      to_safetensors({{"a", Tensor::make({3}, {1, -0.5F, 0x1p-24F})}, {"b", Tensor::make({2}, {0.1F, 3e38F})}}));
  const auto tensors = parse_safetensors(*bytes, bytes);
  ASSERT_TRUE(tensors);
  const auto is_inside = [&](const float* data) {
    const auto* at = reinterpret_cast<const char*>(data);
    return at >= bytes->data() && at < bytes->data() + bytes->size();
  };
  EXPECT_TRUE(is_inside(tensors->at("b").data()));
  EXPECT_EQ(tensors->at("b").copy(), (std::vector<float>{0.1F, 3e38F}));
  EXPECT_FALSE(is_inside(tensors->at("a").data()));
  EXPECT_EQ(tensors->at("a").copy(), (std::vector<float>{1, -0.5F, 0x1p-24F}));
}

TEST(Artifact, ShapesWhoseProductWrapsRoundAreRefused) {
  const auto blob = [](const std::string& header, const std::string& data = {}) {
    std::string out(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(out.data(), &length, 8);
    return out + header + data;
  };
  for (const char* shape :
       {"[2147483648,2147483648]", "[4294967296,4294967296]", "[4611686018427387904]", "[2147483648,2147483648,4]",
        "[9223372036854775807,2]", "[-1,-1]", "[65536,65536,65536,65536]"})
    for (const char* type : {"F32", "F16"}) {
      const auto bytes = std::make_shared<const std::string>(
          blob(std::string(R"({"a":{"dtype":")") + type + R"(","shape":)" + shape + R"(,"data_offsets":[0,0]}})"));
      EXPECT_FALSE(parse_safetensors(*bytes, bytes)) << shape;
      EXPECT_FALSE(parse_safetensors(*bytes)) << shape;
    }
  EXPECT_TRUE(parse_safetensors(blob(R"({"a":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]}})")));
  EXPECT_TRUE(parse_safetensors(blob(R"({"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}})", "1234")));
  EXPECT_FALSE(parse_safetensors(blob(std::string((16 << 20) + 1, ' '))));  // before it is parsed
}

TEST(Artifact, DamagedBlobsNeverCrash) {
  const std::string bytes = to_safetensors({{"w", kTensors.at("w")}, {"g", kTensors.at("g")}});
  ASSERT_TRUE(parse_safetensors(bytes));
  Random random(3);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_FALSE(parse_safetensors(std::string_view(bytes).substr(0, length)));
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = bytes;
    damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    const auto parsed = parse_safetensors(damaged);
    if (!parsed) continue;
    for (const auto& [name, tensor] : *parsed) EXPECT_LE(tensor.count * 4, damaged.size());
  }
}

}  // namespace
}  // namespace vedette
