#include "vision/verdict/corrections.hpp"

#include <gtest/gtest.h>

#include "vision/artifact/artifact.hpp"
#include "vision/verdict/verdict.hpp"

namespace vedette {
namespace {

constexpr double kThreshold = 1;
constexpr double kOther = 7;  // a score that no verified picture has

/// A place that lies on the axis `kind` of what can be seen, so far from what is ordinary (the origin). Places on
/// different axes look different.
Place place(int kind, double distance, double height) {
  Place out{0.5, 0.5, height, std::vector<float>(4), distance};
  out.features.at(static_cast<std::size_t>(kind)) = static_cast<float>(distance);
  return out;
}

Example example(const std::string& name, bool is_anomalous, double score, std::vector<Place> places) {
  return {name, is_anomalous, false, score, std::move(places)};
}

Example pointed(const std::string& name, double score, std::vector<Place> places) {
  return {name, true, true, score, std::move(places)};
}

/// Good pictures, whose places are ordinary, and an anomalous one with a scratch (axis 1).
std::vector<Example> known() {
  return {example("good 1", false, 0.5, {place(0, 1, 1), place(3, 1, 0.8)}),
          example("good 2", false, 0.4, {place(0, 1.1, 0.9), place(3, 0.9, 0.7)}),
          example("scratch", true, 3, {place(1, 6, 4), place(0, 1, 0.8)})};
}

const Place kStain = place(2, 8, 3), kScratch = place(1, 6.2, 4), kOrdinary = place(0, 1.05, 0.9);

TEST(CorrectionsTest, AHarmlessMarkIsExcusedWhereItIsSeenAgain) {
  const Corrections corrections(known(), {example("stain", false, 2, {kStain, kOrdinary})}, kThreshold);
  const auto again = corrections.correct(true, kOther, std::vector{place(2, 7, 2.5), kOrdinary});
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->is_anomalous);
  EXPECT_EQ(again->source_ref, "stain");
  EXPECT_EQ(again->agreeing, 1);
  // A picture that is normal anyway needs no excuse.
  EXPECT_FALSE(corrections.correct(false, kOther, std::vector{kStain}));
}

TEST(CorrectionsTest, AScratchBesideAHarmlessMarkIsStillFound) {
  const Corrections corrections(known(), {example("stain", false, 2, {kStain, kOrdinary})}, kThreshold);
  EXPECT_FALSE(corrections.correct(true, kOther, std::vector{kScratch, kStain}));
  EXPECT_FALSE(corrections.correct(true, kOther, std::vector{kStain, kScratch}));
  EXPECT_FALSE(corrections.correct(true, kOther, std::vector{kScratch}));
}

TEST(CorrectionsTest, AHarmlessMarkReachesNoFartherThanHalfwayToAKnownDefect) {
  auto defects = known();
  auto near = kStain;
  near.features[2] = 6;
  defects.push_back(example("like the stain", true, 3, {near}));
  const Corrections corrections(defects, {example("stain", false, 2, {kStain})}, kThreshold);
  EXPECT_TRUE(corrections.correct(true, kOther, std::vector{place(2, 7.5, 3)}));
  EXPECT_FALSE(corrections.correct(true, kOther, std::vector{place(2, 6.5, 3)}));
}

TEST(CorrectionsTest, AMissedDefectIsFoundWhereItIsSeenAgain) {
  const Corrections corrections(known(), {pointed("dent", 0.6, {place(2, 4, 0.7), kOrdinary})}, kThreshold);
  const auto again = corrections.correct(false, kOther, std::vector{place(0, 1, 1), place(2, 4.5, 0.8)});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->is_anomalous);
  EXPECT_EQ(again->source_ref, "dent");
  // Neither what stands out less nor an ordinary place of the verified picture gives a defect away.
  EXPECT_FALSE(corrections.correct(false, kOther, std::vector{place(0, 1, 1), place(2, 4.5, 0.6)}));
  EXPECT_FALSE(corrections.correct(false, kOther, std::vector{kOrdinary, place(3, 1, 0.9)}));
}

