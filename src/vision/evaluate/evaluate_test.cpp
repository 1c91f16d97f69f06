#include "vision/evaluate/evaluate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"

namespace vedette {
namespace {

using Labels = std::vector<std::uint8_t>;

double slow_auroc(const std::vector<double>& scores, const Labels& labels) {
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    for (std::size_t j = 0; j < scores.size(); ++j)
      if (labels[i] && !labels[j]) pairs += 1, won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
  return won / pairs;
}

TEST(Evaluate, AurocAgreesWithTheDefinitionAndSurvivesMonotoneRescaling) {
  Random random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> scores, rescaled;
    Labels labels;
    for (int i = 0; i < 40; ++i) {
      labels.push_back(i < 2 ? static_cast<std::uint8_t>(i) : static_cast<std::uint8_t>(random.below(2)));
      scores.push_back(static_cast<double>(random.below(12)));  // So few different values give many ties.
      rescaled.push_back(std::exp(scores.back() / 3));
    }
    EXPECT_NEAR(auroc(scores, labels), slow_auroc(scores, labels), 1e-12);
    EXPECT_NEAR(auroc(rescaled, labels), auroc(scores, labels), 1e-12);
  }
  EXPECT_EQ(auroc(std::vector<double>{1, 2}, Labels{1, 1}), 0);
}

TEST(Evaluate, AveragePrecisionAgreesWithValuesByHand) {
  // The ranking is hit, miss, hit: (1/1 + 2/3) / 2.
  EXPECT_NEAR(average_precision(std::vector<double>{0.9, 0.8, 0.7}, Labels{1, 0, 1}), (1 + 2.0 / 3) / 2, 1e-12);
  // A tie counts as one step: 2 are called anomalous, 1 of them is a hit.
  EXPECT_NEAR(average_precision(std::vector<double>{0.5, 0.5}, Labels{1, 0}), 0.5, 1e-12);
}

TEST(Evaluate, TheGuidesCheckValues) {
  const auto f1 = [](double p, double r) { return 2 * p * r / (p + r); };
  EXPECT_NEAR(f1(.9, 1), .947, 1e-3);
  const auto m =
      classification_metrics({.true_positive = 9, .false_positive = 1, .true_negative = 5, .false_negative = 0});
  EXPECT_NEAR(m.precision, .9, 1e-12);
  EXPECT_NEAR(m.recall, 1, 1e-12);
  EXPECT_NEAR(m.f1, .947, 1e-3);
  EXPECT_EQ(classification_metrics({.true_negative = 5}).f1, 0);
}

TEST(Evaluate, TheThresholdLiesInTheGap) {
  EXPECT_DOUBLE_EQ(minimum_error_threshold(std::vector<double>{1, 2, 6, 7}, Labels{0, 0, 1, 1}), 4);
  // With one stray in each class, the threshold still lies between the bulks.
  const double t =
      minimum_error_threshold(std::vector<double>{1, 1.1, 1.2, 9, 5, 5.1, 5.2, 0}, Labels{0, 0, 0, 0, 1, 1, 1, 1});
  EXPECT_GT(t, 1.2);
  EXPECT_LT(t, 5);
}

TEST(Evaluate, CalibrationErrorsAgreeWithValuesByHand) {
  EXPECT_NEAR(expected_calibration_error(std::vector<double>{0.9, 0.9, 0.1, 0.1}, Labels{1, 1, 0, 0}), 0.1, 1e-12);
  EXPECT_NEAR(brier_score(std::vector<double>{0.9, 0.2}, Labels{1, 0}), (0.01 + 0.04) / 2, 1e-12);
}

TEST(Evaluate, OverlapAndPixelMetricsAgreeWithValuesByHand) {
  const Labels predicted{1, 1, 0, 2}, truth{1, 0, 0, 2};
  EXPECT_DOUBLE_EQ(count_overlap(predicted, truth, 1).iou(), 0.5);
  EXPECT_DOUBLE_EQ(count_overlap(predicted, truth, 2).iou(), 1);
  EXPECT_DOUBLE_EQ(count_overlap(predicted, truth, 3).iou(), 1);
  const std::vector<std::vector<float>> maps = {{0.1F, 0.9F}, {0.8F, 0.2F}};
  const auto right = pixel_metrics(maps, std::vector<Labels>{{0, 1}, {1, 0}});
  EXPECT_NEAR(right.auroc.value(), 1, 1e-9);
  EXPECT_NEAR(right.average_precision.value(), 1, 1e-9);
  const auto wrong = pixel_metrics(maps, std::vector<Labels>{{1, 0}, {0, 1}});
  EXPECT_NEAR(wrong.auroc.value(), 0, 1e-9);
  EXPECT_LT(wrong.average_precision.value(), 0.5);
  const auto clean = pixel_metrics(maps, std::vector<Labels>{{0, 0}, {0, 0}});
  EXPECT_FALSE(clean.auroc || clean.average_precision);
}

TEST(Evaluate, IntervalsSayWhatFewPicturesAllow) {
  // The expected values are those of Wilson's examples: 0 of 10 and 8 of 10.
  EXPECT_NEAR(wilson_interval(0, 10).high, 0.2775, 1e-3);
  EXPECT_NEAR(wilson_interval(8, 10).low, 0.4902, 1e-3);
  EXPECT_NEAR(wilson_interval(8, 10).high, 0.9433, 1e-3);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
  // Beta(1, 19) has the closed form 1 − (1 − p)^(1/19).
  EXPECT_NEAR(exceedance_interval(0, 19).high, 1 - std::pow(0.025, 1.0 / 19), 1e-9);
  EXPECT_NEAR(exceedance_interval(0, 19).low, 1 - std::pow(0.975, 1.0 / 19), 1e-9);
  EXPECT_NEAR(exceedance_interval(49, 999).high, 0.0645, 1e-3);
  EXPECT_EQ(exceedance_interval(3, 3).high, 1);
  const auto few = auroc_interval(1, 8, 14), many = auroc_interval(1, 800, 1400);
  EXPECT_LT(few.low, 0.9);
  EXPECT_GT(many.low, 0.99);
  EXPECT_DOUBLE_EQ(few.high, 1);
  // In Hanley and McNeil 1982, an AUROC of 0.893 with 51 and 58 pictures has a standard error of 0.032.
  const auto known = auroc_interval(0.893, 51, 58);
  EXPECT_NEAR((known.high - known.low) / (2 * 1.96), 0.032, 0.004);
}

TEST(Evaluate, WhatIsNotANumberIsTheLowestScore) {
  const double none = std::nan("");
  const std::vector<double> scores = {none, 1, none, 2};
  const std::vector<std::uint8_t> labels = {0, 0, 1, 1};
  EXPECT_DOUBLE_EQ(auroc(scores, labels), 0.75);
  EXPECT_GT(average_precision(scores, labels), 0.5);
  EXPECT_LT(minimum_error_threshold(scores, labels), 2);
}

TEST(Evaluate, TheNormalQuantileIsThatOfTheTables) {
  EXPECT_NEAR(normal_quantile(0.5), 0, 5e-4);
  EXPECT_NEAR(normal_quantile(0.875), 1.1503, 5e-4);
  EXPECT_NEAR(normal_quantile(0.975), 1.9600, 5e-4);
}

}  // namespace
}  // namespace vedette
