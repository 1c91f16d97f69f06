#include "vision/learn/learn.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "vision/evaluate/evaluate.hpp"
#include "vision/infer/infer.hpp"
#include "vision/learn/decision.hpp"
#include "vision/learn/features.hpp"
#include "vision/learn/fusion.hpp"
#include "vision/learn/linear_probe.hpp"
#include "vision/learn/normality.hpp"

namespace vedette {
namespace {

using Labels = std::vector<std::uint8_t>;

TEST(Coreset, CoversAllRowsAndRepeatsBySeed) {
  // There are three clusters far from each other: the first three chosen rows must lie in different ones.
  Random random(1);
  std::vector<float> rows;
  for (int i = 0; i < 90; ++i) {
    rows.push_back(static_cast<float>(100 * (i % 3) + random.normal()));
    rows.push_back(static_cast<float>(random.normal()));
  }
  const auto chosen = select_coreset(rows, 2, 10, 7);
  EXPECT_EQ(chosen.size(), 10U);
  EXPECT_EQ((chosen[0] % 3) + (chosen[1] % 3) + (chosen[2] % 3), 3U);
  EXPECT_NE(chosen[0] % 3, chosen[1] % 3);
  EXPECT_EQ(select_coreset(rows, 2, 10, 7), chosen);
  EXPECT_EQ(select_coreset(rows, 2, 1000, 7).size(), 90U);
}

TEST(Whitening, DifferencesBetweenSimilarRowsBecomeUnitsAndStructureStaysLarge) {
  // Channel 0 has two levels, 50 apart; all channels have noise of deviation 1. There are many channels, so that no two
  // rows are alike by chance.
  constexpr int channels = 16;
  Random random(2);
  std::vector<float> rows;
  std::vector<std::int32_t> picture;
  for (int i = 0; i < 4000; ++i) {
    for (int c = 0; c < channels; ++c)
      rows.push_back(static_cast<float>((c == 0 ? 50 * (i % 2) : 3) + random.normal()));
    picture.push_back(i / 400);
  }
  const auto w = fit_whitening(rows, channels, picture, channels, 1);
  ASSERT_EQ(w.weights.size(0), channels);
  std::vector<float> base(channels, 3.0F);
  base[0] = 0;
  auto other_level = base, noisy = base;
  other_level[0] = 50;
  noisy[1] += 3;
  const auto distance = [&](const std::vector<float>& a, const std::vector<float>& b) {
    const auto x = apply_whitening(w, a), y = apply_whitening(w, b);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return std::sqrt(sum);
  };
  // Scaled by its spread, it would be 0.7 times as large.
  EXPECT_GT(distance(base, other_level), 4 * distance(base, noisy));
  EXPECT_NEAR(distance(base, noisy), 3, 1.5);  // The unit is the difference of similar rows.
}

TEST(PositionSubspace, WhatACellDoesAnywayCostsLess) {
  // There are two cells of eight channels. The first cell varies by 6 along channel 2, everything else by 1.
  constexpr std::int64_t cells = 2, channels = 8;
  Random random(8);
  std::vector<float> rows;
  std::vector<std::size_t> pictures;
  for (std::size_t p = 0; p < 120; ++p) {
    pictures.push_back(p);
    for (int cell = 0; cell < cells; ++cell)
      for (int c = 0; c < channels; ++c)
        rows.push_back(static_cast<float>((cell == 0 && c == 2 ? 6 : 1) * random.normal() + 10 * cell));
  }
  const auto s = fit_position_subspace(rows, cells, channels, pictures, 2);
  const auto distance = [&](int cell, int channel, double step) {
    double norm = step * step, explained = 0;
    for (std::int64_t k = 0; k < s.basis.size(1); ++k)
      explained += std::pow(step * s.basis.data()[(cell * s.basis.size(1) + k) * channels + channel], 2);
    return s.weight.data()[cell] * norm - explained;
  };
  EXPECT_NEAR(s.mean.data()[channels], 10, 0.5);
  EXPECT_LT(distance(0, 2, 6), 0.2 * distance(0, 3, 6));
  EXPECT_GT(distance(1, 2, 6), 4 * distance(0, 2, 6));
  EXPECT_NEAR(distance(1, 2, 1), 1, 0.5);  // This is the Mahalanobis distance for a variance of one.
}

TEST(PositionSubspace, AMovedOneTakesTheNewPicturesAndKeepsTheOldOnes) {
  // One cell of eight channels. The new batch lies 20 away along channel 0 and varies by 5 along channel 1.
  constexpr std::int64_t channels = 8;
  Random random(9);
  std::vector<float> rows, moved_rows;
  std::vector<std::size_t> pictures;
  for (std::size_t p = 0; p < 60; ++p) {
    pictures.push_back(p);
    for (int c = 0; c < channels; ++c) rows.push_back(static_cast<float>(random.normal()));
  }
  for (int p = 0; p < 12; ++p)
    for (int c = 0; c < channels; ++c)
      moved_rows.push_back(static_cast<float>((c == 1 ? 5 : 1) * random.normal() + (c == 0 ? 20 : 0)));
  const auto before = fit_position_subspace(rows, 1, channels, pictures, 1);
  std::vector<std::span<const float>> batch;
  for (std::size_t p = 0; p < 12; ++p) batch.push_back(std::span(moved_rows).subspan(8 * p, 8));
  const auto after = move_position_subspace(before, batch, 1);
  const auto distance = [&](const PositionSubspace& s, std::vector<float> x) {
    double sum = 0;
    for (std::size_t c = 0; c < 8; ++c) x[c] -= s.mean.data()[c];
    for (std::size_t c = 0; c < 8; ++c) sum += s.weight.data()[0] * x[c] * x[c];
    for (std::size_t k = 0; k < static_cast<std::size_t>(s.basis.size(1)); ++k) {
      double along = 0;
      for (std::size_t c = 0; c < 8; ++c) along += s.basis.data()[8 * k + c] * x[c];
      sum -= along * along;
    }
    EXPECT_GT(sum, -1e-3);  // It stays a distance.
    return std::sqrt(std::max(0.0, sum));
  };
  const std::vector<float> middle = {20, 0, 0, 0, 0, 0, 0, 0}, restless = {20, 8, 0, 0, 0, 0, 0, 0}, old(8, 0.0F),
                           odd = {20, 0, 0, 8, 0, 0, 0, 0};
  EXPECT_GT(distance(before, middle), 10);
  EXPECT_LT(distance(after, middle), 2);
  EXPECT_LT(distance(after, old), 3);
  EXPECT_LT(distance(after, restless), 0.6 * distance(after, odd));
  EXPECT_GT(distance(after, odd), 4);  // What neither batch does stays odd.
}

TEST(PrincipalComponents, ComeInTheOrderOfTheirVariance) {
  Random random(9);
  std::vector<float> rows;
  for (int i = 0; i < 2000; ++i)
    for (const double scale : {1.0, 5.0, 0.1}) rows.push_back(static_cast<float>(3 + scale * random.normal()));
  const auto p = fit_principal_components(rows, 3, 2);
  ASSERT_EQ(p.weights.size(1), 2);
  EXPECT_NEAR(p.weights.data()[2], 1, 0.01);  // This is channel 1 of the first component.
  EXPECT_NEAR(apply_whitening(p, std::vector<float>{3, 8, 3})[0], 5, 0.5);
  const auto within = fit_residual_whitening(apply_whitening(p, rows), 1, 2);
  EXPECT_NEAR(apply_whitening(compose(p, within), std::vector<float>{3, 8, 3})[0], 1, 0.1);
}

struct Scores {
  std::vector<ScoreRow> rows;
  Labels labels;
  std::vector<std::int64_t> fold;
  /// Every second picture is anomalous. The first contestant has two pools, of which the second sees the defects; the
  /// second contestant is noise.
  Scores(int count, double shift, std::uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < count; ++i) {
      labels.push_back(static_cast<std::uint8_t>(i % 2));
      fold.push_back(i / 2 % 4);
      rows.push_back({{random.normal(), random.normal() + shift * (i % 2)}, {random.normal()}});
    }
  }
};
const std::vector<Entrant> kEntrants = {{{true, true}}, {{true}}};

TEST(Logistic, WeighsWhatHelpsAndNeverNegatively) {
  const Scores scores(400, 3, 3);
  std::vector<std::vector<double>> columns;
  for (const auto& row : scores.rows) columns.push_back({row[0][1], row[1][0], -row[0][1]});  // The last is all wrong.
  const auto fusion = fit_logistic(columns, scores.labels);
  EXPECT_GT(fusion.weights[0], 3 * fusion.weights[1]);
  EXPECT_GE(fusion.weights[2], 0);
  EXPECT_LT(fusion.weights[2], 0.05 * fusion.weights[0]);
}

TEST(Evidence, ChanceAndWorseIsNoneAndFewPicturesAreLittle) {
  const std::vector<double> rising = {1, 2, 3, 4, 5, 6}, falling = {6, 5, 4, 3, 2, 1};
  const Labels few = {0, 0, 0, 1, 1, 1};
  EXPECT_EQ(evidence(falling, few, 4, 1), 0);
  // Three that are told apart and four that are not make an AUROC of 5/7, which is 0.566 deviations of Φ.
  EXPECT_NEAR(evidence(rising, few, 4, 1), std::sqrt(2.0) * 0.566, 0.002);
  EXPECT_LT(evidence(rising, few, 12, 1), 0.6 * evidence(rising, few, 4, 1));
  EXPECT_NEAR(evidence(rising, few, 4, 0.1), evidence(rising, few, 40, 1), 1e-9);
}

TEST(Fusion, WhatKnowsNothingHardlyCounts) {
  const Scores scores(200, 2, 4);
  const auto choice = choose_fusion(scores.rows, scores.labels, scores.fold, 4, kEntrants, 1);
  const auto& weights = choice.fusion.weights;
  EXPECT_GT(weights[0][1], 0.5);
  EXPECT_LT(weights[0][0], 0.1 * weights[0][1]);
  EXPECT_LT(weights[1][0], 0.1 * weights[0][1]);
  EXPECT_EQ(choice.cross_fitted_logits.size(), scores.rows.size());
}

TEST(Fusion, FewPicturesAndStandInsChangeTheEqualWeightsLittle) {
  const Scores few(4, 9, 5), many(200, 9, 5);
  const auto share = [](const Fusion& f) { return f.weights[1][0] / (f.weights[0][0] + f.weights[0][1]); };
  const auto sure = share(choose_fusion(many.rows, many.labels, many.fold, 4, kEntrants, 1).fusion);
  const auto unsure = share(choose_fusion(few.rows, few.labels, few.fold, 4, kEntrants, 1).fusion);
  const auto doubtful = share(choose_fusion(many.rows, many.labels, many.fold, 4, kEntrants, 0.02).fusion);
  EXPECT_LT(sure, 0.1);
  EXPECT_GT(unsure, 2 * sure);
  EXPECT_GT(doubtful, 2 * sure);
}

TEST(Fusion, WhatLearnedFromTheDefectsIsBelievedLater) {
  Scores scores(20, 3, 6);
  for (auto& row : scores.rows) row[1][0] = row[0][1];  // Both contestants say the same.
  std::vector<Entrant> entrants = {{{true, true}}, {{true}, true}};
  const auto learner = choose_fusion(scores.rows, scores.labels, scores.fold, 4, entrants, 1).fusion.weights;
  EXPECT_LT(learner[1][0], 0.8 * learner[0][1]);
}

TEST(Fusion, DefectsThatLookGoodDoNotSwitchTheDetectorOff) {
  Random random(8);
  std::vector<ScoreRow> rows;
  Labels labels;
  std::vector<std::int64_t> fold;
  for (int i = 0; i < 24; ++i) {
    rows.push_back({{random.normal(), random.normal()}, {random.normal()}});
    labels.push_back(0);
    fold.push_back(i % 4);
  }
  rows.push_back({{-0.5, -0.5}, {-0.5}});
  labels.push_back(1);
  fold.push_back(0);
  const auto fusion = choose_fusion(rows, labels, fold, 4, kEntrants, 1).fusion;
  EXPECT_GT(fusion.logit({{10, 10}, {10}}), fusion.logit({{0, 0}, {0}}) + 0.5);
}

TEST(Fusion, WithoutDefectsTheDefaultPoolsOfAllContestantsCountAlike) {
  const std::vector<ScoreRow> rows = {{{1, 3}, {2}}, {{2, 4}, {0}}};
  const std::vector<Entrant> entrants = {{{false, true}}, {{true}}};
  const auto choice = choose_fusion(rows, Labels{0, 0}, std::vector<std::int64_t>{0, 1}, 2, entrants, 1);
  EXPECT_EQ(choice.fusion.weights, (std::vector<std::vector<double>>{{0, 0.5}, {0.5}}));
  EXPECT_EQ(choice.cross_fitted_logits, (std::vector<double>{2.5, 2}));
}

TEST(Fusion, WithoutDefectsAContestantCountsByItsShare) {
  const std::vector<ScoreRow> rows = {{{1}, {2}}, {{2}, {0}}};
  const std::vector<Entrant> entrants = {{{true}}, {{true}, false, 0.25}};
  const auto choice = choose_fusion(rows, Labels{0, 0}, std::vector<std::int64_t>{0, 1}, 2, entrants, 1);
  EXPECT_EQ(choice.fusion.weights, (std::vector<std::vector<double>>{{0.8}, {0.2}}));
}

TEST(Decision, AMovedThresholdComesHalfwayToTheGoodPicturesAndNeverRises) {
  const std::vector<double> good = {-5, -4, -4, -3, -5, -4, -3, -4};
  const double moved = moved_threshold(3, good);
  EXPECT_GT(moved, -0.5);
  EXPECT_LT(moved, 0.5);
  EXPECT_EQ(moved_threshold(-4, good), -4);
}

TEST(LinearProbe, LearnsADirectionFromFewPicturesAndIgnoresWhatNeverVaries) {
  constexpr std::int64_t kWidth = 60;
  Random random(7);
  const auto describe = [&](bool is_anomalous, std::vector<float>& to) {
    for (std::int64_t c = 0; c < kWidth; ++c)
      to.push_back(c == 0 ? 5.0F : static_cast<float>(random.normal() + (is_anomalous && c < 10 ? 1.5 : 0)));
  };
  std::vector<float> rows;
  Labels labels;
  for (int i = 0; i < 40; ++i) {
    labels.push_back(i % 4 == 0 ? 1 : 0);
    describe(i % 4 == 0, rows);
  }
  const auto probe = fit_linear_probe(rows, kWidth, labels);
  EXPECT_EQ(probe.weights[0], 0);
  std::vector<double> scores;
  Labels later;
  for (int i = 0; i < 200; ++i) {
    std::vector<float> row;
    describe(i % 2 == 0, row);
    double logit = probe.bias;
    for (std::size_t c = 0; c < row.size(); ++c)
      logit +=
          probe.weights[c] * std::clamp<double>((row[c] - probe.center[c]) * probe.scale[c], -kProbeLimit, kProbeLimit);
    scores.push_back(logit);
    later.push_back(i % 2 == 0 ? 1 : 0);
  }
  EXPECT_GT(auroc(scores, later), 0.95);
}

TEST(Decision, StaysSensibleWhenAClassIsMissing) {
  Random random(5);
  std::vector<double> good;
  for (int i = 0; i < 18; ++i) good.push_back(random.normal());
  const auto normal_only = choose_decision(good, Labels(18, 0));
  const auto above =
      std::count_if(good.begin(), good.end(), [&](double score) { return score >= normal_only.threshold; });
  EXPECT_LE(above, 4);
  EXPECT_GT(normal_only.threshold, 0.5);
  EXPECT_LT(normal_only.threshold, 2.5);
  const auto defects_only = choose_decision(good, Labels(18, 1));
  EXPECT_LT(defects_only.threshold, *std::min_element(good.begin(), good.end()));
}

TEST(Decision, AFalseAlarmBudgetIsKept) {
  // The budget holds whatever the distribution: over many draws a new good picture exceeds the threshold in at most one
  // case of ten, and not much less often.
  Random random(6);
  int passed = 0;
  constexpr int draws = 4000;
  for (int d = 0; d < draws; ++d) {
    std::vector<double> good;
    for (int i = 0; i < 19; ++i) good.push_back(std::exp(2 * random.normal()));
    const auto decision = choose_decision(good, Labels(good.size(), 0), 0.1);
    passed += std::exp(2 * random.normal()) >= decision.threshold ? 1 : 0;
  }
  EXPECT_LT(passed, draws * 0.1 + 2 * std::sqrt(draws * 0.09));
  EXPECT_GT(passed, draws * 0.05);
}

TEST(Decision, ABudgetOnlyRaisesTheThreshold) {
  std::vector<double> logits;
  Labels labels;
  for (int i = 0; i < 100; ++i) logits.push_back(i), labels.push_back(i < 30 || i % 2 == 0 ? 0 : 1);
  const auto balanced = choose_decision(logits, labels), strict = choose_decision(logits, labels, 0.02);
  EXPECT_GT(strict.threshold, balanced.threshold);
  EXPECT_DOUBLE_EQ(choose_decision(logits, labels, 0.9).threshold, balanced.threshold);
  // There are too few good pictures to know, so the threshold lies above all of them.
  const std::vector<double> few = {0, 1, 2, 3};
  EXPECT_GT(choose_decision(few, Labels(4, 0), 0.001).threshold, 3);
}

TEST(Decision, ConfidenceIsLimitedByTheEvidence) {
  std::vector<double> logits;
  Labels labels;
  for (int i = 0; i < 40; ++i) logits.push_back(i < 30 ? -5 : 5), labels.push_back(i < 30 ? 0 : 1);
  const auto few = choose_decision(logits, labels);
  EXPECT_NEAR(few.confidence_limit, 1 - 0.5 / 12, 1e-12);
  EXPECT_NEAR(few.threshold, 0, 1e-9);
  EXPECT_GT(few.confidence_slope, 0);
}

/// Pictures that look alike, in two folds, with logits by their class.
struct OutOfFoldSet {
  std::vector<double> logits;
  Labels labels;
  std::vector<std::int64_t> fold;
  std::vector<PictureStatistics> statistics;
  explicit OutOfFoldSet(int count) {
    Random random(11);
    for (int i = 0; i < count; ++i) {
      labels.push_back(i % 4 == 0 ? 1 : 0);
      fold.push_back(i / 4 % 2);
      // The folds' scores differ in place and spread, and so will their thresholds.
      logits.push_back((labels.back() ? 2 : -2) + (1 + 0.5 * static_cast<double>(fold.back())) * random.normal());
      statistics.push_back({.brightness = random.uniform(0.45, 0.55),
                            .sharpness = random.uniform(0.9, 1.1),
                            .level = random.uniform(0.9, 1.1)});
    }
  }
  [[nodiscard]] std::vector<Decided> decided() const {
    return decide_out_of_fold(logits, labels, fold, statistics, {});
  }
};

TEST(OutOfFold, ATrainingPictureThatNoModelCanJudgeIsAnomalous) {
  OutOfFoldSet set(60);
  set.logits[5] = set.logits[6] = set.logits[7] = -9;  // good pictures, surely good by their scores, but
  set.statistics[5].brightness = 0.01;                 // black,
  set.statistics[6].sharpness = 0.2;                   // blurred,
  set.statistics[7].level = 3;                         // of another part
  const auto decided = set.decided();
  for (const auto& [picture, word] : {std::pair(5U, "darker"), {6U, "focus"}, {7U, "unlike"}}) {
    EXPECT_TRUE(decided[picture].is_anomalous);
    EXPECT_NE(decided[picture].reason.find(word), std::string::npos) << decided[picture].reason;
    EXPECT_GT(decided[picture].confidence, 0.9);
  }
  for (const auto i : {1U, 2U, 3U}) EXPECT_EQ(decided[i].reason, "");
}

TEST(OutOfFold, VerdictsAreWhatInferSaysWithTheFoldsNumbers) {
  OutOfFoldSet set(60);
  set.statistics[9].level = 3;
  const auto decided = set.decided();
  for (std::int64_t f = 0; f < 2; ++f) {
    OutOfFoldSet others(0);
    for (std::size_t i = 0; i < set.logits.size(); ++i)
      if (set.fold[i] != f) {
        others.logits.push_back(set.logits[i]);
        others.labels.push_back(set.labels[i]);
        others.statistics.push_back(set.statistics[i]);
      }
    const auto choice = choose_decision(others.logits, others.labels);
    // A model with the fold's numbers, whose one contestant says the logit.
    Manifest m;
    m.contestants = {{.name = kLevelContestant, .maps = {"map"}, .pools = {{.weight = 1}}, .map_weight = 1}};
    m.threshold = std::log1p(std::exp(choice.threshold));
    m.confidence_slope = choice.confidence_slope;
    m.confidence_limit = choice.confidence_limit;
    m.plausibility = choose_plausibility(others.statistics);
    int wrong = 0;
    for (std::size_t i = 0; i < set.logits.size(); ++i) {
      if (set.fold[i] != f) continue;
      const std::vector<ContestantOutput> seen = {
          {{Grid<float>(2, 2, static_cast<float>(set.statistics[i].level))}, {{set.logits[i]}}}};
      const auto said = combine(m, seen, {}, {}, set.statistics[i], 0);
      EXPECT_EQ(decided[i].is_anomalous, said.is_anomalous);
      EXPECT_NEAR(decided[i].confidence, said.confidence, 1e-9);
      EXPECT_EQ(decided[i].reason, said.reason);
      EXPECT_NEAR(decided[i].anomaly_score, said.anomaly_score, 1e-9);
      EXPECT_EQ(said.reason.empty(), i != 9);
      wrong += said.is_anomalous != (set.labels[i] != 0) ? 1 : 0;
    }
    EXPECT_LT(wrong, 10);
  }
}

TEST(Features, TheInputKeepsTheAspectAndTheGridFitsIt) {
  const auto size = choose_input_size(576, 768, {});
  EXPECT_EQ(size.height, 480);
  EXPECT_EQ(size.width, 640);
  const auto small = choose_input_size(100, 200, 1);
  EXPECT_EQ(small.height, 96);
  const auto graph = make_feature_graph(shipped_backbone(), size, std::nullopt, std::nullopt);
  EXPECT_EQ(graph.grid.height, 60);
  EXPECT_EQ(graph.coarse_grid.cells() * 4, graph.grid.cells());
  EXPECT_FALSE(size.has_close_look());
  // A large picture gets more pixels the smaller its defects are.
  const auto pixels = [](const InputSize& s) { return s.height * s.width; };
  EXPECT_EQ(pixels(choose_input_size(1200, 1600, 400)), pixels(size));
  const auto none = choose_input_size(1200, 1600, {}), tiny = choose_input_size(1200, 1600, 8);
  EXPECT_NEAR(pixels(none), 2 * pixels(size), 0.1 * pixels(size));
  EXPECT_NEAR(pixels(tiny), 1200 * 1600, 0.05 * 1200 * 1600);
  EXPECT_NEAR(pixels(choose_input_size(1200, 1600, 17)), 960'000, 0.05 * 960'000);
  EXPECT_FALSE(tiny.has_close_look());
  const auto cells = make_feature_graph(shipped_backbone(), tiny, std::nullopt, std::nullopt).coarse_grid.cells();
  EXPECT_GT(cells, 330);
  EXPECT_LT(cells, 1400);
}

TEST(Features, AVeryLargePictureGetsACloseLookInsteadOfManyPixels) {
  const auto pixels = [](const InputSize& s) { return s.height * s.width; };
  const auto none = choose_input_size(3072, 4096, {}), tiny = choose_input_size(3072, 4096, 8);
  EXPECT_EQ(pixels(tiny), pixels(none));
  EXPECT_NEAR(pixels(tiny), 2 * 640 * 480, 0.1 * 640 * 480);
  for (const auto& size : {none, tiny}) {
    EXPECT_TRUE(size.has_close_look());
    EXPECT_NEAR(size.close_height * size.close_width, kClosePixels, 0.01 * kClosePixels);
    EXPECT_NEAR(static_cast<double>(size.close_width) / size.close_height, 4.0 / 3, 0.01);
  }
  // Where the marked defects are large, it is not needed.
  EXPECT_FALSE(choose_input_size(3072, 4096, 400).has_close_look());
  EXPECT_EQ(pixels(choose_input_size(3072, 4096, 400)), 640 * 480);
  // It never has more pixels than the picture.
  const auto least = choose_input_size(1500, 1640, {});
  EXPECT_TRUE(least.has_close_look());
  EXPECT_LE(least.close_height, 1500);
  EXPECT_LE(least.close_width, 1640);
}

TEST(Train, TooFewPicturesAreRefused) {
  TrainingJob job;
  const auto result = train(job, "/nonexistent", 1, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace vedette
