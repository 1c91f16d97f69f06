#include "vision/pretrain/pretrain.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "vision/artifact/artifact.hpp"
#include "vision/pretrain/scenes.hpp"
#include "vision/pretrain/views.hpp"

namespace vedette {
namespace {

torch::Tensor pixels_of(const Block& block) {
  return torch::tensor(torch::ArrayRef<std::uint8_t>(block.pixels)).reshape({block.pictures, kPicture, kPicture, 3});
}

Views views_of(const Block& block, std::uint64_t seed) {
  return make_views(pixels_of(block), block.steps[0], block.patches_per_picture, seed);
}

TEST(Scenes, DependOnTheSeedAlone) {
  const auto one = draw_block(7, 3, 2, 2, 1), same = draw_block(7, 3, 2, 2, 2), other = draw_block(8, 3, 2, 2, 2);
  EXPECT_EQ(one.pixels, same.pixels);
  EXPECT_NE(one.pixels, other.pixels);
  ASSERT_EQ(one.steps.size(), 2U);
  for (std::size_t s = 0; s < 2; ++s) {
    EXPECT_EQ(one.steps[s].centres, same.steps[s].centres);
    EXPECT_EQ(one.steps[s].copies, same.steps[s].copies);
  }
  EXPECT_NE(one.steps[0].centres, one.steps[1].centres);
}

TEST(Views, DependOnTheSeedAndLookAlike) {
  const auto block = draw_block(7, 6, 2, 1, 2);
  const auto one = views_of(block, 3), same = views_of(block, 3), other = views_of(block, 4);
  EXPECT_TRUE(one.images.equal(same.images));
  EXPECT_FALSE(one.images.equal(other.images));
  EXPECT_EQ(one.images.sizes(), (torch::IntArrayRef{12 * (2 + kCopies), 3, kPatch, kPatch}));
  EXPECT_TRUE(one.images.isfinite().all().item<bool>());
  EXPECT_GT(one.images.min().item<float>(), -1);
  EXPECT_LT(one.images.max().item<float>(), 2);
}

TEST(Views, CoverTheSamePlaceOnceStraightened) {
  // The pattern is so coarse that it survives noise and focus; without straightening the poses blur what they share.
  auto block = draw_block(5, 8, 1, 1, 1);
  for (std::size_t i = 0; i < block.pixels.size(); ++i) {
    const auto place = i / 3 % (kPicture * kPicture);
    block.pixels[i] = (place / kPicture / 6 + place % kPicture / 6) % 2 == 0 ? 40 : 200;
  }
  const auto views = views_of(block, 6);
  const auto likeness = [&](const torch::Tensor& images) {
    const auto flat = images.mean(1).reshape({images.size(0), -1});
    const auto centred = flat - flat.mean(1, true);
    const auto first = centred.narrow(0, 0, 8), second = centred.narrow(0, 8, 8);
    return ((first * second).sum(1) / (first.norm(2, 1) * second.norm(2, 1))).mean().item<double>();
  };
  namespace F = torch::nn::functional;
  const auto grid = F::affine_grid(views.straighten, {views.images.size(0), 3, kPatch, kPatch}, false);
  const auto straight =
      F::grid_sample(views.images, grid, F::GridSampleFuncOptions().mode(torch::kBilinear).align_corners(false));
  const auto middle = [](const torch::Tensor& images) { return images.narrow(2, 12, 40).narrow(3, 12, 40); };
  EXPECT_GT(likeness(middle(straight)), 0.8);
  EXPECT_LT(likeness(middle(views.images)), 0.6);
}

TEST(Views, DamageIsFlaggedWhereItCanBeSeen) {
  const auto block = draw_block(3, 12, 4, 1, 2);
  const auto views = views_of(block, 3);
  const auto count = [](const torch::Tensor& flags) { return flags.sum().item<std::int64_t>(); };
  EXPECT_GT(count(views.damaged_patches[0]), 24);  // Of 48 damages some lie outside of their view.
  EXPECT_GT(count(views.damaged_patches[1]), 12);
  EXPECT_LT(count(views.damaged_cells[1]), 48 * kCells * kCells / 4);
  // What holds for a cell holds for its patch.
  const auto cells = views.damaged_cells.reshape({kCopies, 48, kCells * kCells}).any(2);
  EXPECT_EQ(count(cells.logical_and(views.damaged_patches.logical_not())), 0);
  // Copies without damage have no flags.
  auto whole = block;
  for (std::size_t n = 0; n < 48; ++n) {
    const auto* picture = whole.pixels.data() + n / 4 * 3 * kPicture * kPicture;
    for (std::size_t i = 0; i < std::size_t{kCopies} * kCore * kCore; ++i) {
      const auto row = std::clamp<std::int64_t>(
          whole.steps[0].centres[2 * n] - kCore / 2 + static_cast<std::int64_t>(i / kCore % kCore), 0, kPicture - 1);
      const auto column = std::clamp<std::int64_t>(
          whole.steps[0].centres[2 * n + 1] - kCore / 2 + static_cast<std::int64_t>(i % kCore), 0, kPicture - 1);
      std::copy_n(picture + 3 * (row * kPicture + column), 3,
                  whole.steps[0].copies.data() + (n * kCopies * kCore * kCore + i) * 3);
    }
  }
  EXPECT_EQ(count(views_of(whole, 3).damaged_patches), 0);
}

class Pretraining : public testing::Test {
 protected:
  PretrainOptions options(const char* name) const {
    PretrainOptions o;
    o.folder = folder_.path() / name;
    o.steps = 6;
    o.pictures = 2;
    o.patches = 2;
    o.looks = 2;
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
          cancelled = reached % 2 == 1;  // The run is cut off between steps that share pictures.
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
