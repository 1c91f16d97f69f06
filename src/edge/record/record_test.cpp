#include "edge/record/record.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

VerdictRecord example() {
  return {.sequence = 41,
          .journal = "b5c1",
          .station = "line-1",
          .source = "front camera",
          .trigger_id = "part \"7\"\n",
          .triggered_at = 1'764'000'000'123'456'789,
          .pictured_at = 1'764'000'000'133'456'789,
          .judged_at = 1'764'000'000'143'456'789,
          .model = "flanges",
          .model_version = "2.0.0",
          .model_sha256 = std::string(64, 'a'),
          .picture_sha256 = std::string(64, 'b'),
          .picture = "s3://kept/41.png",
          .state = RecordState::judged,
          .reason = "",
          .is_anomalous = true,
          .confidence = 0.1 + 0.2,
          .score = 1.0 / 3,
          .threshold = 5e-324,
          .classes = {{"background", 0.97, "#FFFFFF"}, {"scratch", 0.03, "#23a436"}}};
}

TEST(Record, ComesBackFromJsonToTheBit) {
  const auto line = to_json(example());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto back = parse_record(line);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, example());
}

TEST(Record, TextsThatNoDatabaseCanStoreAreRefused) {
  auto record = example();
  record.trigger_id = std::string("part\0seven", 10);
  EXPECT_EQ(parse_record(to_json(record)).error().message,
            "The member trigger_id of the record is missing or has a wrong value.");
  record = example();
  record.classes[1].name = std::string(1, '\0');
  EXPECT_FALSE(parse_record(to_json(record)));
}

TEST(Record, EveryStateHasANameThatIsRead) {
  for (int i = 0; i <= static_cast<int>(RecordState::failed); ++i) {
    auto record = example();
    record.state = static_cast<RecordState>(i);
    const auto back = parse_record(to_json(record));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->state, record.state);
  }
}

TEST(Record, TextThatIsNotUtf8IsRepairedNotRefused) {
  auto record = example();
  record.trigger_id = "a\xff";
  const auto back = parse_record(to_json(record));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->trigger_id, "a\xef\xbf\xbd");
}

TEST(Record, UnknownMembersAreIgnoredAndWrongOnesNamed) {
  EXPECT_TRUE(parse_record(R"({"state":"judged","is_anomalous":false,"new_in_some_later_version":[1]})"));
  for (const auto& [json, name] : std::vector<std::pair<std::string, std::string>>{
           {R"({"state":"judged"})", "is_anomalous"},
           {R"({"state":"perhaps","is_anomalous":true})", "state"},
           {R"({"state":"failed","is_anomalous":false})", "is_anomalous"},
           {R"({"state":"judged","is_anomalous":true,"seq":-1})", "seq"},
           {R"({"state":"judged","is_anomalous":true,"confidence":1.5})", "confidence"},
           {R"({"state":"judged","is_anomalous":true,"station":7})", "station"},
           {R"({"state":"judged","is_anomalous":true,"classes":[{"area":2}]})", "classes.area"}}) {
    const auto record = parse_record(json);
    ASSERT_FALSE(record) << json;
    EXPECT_NE(record.error().message.find(name), std::string::npos) << record.error().message;
  }
  EXPECT_FALSE(parse_record("[]"));
  EXPECT_FALSE(parse_record("{"));
}

}  // namespace
}  // namespace vedette
