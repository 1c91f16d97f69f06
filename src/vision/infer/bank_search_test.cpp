#include "vision/infer/bank_search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace vedette {
namespace {

constexpr int kSide = 64, kCell = 8, kCells = kSide / kCell;

/// Describes the cells of a picture by their colours. The bank has two folds: black and red, and white.
Artifact colour_model() {
  Artifact artifact;
  auto& m = artifact.manifest;
  m.image_height = m.image_width = m.input_height = m.input_width = kSide;
  m.graph = {{"average_pool", "cells", {"image"}, {}, {{"size", kCell}}},
             {"tokens", "rows", {"cells"}, {}, {}},
             {"nearest_distance",
              "distance",
              {"rows"},
              {{"bank", "bank"}, {"groups", "groups"}},
              {{"height", kCells}, {"width", kCells}}}};
  artifact.tensors["bank"] = Tensor::make({3, 3}, {0, 0, 0, 1, 0, 0, 1, 1, 1});
  artifact.tensors["groups"] = Tensor::make({3}, {0, 2, 3});
  return artifact;
}

/// The same, with pictures that are registered to a bright square in the middle.
Artifact registered_model(const Planes& reference) {
  auto artifact = colour_model();
  auto& graph = artifact.manifest.graph;
  graph[0].inputs = {"registered"};
  graph.insert(graph.begin(), {{"register", "pose", {"image"}, {{"reference", "reference"}}, {{"reduction", 1}}},
                               {"warp_to_reference", "registered", {"image", "pose"}, {}, {{"scale", 1}}}});
  const auto map = registration_map(reference, 1);
  artifact.tensors["reference"] = Tensor::make({map.height, map.width}, map.values);
  return artifact;
}

RgbImage grey(std::uint8_t level) {
  return {kSide, kSide, std::vector<std::uint8_t>(std::size_t{3} * kSide * kSide, level)};
}

void paint(RgbImage& image, int top, int left, int height, int width, std::array<std::uint8_t, 3> colour) {
  for (int y = top; y < top + height; ++y)
    for (int x = left; x < left + width; ++x)
      for (std::size_t c = 0; c < 3; ++c) image.pixels[static_cast<std::size_t>(3 * (y * kSide + x)) + c] = colour[c];
}

bool every(std::size_t) {
  return true;
}

TEST(BankSearch, FindsTheOddestCellAndTheNearestRow) {
  auto search = BankSearch::plan(colour_model(), Precision::fp32);
  ASSERT_TRUE(search);
  EXPECT_EQ(search->rows(), 3U);
  auto image = grey(0);
  paint(image, 2 * kCell, 5 * kCell, kCell, kCell, {180, 0, 0});
  paint(image, 6 * kCell, kCell, kCell, kCell, {250, 250, 250});
  search->look(image);
  const auto oddest = search->oddest({});
  EXPECT_EQ(oddest.row, 2);
  EXPECT_EQ(oddest.column, 5);
  EXPECT_EQ(search->nearest(oddest, every), 1U);
  EXPECT_EQ(search->nearest(oddest, [](std::size_t row) { return row != 1; }), 0U);
  EXPECT_EQ(search->nearest({6, 1}, every), 2U);
  EXPECT_FALSE(search->nearest(oddest, [](std::size_t) { return false; }));
  // Without the white row, nothing is as odd as the white cell.
  EXPECT_EQ(search->oddest(1).row, 6);
  EXPECT_TRUE(search->is_of_fold(1, 0));
  EXPECT_TRUE(search->is_of_fold(2, 1));
  EXPECT_FALSE(search->is_of_fold(2, 0));
  EXPECT_FALSE(search->is_of_fold(2, 7));
}

TEST(BankSearch, CellsAndPointsOfThePictureBelongTogether) {
  auto search = BankSearch::plan(colour_model(), Precision::fp32);
  ASSERT_TRUE(search);
  search->look(grey(9));
  for (int row = 0; row < kCells; ++row)
    for (int column = 0; column < kCells; ++column) {
      const auto middle = search->middle_of({row, column});
      EXPECT_NEAR(middle.y, (row + 0.5) / kCells, 1e-9);
      EXPECT_NEAR(middle.x, (column + 0.5) / kCells, 1e-9);
      const auto cell = search->cell_at(middle);
      EXPECT_EQ(cell.row, row);
      EXPECT_EQ(cell.column, column);
    }
  EXPECT_EQ(search->cell_at({0, 1}).row, 0);
  EXPECT_EQ(search->cell_at({0, 1}).column, kCells - 1);
}

TEST(BankSearch, ARegisteredPictureIsFoundWhereItsPartLies) {
  auto good = grey(20);
  paint(good, 22, 20, 20, 24, {220, 220, 220});
  paint(good, 24, 38, 6, 4, {20, 20, 20});
  auto search = BankSearch::plan(registered_model(resize_to_planes(good, kSide, kSide)), Precision::fp32);
  ASSERT_TRUE(search);
  auto moved = grey(20);
  paint(moved, 22 + 4, 20 - 3, 20, 24, {220, 220, 220});
  paint(moved, 24 + 4, 38 - 3, 6, 4, {20, 20, 20});
  search->look(moved);
  // The middle of the cell at 36, 28 of the reference lies 4 pixels lower and 3 pixels to the left.
  const auto middle = search->middle_of({4, 3});
  EXPECT_NEAR(middle.y * kSide, 36 + 4, 0.7);
  EXPECT_NEAR(middle.x * kSide, 28 - 3, 0.7);
  const auto cell = search->cell_at(middle);
  EXPECT_EQ(cell.row, 4);
  EXPECT_EQ(cell.column, 3);
  // What is seen lies where the reference has it.
  EXPECT_NEAR(search->seen().values[23 * kSide + 22], 220.0 / 255, 0.1);
}

TEST(BankSearch, AModelWithoutABankHasNone) {
  auto artifact = colour_model();
  artifact.manifest.graph.pop_back();
  EXPECT_FALSE(BankSearch::plan(artifact, Precision::fp32));
}

}  // namespace
}  // namespace vedette
