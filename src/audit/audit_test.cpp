#include "audit/audit.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

Json only_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line, more;
  EXPECT_TRUE(std::getline(in, line)) << file;
  EXPECT_FALSE(std::getline(in, more));
  return Json::parse(line);
}

TEST(Audit, ALineHasTheShapeOfCloudTrail) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  AuditLog log(folder.path() / "audit", clock, 30);
  AuditEvent event;
  event.source = "lookoutvision.amazonaws.com";
  event.name = "CreateProject";
  event.user = "ann";
  event.account = "123456789012";
  event.request_parameters = audit_parameters({{"ProjectName", "p"}, {"Tags", {{{"Key", "k"}, {"Value", "v"}}}}});
  event.is_read_only = false;
  log.write(event);
  const auto line = only_line(folder.path() / "audit/2020-09-13.jsonl");
  EXPECT_EQ(line["eventTime"], "2020-09-13T12:26:40Z");
  EXPECT_EQ(line["requestParameters"]["projectName"], "p");
  EXPECT_EQ(line["requestParameters"]["tags"][0]["key"], "k");
  EXPECT_EQ(line["userIdentity"]["userName"], "ann");
  EXPECT_TRUE(line["responseElements"].is_null());
  EXPECT_FALSE(line.contains("errorCode"));
  EXPECT_EQ(line["eventType"], "AwsApiCall");
}

TEST(Audit, SecretsAndPicturesAreLeftOut) {
  const auto text = audit_parameters({{"AccessKey", {{"AccessKeyId", "AKIA"}, {"SecretAccessKey", "secret"}}},
                                      {"Changes", "bytes"},
                                      {"Image", "bytes"}});
  EXPECT_EQ(text, R"({"accessKey":{"accessKeyId":"AKIA"}})");
}

TEST(Audit, ADayHasAFileAndOldOnesGo) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  AuditLog log(folder.path(), clock, 2);
  std::ofstream(folder.path() / "notes.jsonl") << "mine";
  for (int day = 0; day < 4; ++day) {
    log.write({});
    clock.advance(std::chrono::hours(24));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "2020-09-13.jsonl"));
  for (const char* name : {"2020-09-14.jsonl", "2020-09-15.jsonl", "2020-09-16.jsonl", "notes.jsonl"})
    EXPECT_TRUE(std::filesystem::exists(folder.path() / name)) << name;
}

TEST(Audit, OldFilesGoWhereTheServerIsUsedRarely) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  for (int week = 0; week < 5; ++week) {
    AuditLog(folder.path(), clock, 10).write({});
    clock.advance(std::chrono::days(7));
  }
  for (const char* name : {"2020-09-13.jsonl", "2020-09-20.jsonl"})
    EXPECT_FALSE(std::filesystem::exists(folder.path() / name)) << name;
  for (const char* name : {"2020-09-27.jsonl", "2020-10-04.jsonl", "2020-10-11.jsonl"})
    EXPECT_TRUE(std::filesystem::exists(folder.path() / name)) << name;
}

TEST(Audit, AClockThatJumpsAheadDeletesNothingAtOnce) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  AuditLog log(folder.path(), clock, 10);
  for (int day = 0; day < 8; ++day) {
    log.write({});
    clock.advance(std::chrono::days(1));
  }
  clock.advance(std::chrono::days(2000));
  log.write({});
  clock.advance(-std::chrono::days(2000));  // the clock is set right again
  log.write({});
  for (int day = 13; day <= 20; ++day)
    EXPECT_TRUE(std::filesystem::exists(folder.path() / ("2020-09-" + std::to_string(day) + ".jsonl"))) << day;
}

std::vector<Json> lines_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

TEST(Audit, RefusedCallsAreBoundedPerUserAndAddressAndTheRestIsCounted) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  AuditLog log(folder.path(), clock, 0);
  const auto call = [&](const char* user, const char* address, const char* error) {
    AuditEvent event;
    event.name = "ListProjects";
    event.user = user;
    event.source_ip = address;
    event.error_code = error;
    log.write(event);
  };
  for (int i = 0; i < AuditLog::kMostRefusals + 30; ++i) call("eve", "10.0.0.1", "AccessDeniedException");
  call("eve", "10.0.0.2", "AccessDeniedException");
  call("ann", "10.0.0.1", "AccessDeniedException");
  call("eve", "10.0.0.1", "");  // Calls that succeed are always written.
  const auto file = folder.path() / "2020-09-13.jsonl";
  EXPECT_EQ(lines_of(file).size(), AuditLog::kMostRefusals + 3U);
  clock.advance(std::chrono::minutes(1));
  call("ann", "10.0.0.3", "");
  const auto lines = lines_of(file);
  ASSERT_EQ(lines.size(), AuditLog::kMostRefusals + 5U);
  const auto& summary = lines[AuditLog::kMostRefusals + 3];
  EXPECT_EQ(summary["eventName"], "RefusedCallsLeftOut");
  EXPECT_EQ(summary["additionalEventData"]["callsLeftOut"], 30);
  EXPECT_EQ(summary["userIdentity"]["userName"], "eve");
  EXPECT_EQ(summary["sourceIPAddress"], "10.0.0.1");
}

TEST(Audit, WhatWasLeftOutIsToldWhenTheServerEnds) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  {
    AuditLog log(folder.path(), clock, 0);
    AuditEvent event;
    event.needs_no_right = true;
    for (int i = 0; i < AuditLog::kMostRefusals + 2; ++i) log.write(event);
  }
  const auto lines = lines_of(folder.path() / "2020-09-13.jsonl");
  ASSERT_EQ(lines.size(), AuditLog::kMostRefusals + 1U);
  EXPECT_EQ(lines.back()["additionalEventData"]["callsLeftOut"], 2);
}

TEST(Audit, ALineIsJsonEvenIfItsParametersAreNot) {
  TemporaryFolder folder;
  FakeClock clock(Timestamp{std::chrono::seconds(1'600'000'000)});
  AuditLog log(folder.path(), clock, 0);
  AuditEvent event;
  event.request_parameters = "{\"bucketName\":\"a\"b\"}";
  log.write(event);
  EXPECT_TRUE(only_line(folder.path() / "2020-09-13.jsonl")["requestParameters"].is_null());
}

}  // namespace
}  // namespace vedette
