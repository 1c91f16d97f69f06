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
  const auto text =
      audit_parameters({{"AccessKey", {{"AccessKeyId", "AKIA"}, {"SecretAccessKey", "secret"}}}, {"Changes", "bytes"}});
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

}  // namespace
}  // namespace vedette