TEST(CorrectionsTest, AMissedDefectThatNobodyPointedAtSpeaksForItselfAlone) {
  const std::vector<Place> places = {kOrdinary, place(2, 4, 0.7)};
  const Corrections corrections(known(), {example("dent", true, 0.6, places)}, kThreshold);
  EXPECT_TRUE(corrections.correct(false, 0.6, places));
  EXPECT_FALSE(corrections.correct(false, kOther, places));
  EXPECT_FALSE(corrections.correct(false, 0.6, std::vector{kOrdinary, place(2, 4.5, 0.8)}));
}

TEST(CorrectionsTest, AMarkThatStandsOutMuchMoreIsNotExcused) {
  const Corrections corrections(known(), {example("stain", false, 2, {kStain})}, kThreshold);
  EXPECT_TRUE(corrections.correct(true, kOther, std::vector{place(2, 7.5, 4.4)}));
  EXPECT_FALSE(corrections.correct(true, kOther, std::vector{place(2, 7.5, 4.6)}));
}

TEST(CorrectionsTest, AVerifiedPictureIsCorrectedItself) {
  // The highest place looks ordinary, so that it reaches nowhere.
  auto ordinary = kOrdinary;
  ordinary.distance = 0;
  auto stored = ordinary;
  for (auto& f : stored.features) f *= 1.004F;  // as if it had been rounded
  const Corrections corrections(known(), {example("alarm", false, 2, {stored})}, kThreshold);
  EXPECT_TRUE(corrections.correct(true, 2.01, std::vector{ordinary}));
  auto elsewhere = ordinary;
  elsewhere.x = 0.6;
  EXPECT_FALSE(corrections.correct(true, 2, std::vector{elsewhere}));
}

TEST(CorrectionsTest, AVerifiedPictureWithOneMoreMarkIsAnother) {
  const std::vector<Place> marks = {kStain, place(3, 9, 20), place(2, 9, 18), place(3, 7, 15)};
  const Corrections corrections(known(), {example("marks", false, 2, marks)}, kThreshold);
  EXPECT_TRUE(corrections.correct(true, 2, marks));
  auto scratched = marks;
  scratched.push_back(place(1, 6, 1.2));
  EXPECT_FALSE(corrections.correct(true, 2, scratched));
}

TEST(CorrectionsTest, WhereNotAllPlacesAreKeptOnlyTheSamePictureIsExcused) {
  const std::vector<Place> many(kMostPlaces, kStain);
  auto others = many;
  for (auto& p : others) p.features[2] = 7.5F;
  const Corrections corrections(known(), {example("dust", false, 2, many)}, kThreshold);
  EXPECT_TRUE(corrections.correct(true, 2, many));
  EXPECT_FALSE(corrections.correct(true, 2, others));
  others.pop_back();
  EXPECT_TRUE(corrections.correct(true, 2, others));
}

TEST(CorrectionsTest, WhatAPersonSaysTakesThePlaceOfALabel) {
  auto pictures = known();
  pictures.push_back(example("mislabelled", true, 2, {kStain}));
  const Corrections corrections(pictures, {example("mislabelled", false, 2, {kStain})}, kThreshold);
  EXPECT_TRUE(corrections.correct(true, kOther, std::vector{place(2, 7.5, 3)}));
  EXPECT_EQ(corrections.effect().pictures, 3);
}

TEST(CorrectionsTest, PlacesOfAnotherModelAreLikeNothing) {
  const Corrections corrections(known(), {example("stain", false, 2, {kStain})}, kThreshold);
  auto longer = kStain;
  longer.features.push_back(0);
  EXPECT_FALSE(corrections.correct(true, 2, std::vector{longer}));
}

TEST(CorrectionsTest, AVerdictThatWasRightOnlyHoldsOthersBack) {
  const std::vector<Example> right = {example("right", true, 2, {kStain})};
  EXPECT_FALSE(Corrections(known(), right, kThreshold).correct(false, kOther, std::vector{kStain}));
  auto both = right;
  both.push_back(example("stain", false, 2, {place(2, 8.5, 3)}));
  // The verified defect is so near to the stain that it leaves the stain hardly any reach.
  EXPECT_FALSE(Corrections(known(), both, kThreshold).correct(true, kOther, std::vector{place(2, 7.5, 3)}));
}

