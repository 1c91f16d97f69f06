#include "vision/pretrain/pretrain.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/pretrain/views.hpp"

namespace vedette {
namespace {

TEST(Views, DependOnTheSeedAlone) {
  const auto one = draw_views(7, 3, 2, 1), same = draw_views(7, 3, 2, 2), other = draw_views(8, 3, 2, 2);
  EXPECT_EQ(one.patches, 6);
  EXPECT_EQ(one.first, same.first);
  EXPECT_EQ(one.damaged, same.damaged);
  EXPECT_EQ(one.damaged_quadrants, same.damaged_quadrants);
  EXPECT_NE(one.first, other.first);
  EXPECT_NE(one.first, one.second);
  for (const auto* views : {&one.first, &one.second, &one.damaged}) {
    const auto [low, high] = std::minmax_element(views->begin(), views->end());
    EXPECT_GE(*low, 0);
    EXPECT_LE(*high, 1);
  }
}

TEST(Views, MostPatchesAreVisiblyDamagedWhereTheFlagsSay) {
  const auto batch = draw_views(3, 12, 4, 2);
  const auto damaged = std::count(batch.is_damaged.begin(), batch.is_damaged.end(), 1);
  EXPECT_GT(damaged, 24);  // Of 48 damages some are pastes that look like what was there.
  for (std::size_t n = 0; n < batch.is_damaged.size(); ++n) {
    const auto* quadrants = batch.damaged_quadrants.data() + n * kQuadrants;
    EXPECT_EQ(batch.is_damaged[n] != 0, std::any_of(quadrants, quadrants + kQuadrants, [](auto q) { return q != 0; }));
  }
}

class Pretraining : public testing::Test {
 protected:
  PretrainOptions options(const char* name) const {
    PretrainOptions o;
    o.folder = folder_.path() / name;
    o.steps = 6;
    o.pictures = 2;
    o.patches = 2;
    o.checkpoint_every = 2;
    o.report_every = 1;
    o.threads = 1;
    return o;
  }
  static std::string weights(const PretrainOptions& options) {
    const auto bytes = read_file(options.folder / "backbone.safetensors", 64 << 20);
    return bytes ? std::string(as_text(*bytes)) : "";
  }
  TemporaryFolder folder_;
};

TEST_F(Pretraining, ARunThatWasCutOffEndsWithTheSameWeightsAsOneWithoutABreak) {
  const auto whole = options("whole"), parts = options("parts");
  const auto nothing = [](const PretrainStep&) {};
  std::atomic<bool> never = false;
  ASSERT_TRUE(pretrain(whole, nothing, never));
  std::atomic<bool> cancelled = false;
  int starts = 0;
  for (int reached = 0; reached < parts.steps; ++starts) {
    cancelled = false;
    ASSERT_TRUE(pretrain(
        parts,
        [&](const PretrainStep& s) {
          reached = s.step;
          cancelled = reached % 2 == 1;
        },
        cancelled));
  }
  EXPECT_EQ(starts, 4);
  EXPECT_FALSE(weights(whole).empty());
  EXPECT_EQ(weights(whole), weights(parts));
}

TEST_F(Pretraining, WeightsAreHalfPrecisionSafetensorsOfTheWholeBackbone) {
  const auto o = options("weights");
  std::atomic<bool> never = false;
  PretrainStep last;
  ASSERT_TRUE(pretrain(
      o, [&](const PretrainStep& s) { last = s; }, never));
  EXPECT_EQ(last.step, 6);
  EXPECT_GT(last.loss, 0);
  const auto file = weights(o);
  std::uint64_t size = 0;
  for (std::size_t i = 8; i-- > 0;) size = size << 8 | static_cast<unsigned char>(file[i]);
  const auto header = nlohmann::json::parse(file.substr(8, size));
  EXPECT_EQ(header.at("stages.0.0.weight").at("shape"), (std::vector<int>{24, 3, 3, 3}));
  EXPECT_EQ(header.at("stages.3.3.bias").at("shape"), (std::vector<int>{192}));
  std::size_t bytes = 0;
  for (auto it = header.begin(); it != header.end(); ++it)
    if (it.key() != "__metadata__") {
      EXPECT_EQ(it.value().at("dtype"), "F16");
      bytes = std::max(bytes, it.value().at("data_offsets").at(1).get<std::size_t>());
    }
  EXPECT_EQ(8 + size + bytes, file.size());
  EXPECT_LT(file.size(), 15U << 20);
}

TEST_F(Pretraining, ARunMayBeginWithTheWeightsOfAnother) {
  std::atomic<bool> never = false;
  const auto nothing = [](const PretrainStep&) {};
  const auto first = options("first");
  ASSERT_TRUE(pretrain(first, nothing, never));
  auto second = options("second");
  second.from = first.folder / "backbone.safetensors";
  ASSERT_TRUE(pretrain(second, nothing, never));
  // After six more steps of warm-up the convolutions are those of the first run. Batch norms are folded into them, so
  // each filter may have another length.
  const auto one = parse_safetensors(weights(first)), other = parse_safetensors(weights(second));
  ASSERT_TRUE(one && other);
  for (const auto* name : {"stages.0.0.weight", "stages.3.3.weight"}) {
    const auto &a = one->at(name), &b = other->at(name);
    const auto size = a.count / static_cast<std::size_t>(a.size(0));
    for (std::size_t f = 0; f < static_cast<std::size_t>(a.size(0)); ++f) {
      double dot = 0, aa = 0, bb = 0;
      for (std::size_t i = f * size; i < (f + 1) * size; ++i) {
        dot += a.data()[i] * b.data()[i];
        aa += a.data()[i] * a.data()[i];
        bb += b.data()[i] * b.data()[i];
      }
      EXPECT_GT(dot, 0.999 * std::sqrt(aa * bb)) << name << " " << f;
    }
  }
  auto wrong = options("wrong");
  wrong.from = wrong.folder.parent_path() / "no.safetensors";
  ASSERT_TRUE(write_file_atomically(wrong.from, "not weights"));
  EXPECT_EQ(pretrain(wrong, nothing, never).error().kind, ErrorKind::invalid_input);
}

TEST_F(Pretraining, AFolderKeepsToItsOptions) {
  auto o = options("kept");
  std::atomic<bool> cancelled = true;
  ASSERT_TRUE(pretrain(
      o, [](const PretrainStep&) {}, cancelled));
  o.seed = 2;
  EXPECT_EQ(pretrain(
                o, [](const PretrainStep&) {}, cancelled)
                .error()
                .kind,
            ErrorKind::invalid_input);
  o.seed = 1;
  o.on_gpu = true;
  const auto on_gpu = pretrain(
      o, [](const PretrainStep&) {}, cancelled);
  if (!on_gpu) {
    EXPECT_EQ(on_gpu.error().message, "This LibTorch sees no GPU.");
  }
}

}  // namespace
}  // namespace vedette
