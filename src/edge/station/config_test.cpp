#include "edge/station/config.hpp"

#include <gtest/gtest.h>

namespace vedette {
namespace {

TEST(StationConfig, EverythingHasADefault) {
  const auto config = parse_station_config("{}");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->station.name, "station");
  EXPECT_EQ(config->station.keep, KeepPictures::none);
  EXPECT_TRUE(config->start.empty() && config->sinks.empty() && config->sources.empty());
}

TEST(StationConfig, IsReadAsItIsWritten) {
  const auto config = parse_station_config(R"({
    "station": "line-1", "models": {"start": ["flange", "ring"]},
    "journal": {"folder": "/var/lib/j", "bytes": 1000000000, "days": 7, "pictures": {"keep": "anomalies", "bytes": 5}},
    "sinks": [{"kind": "mqtt", "name": "m"}], "outputs": [{"kind": "gpio"}],
    "sources": [{"kind": "folder", "name": "f", "model": "flange"}], "triggers": [{"kind": "socket"}]})");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->station.name, "line-1");
  EXPECT_EQ(config->station.keep, KeepPictures::anomalies);
  EXPECT_EQ(config->start, (std::vector<std::string>{"flange", "ring"}));
  EXPECT_EQ(config->journal_folder, "/var/lib/j");
  EXPECT_EQ(config->journal.bytes, 1'000'000'000U);
  EXPECT_EQ(config->journal.picture_bytes, 5U);
  EXPECT_EQ(config->journal.age, std::chrono::hours(24 * 7));
  EXPECT_EQ(config->sinks, std::vector<std::string>{R"({"kind":"mqtt","name":"m"})"});
  EXPECT_EQ(config->outputs.size(), 1U);
  EXPECT_EQ(config->triggers.size(), 1U);
  ASSERT_EQ(config->sources.size(), 1U);
  EXPECT_EQ(config->sources[0].model, "flange");
  EXPECT_EQ(config->sources[0].settings, R"({"kind":"folder","name":"f"})");
}

TEST(StationConfig, WhatIsWrongIsNamed) {
  for (const auto& [text, member] : {std::pair("", "JSON"),
                                     {"[]", "configuration"},
                                     {R"({"x": 1})", "x"},
                                     {R"({"station": ""})", "station"},
                                     {R"({"station": "a/b"})", "station"},
                                     {R"({"station": ".line"})", "station"},
                                     {R"({"station": 1})", "station"},
                                     {R"({"models": []})", "models"},
                                     {R"({"models": {"start": "a"}})", "models.start"},
                                     {R"({"models": {"begin": []}})", "models.begin"},
                                     {R"({"journal": {"folder": "relative"}})", "journal.folder"},
                                     {R"({"journal": {"bytes": 1}})", "journal.bytes"},
                                     {R"({"journal": {"bytes": -1}})", "journal.bytes"},
                                     {R"({"journal": {"days": 1.5}})", "journal.days"},
                                     {R"({"journal": {"pictures": {"keep": "some"}}})", "journal.pictures.keep"},
                                     {R"({"journal": {"pictures": {"size": 1}}})", "journal.pictures.size"},
                                     {R"({"sinks": {}})", "sinks"},
                                     {R"({"sinks": [1]})", "sinks[0]"},
                                     {R"({"sources": [{"kind": "folder"}]})", "sources[0].model"}}) {
    const auto config = parse_station_config(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(config.error().message.find(member), std::string::npos) << config.error().message;
  }
}

}  // namespace
}  // namespace vedette