TEST(CorrectionsTest, TheThresholdInForceSaysWhatWasMissed) {
  const std::vector<Example> verified = {example("stain", false, 2, {kStain})};
  EXPECT_TRUE(Corrections(known(), verified, 1).correct(true, kOther, std::vector{kStain}));
  EXPECT_FALSE(Corrections(known(), verified, 3).correct(true, kOther, std::vector{kStain}));
}

TEST(CorrectionsTest, TheEffectLeavesEachKnownPictureOut) {
  auto pictures = known();
  pictures.push_back(example("another stain", false, 1.5, {place(2, 7, 2.5)}));  // a false alarm, which becomes right
  pictures.push_back(example("a defect like a stain", true, 1.5, {place(2, 12, 3)}));
  const auto effect = Corrections(pictures, {example("stain", false, 2, {kStain})}, kThreshold).effect();
  EXPECT_EQ(effect.pictures, 5);
  EXPECT_EQ(effect.right_before, 4);
  // Known, the defect would hold the stain back from itself; a new one like it would not be held back.
  EXPECT_EQ(effect.made_right, std::vector<std::string>{"another stain"});
  EXPECT_EQ(effect.made_wrong, std::vector<std::string>{"a defect like a stain"});
  EXPECT_EQ(effect.right_after, 4);
  EXPECT_EQ(effect.missed, 1);
  EXPECT_EQ(effect.taught, 0);
}

TEST(CorrectionsTest, VerifiedPicturesTeachEachOther) {
  const auto effect = Corrections(known(),
                                  {example("stain", false, 2, {kStain}), example("stain 2", false, 2, {place(2, 7, 3)}),
                                   pointed("dent", 0.5, {place(3, 5, 1)})},
                                  kThreshold)
                          .effect();
  EXPECT_EQ(effect.missed, 3);
  EXPECT_EQ(effect.taught, 2);
}

TEST(CorrectionsTest, TheVerdictFollowsAtAnyThreshold) {
  Manifest manifest;
  manifest.threshold = 1;
  manifest.confidence_limit = 0.95;
  for (const double threshold : {0.2, 1.0, 4.0}) {
    const Corrections corrections(
        known(), {example("stain", false, 5, {kStain}), example("dent", true, 0.1, {kScratch})}, threshold);
    Verdict alarm;
    alarm.is_anomalous = true;
    alarm.anomaly_score = 5;
    alarm.places = {kStain};
    correct(alarm, manifest, threshold, corrections);
    EXPECT_FALSE(alarm.is_anomalous) << threshold;
    EXPECT_LT(alarm.anomaly_score, threshold);
    EXPECT_EQ(alarm.corrected_by, "stain");
    Verdict miss;
    miss.anomaly_score = 0.1;
    miss.places = {kScratch};
    correct(miss, manifest, threshold, corrections);
    EXPECT_TRUE(miss.is_anomalous) << threshold;
    EXPECT_GE(miss.anomaly_score, threshold);
    if (threshold == 1) {
      EXPECT_NEAR(miss.confidence, 1 - 0.5 / 3, 1e-6);
    }
    // A picture that the model cannot judge stays anomalous.
    alarm = {};
    alarm.is_anomalous = true;
    alarm.reason = "too dark";
    alarm.places = {kStain};
    correct(alarm, manifest, threshold, corrections);
    EXPECT_TRUE(alarm.is_anomalous);
  }
}

TEST(CorrectionsTest, AnExcusedPictureHasAnEmptyMask) {
  Manifest manifest;
  manifest.threshold = 1;
  manifest.segmentation.emplace().labels = {{"scratch", "#ff0000"}};
  Verdict verdict;
  verdict.is_anomalous = true;
  verdict.anomaly_score = 2;
  verdict.places = {kStain};
  verdict.label_map = Grid<std::uint8_t>(2, 2);
  verdict.label_map->values = {0, 1, 1, 0};
  verdict.mask_png = {1};
  correct(verdict, manifest, 1, Corrections(known(), {example("stain", false, 2, {kStain})}, kThreshold));
  EXPECT_EQ(verdict.label_map->values, std::vector<std::uint8_t>(4));
  ASSERT_EQ(verdict.areas.size(), 1U);
  EXPECT_EQ(verdict.areas[0].fraction, 1);
  EXPECT_GT(verdict.mask_png.size(), 1U);
}

}  // namespace
}  // namespace vedette
