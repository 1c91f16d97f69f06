#include "vision/infer/examples.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace vedette {
namespace {

/// Cells whose two features are their row and column.
CellFeatures numbered_cells(int height, int width) {
  CellFeatures cells;
  cells.height = height;
  cells.width = width;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      cells.rows.push_back(static_cast<float>(y));
      cells.rows.push_back(static_cast<float>(x));
    }
  return cells;
}

TEST(ExamplesTest, PlacesAreThePeaksOfTheMapTheHighestFirst) {
  Grid<float> map(40, 60);
  map.at(10, 20) = 2;
  map.at(10, 21) = 1.9F;  // beside a higher one
  map.at(30, 50) = 3;
  const auto places = find_places(map, numbered_cells(20, 30));
  ASSERT_EQ(places.size(), 2U);
  EXPECT_EQ(places[0].height, 3);
  EXPECT_NEAR(places[0].y, 30.5 / 40, 1e-9);
  EXPECT_NEAR(places[0].x, 50.5 / 60, 1e-9);
  // The mean of the cell and its neighbours is that of the cell, since the features rise evenly.
  EXPECT_NEAR(places[0].features[0], 15, 1e-4);
  EXPECT_NEAR(places[0].features[1], 25, 1e-4);
  EXPECT_NEAR(places[1].features[0], 5, 1e-4);
}

TEST(ExamplesTest, ThePlaceThatSomebodyPointsAtComesFirst) {
  Grid<float> map(40, 60);
  map.at(30, 50) = 3;
  map.at(10, 20) = 0.5F;
  const auto places = find_places(map, numbered_cells(20, 30), PicturePoint{10.5 / 40, 20.5 / 60});
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0].height, 0.5);
  EXPECT_NEAR(places[0].features[1], 10, 1e-4);
  EXPECT_EQ(places[1].height, 3);
}

TEST(ExamplesTest, ThereAreSoManyPlacesAtMostAndNoneWhereNothingStandsOut) {
  Grid<float> map(100, 100);
  EXPECT_TRUE(find_places(map, numbered_cells(10, 10)).empty());
  for (int y = 5; y < 100; y += 10)
    for (int x = 5; x < 100; x += 10) map.at(y, x) = 1;
  EXPECT_EQ(find_places(map, numbered_cells(10, 10)).size(), kMostPlaces);
}

TEST(ExamplesTest, CellsAreFoundWhereThePoseOfThePictureSaysTheyAre) {
  // In this picture the part lies 3 rows lower and 2 columns to the left, turned by 20 degrees.
  const int height = 31, width = 41;
  const RigidTransform pose{3, -2, 0.349};
  const double y = 8, x = 26;  // a cell of the reference
  const double cy = (height - 1) / 2.0, cx = (width - 1) / 2.0, c = std::cos(pose.angle), s = std::sin(pose.angle);
  const double at_y = s * (x - cx) + c * (y - cy) + cy + pose.dy, at_x = c * (x - cx) - s * (y - cy) + cx + pose.dx;
  Grid<float> map(height, width);
  map.at(static_cast<int>(std::lround(at_y)), static_cast<int>(std::lround(at_x))) = 1;
  auto cells = numbered_cells(height, width);
  cells.pose = pose;
  const auto places = find_places(map, cells);
  ASSERT_EQ(places.size(), 1U);
  EXPECT_NEAR(places[0].features[0], y, 1.01);
  EXPECT_NEAR(places[0].features[1], x, 1.01);
}

TEST(ExamplesTest, TheDistanceIsThatToTheNearestRowOfTheBank) {
  Grid<float> map(10, 10);
  map.at(4, 5) = 1;
  auto cells = numbered_cells(10, 10);
  const std::vector<float> bank = {0, 0, 4, 8, 9, 9};
  cells.bank = bank;
  EXPECT_NEAR(find_places(map, cells).at(0).distance, 3, 1e-4);
}

TEST(ExamplesTest, TextKeepsExamplesButForTheLastDigits) {
  const std::vector<Example> examples = {
      {"s3://b/é", true, true, 1.25, {{0.5, 0.25, 3, {1.5F, -2.01F}, 0.75}, {0.1, 0.2, 1, {0, 0.001F}, 2}}},
      {"s3://b/2", false, false, 0.5, {}}};
  const auto back = parse_examples(to_text(examples));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ((*back)[0].source_ref, "s3://b/é");
  EXPECT_TRUE((*back)[0].is_anomalous && (*back)[0].is_pointed);
  EXPECT_EQ((*back)[0].anomaly_score, 1.25);
  ASSERT_EQ((*back)[0].places.size(), 2U);
  EXPECT_EQ((*back)[0].places[0].height, 3);
  EXPECT_EQ((*back)[0].places[0].distance, 0.75);
  EXPECT_NEAR((*back)[0].places[0].features[1], -2.01, 0.01);
  EXPECT_FALSE((*back)[1].is_anomalous);
}

TEST(ExamplesTest, WhatIsNoExamplesIsRefused) {
  const std::string places = R"("is_anomalous":true,"is_pointed":false,"anomaly_score":1,"places":[)";
  const std::string place = R"({"y":0,"x":0,"height":1,"distance":1,"features":")";
  for (const auto& text :
       {std::string("no JSON"), std::string("[1]"), std::string(R"([{"source_ref":"a"}])"),
        R"([{"source_ref":"a",)" + places + place + R"(AA=="}]}])",                              // half a number
        R"([{"source_ref":"a",)" + places + place + R"("}]}])",                                  // no number
        R"([{"source_ref":"a",)" + places + place + R"(gH8="}]}])",                              // infinity
        R"([{"source_ref":"a",)" + places + place + R"(AAA="},)" + place + R"(AAAAAA=="}]}])"})  // rows of two lengths
    EXPECT_EQ(parse_examples(text).error().kind, ErrorKind::invalid_input) << text;
}

}  // namespace
}  // namespace vedette
