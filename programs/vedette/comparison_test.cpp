#include "comparison.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace vedette {
namespace {

using Json = nlohmann::json;

struct Printed {
  std::string out, err;
};
Printed print(const std::vector<ComparedPicture>& pictures, const TrainingNotes& notes, bool json) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  print_comparison(pictures, std::nullopt, notes, json);
  std::fflush(stdout);
  return {testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}
Json summary(const std::vector<ComparedPicture>& pictures, const TrainingNotes& notes = {}) {
  std::istringstream lines(print(pictures, notes, true).out);
  std::string line, last;
  while (std::getline(lines, line)) last = line;
  return Json::parse(last);
}

const EvaluatedPicture kGood{false, false, 0.75}, kAlarm{false, true, 0.75}, kFound{true, true, 0.75},
    kMissed{true, false, std::nullopt};

TEST(Comparison, FiguresThatThePicturesDoNotDefineAreNullOrADash) {
  const auto only_good = summary({{"a", &kGood, &kAlarm}})["after"];
  EXPECT_TRUE(only_good["precision"].is_null() && only_good["recall"].is_null() && only_good["f1"].is_null());
  const auto none_called = summary({{"a", &kGood, &kGood}, {"b", &kFound, &kMissed}});
  EXPECT_TRUE(none_called["after"]["precision"].is_null());
  EXPECT_EQ(none_called["after"]["recall"], 0.0);
  EXPECT_EQ(none_called["after"]["f1"], 0.0);
  EXPECT_EQ(none_called["before"]["precision"], 1.0);
  const auto table = print({{"a", &kGood, &kGood}, {"b", &kFound, &kMissed}}, {}, false).out;
  EXPECT_NE(table.find("Vedette                             –      0.000      0.000    1/  2"), std::string::npos)
      << table;
  const auto empty = print({{"a", nullptr, &kGood}}, {}, false).out;
  EXPECT_NE(empty.find("Vedette                             –          –          –    0/  0"), std::string::npos)
      << empty;
}

TEST(Comparison, AnEvaluationWithoutConfidenceHasNone) {
  const auto read = read_evaluation(
      R"({"source-ref":"s3://b/1","l-metadata":{"class-name":"anomaly"},"l-detected-metadata":{"class-name":"normal"}})");
  ASSERT_TRUE(read.contains("s3://b/1"));
  EXPECT_FALSE(read.at("s3://b/1").confidence);
  const auto out = print({{"b", &read.at("s3://b/1"), &kFound}}, {}, false).out;
  EXPECT_EQ(out.find("0.000  anomaly"), std::string::npos) << out;
  EXPECT_NE(out.find("anomaly   normal           anomaly 0.750    better  b"), std::string::npos) << out;
}

TEST(Comparison, TellsWhatTheTrainingWarnedOf) {
  const TrainingNotes notes{{"few pictures"}, {"s3://old/7.png"}, {"s3://old/8.png: the file is empty"}};
  const auto printed = print({{"a", &kGood, &kGood}}, notes, false);
  for (const char* line : {"warning: few pictures\n", "suspect: the label of s3://old/7.png looks wrong\n",
                           "skipped: s3://old/8.png: the file is empty\n"})
    EXPECT_NE(printed.err.find(line), std::string::npos) << printed.err;
  const auto json = summary({{"a", &kGood, &kGood}}, notes);
  EXPECT_EQ(json["warnings"], Json(notes.warnings));
  EXPECT_EQ(json["suspects"], Json(notes.suspects));
  EXPECT_EQ(json["skipped"], Json(notes.skipped));
}

}  // namespace
}  // namespace vedette
