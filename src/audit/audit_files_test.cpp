#include "audit/audit_files.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "audit/audit.hpp"
#include "audit/event_for_tests.hpp"
#include "base/files.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

class AuditReading : public testing::Test {
 protected:
  /// Writes events named 0, 1, … with so much time after each.
  void write(int count, std::chrono::milliseconds step) {
    for (int i = 0; i < count; ++i) {
      log_.write(event(std::to_string(i)));
      clock_.advance(step);
    }
  }
  [[nodiscard]] AuditPage read(const AuditQuery& query = {.account = kAccount}, std::size_t most = 1000,
                               const std::string& from = {}) const {
    auto page = AuditFiles(folder_.path()).read(query, from, most);
    EXPECT_TRUE(page);
    return page ? *page : AuditPage{};
  }
  static std::vector<std::string> names(const AuditPage& page) {
    std::vector<std::string> out;
    for (const auto& record : page.records) out.push_back(record.name);
    return out;
  }
  /// Returns the names of all events that the query finds, page by page.
  [[nodiscard]] std::vector<std::string> all(const AuditQuery& query, std::size_t most) const {
    std::vector<std::string> out;
    std::string place;
    do {
      const auto page = read(query, most, place);
      EXPECT_LE(page.records.size(), most);
      for (auto& name : names(page)) out.push_back(name);
      place = page.next;
    } while (!place.empty());
    return out;
  }
  [[nodiscard]] std::vector<std::string> found(AuditQuery query) const {
    query.account = kAccount;
    return names(read(query));
  }

  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::seconds(1'600'000'000)}};  // 2020-09-13T12:26:40Z
  AuditLog log_{folder_.path(), clock_, 0};
};

using Names = std::vector<std::string>;

TEST_F(AuditReading, TheNewestComesFirstAcrossDays) {
  write(4, std::chrono::hours(8));
  const auto page = read();
  EXPECT_EQ(names(page), (Names{"3", "2", "1", "0"}));
  EXPECT_EQ(page.next, "");
  EXPECT_EQ(to_extended_iso8601(page.records[0].time), "2020-09-14T12:26:40.000Z");
  EXPECT_EQ(Json::parse(page.records[0].json)["eventName"], "3");
}

TEST_F(AuditReading, PagesStayTheSameWhileLinesAreAdded) {
  write(30, std::chrono::hours(2));
  const auto first = read({.account = kAccount}, 7);
  ASSERT_NE(first.next, "");
  write(5, std::chrono::minutes(1));
  const auto second = read({.account = kAccount}, 7, first.next);
  EXPECT_EQ(names(second), (Names{"22", "21", "20", "19", "18", "17", "16"}));
  Names expected;
  for (int i = 5; i-- > 0;) expected.push_back(std::to_string(i));
  for (int i = 30; i-- > 0;) expected.push_back(std::to_string(i));
  for (const std::size_t most : {1, 2, 7, 100}) EXPECT_EQ(all({.account = kAccount}, most), expected) << most;
}

TEST_F(AuditReading, LinesLongerThanABlockAndManyBlocksAreReadWhole) {
  Names expected;
  for (int i = 0; i < 10; ++i) {
    auto each = event(std::to_string(i));
    // From some bytes to beyond two blocks of 256 KiB, so that blocks begin anywhere in a line.
    Json members = Json::object();
    for (int k = 0; k < i * i; ++k) members["Member" + std::to_string(k)] = std::string(9973, 'x');
    each.request_parameters = audit_parameters(members);
    log_.write(each);
    expected.insert(expected.begin(), each.name);
  }
  EXPECT_GT(std::filesystem::file_size(folder_.path() / "2020-09-13.jsonl"), 2U << 20);
  for (const std::size_t most : {1, 100}) EXPECT_EQ(all({.account = kAccount}, most), expected) << most;
}

TEST_F(AuditReading, BrokenLinesArePassedOverAndTornOnesSpoilNoOther) {
  const auto file = folder_.path() / "2020-09-13.jsonl";
  write(1, std::chrono::seconds(1));
  std::ofstream(file, std::ios::app) << "\n{\"eventTime\":\"2020-09-13T12:26:41Z\",\n[]\nnull\n\xff\n"
                                     << R"({"eventTime":"soon","recipientAccountId":"123456789012"})"
                                     << "\n"
                                     << R"({"eventTime":"2020-99-13T12:26:41Z","recipientAccountId":"123456789012"})"
                                     << "\n{\"recipientAccountId\":\"123456789012\",\"eventTime\":\"2020-";
  AuditLog(folder_.path(), clock_, 0).write(event("after"));
  std::ofstream(file, std::ios::app) << "{\"eventTime\":\"2020-09-13T12:26:42Z\",\"recip";  // is being written
  EXPECT_EQ(names(read()), (Names{"after", "0"}));
  EXPECT_EQ(all({.account = kAccount}, 1), (Names{"after", "0"}));
}

TEST_F(AuditReading, AnOverlongLineHidesNoOtherAndTakesNoMemory) {
  write(1, std::chrono::seconds(1));
  std::ofstream(folder_.path() / "2020-09-13.jsonl", std::ios::app) << std::string(20 << 20, '"') << "\n";
  write(1, std::chrono::seconds(1));
  EXPECT_EQ(names(read()), (Names{"0", "0"}));
}

TEST_F(AuditReading, OtherFilesAndOtherAccountsAreNotRead) {
  write(1, std::chrono::seconds(1));
  auto foreign = event("foreign");
  foreign.account = "999999999999";
  log_.write(foreign);
  for (const char* name : {"2020-09-1x.jsonl", "notes.jsonl", "2020-09-13.jsonl.gz"})
    std::filesystem::copy_file(folder_.path() / "2020-09-13.jsonl", folder_.path() / name);
  std::filesystem::create_directory(folder_.path() / "2020-09-12.jsonl");
  std::filesystem::create_symlink(folder_.path() / "notes.jsonl", folder_.path() / "2020-09-11.jsonl");
  EXPECT_EQ(names(read()), Names{"0"});
}

TEST_F(AuditReading, TheTimeFrameIncludesItsStartAndExcludesItsEnd) {
  write(100, std::chrono::minutes(30));
  const Timestamp start{std::chrono::seconds(1'600'000'000)};
  const auto between = [&](std::chrono::milliseconds from, std::chrono::milliseconds to) {
    return found({.start = start + from, .end = start + to});
  };
  using std::chrono::minutes, std::chrono::milliseconds;
  EXPECT_EQ(between(minutes(30), minutes(120)), (Names{"3", "2", "1"}));
  EXPECT_EQ(between(minutes(30) + milliseconds(999), minutes(60) + milliseconds(1)), (Names{"2", "1"}));
  EXPECT_EQ(between(minutes(31), minutes(60)), Names{});
  EXPECT_EQ(between(minutes(-9999), minutes(1)), Names{"0"});
  EXPECT_EQ(found({.start = start + minutes(98 * 30)}), (Names{"99", "98"}));
  EXPECT_EQ(found({.end = Timestamp{std::chrono::seconds(250'000'000'000)}}).size(), 100U);
  EXPECT_EQ(found({.start = Timestamp{std::chrono::seconds(250'000'000'000)}}), Names{});
}

TEST_F(AuditReading, AFrameInALargeFileIsFoundThoughTheClockWasSetBackALittle) {
  // 2,000 lines of more than half a KiB: many blocks, of which the frame needs one.
  write(1000, std::chrono::seconds(10));
  clock_.advance(-std::chrono::minutes(10));
  write(1000, std::chrono::seconds(10));
  const Timestamp start{std::chrono::seconds(1'600'000'000)};
  std::size_t expected = 0;
  for (const auto& record : read({.account = kAccount}, 5000).records)
    expected += record.time >= start + std::chrono::seconds(9000) && record.time < start + std::chrono::seconds(10'500);
  EXPECT_EQ(expected, 150U + 60U);
  const AuditQuery query{
      .account = kAccount, .start = start + std::chrono::seconds(9000), .end = start + std::chrono::seconds(10'500)};
  EXPECT_EQ(read(query, 5000).records.size(), expected);
  EXPECT_EQ(all(query, 50).size(), expected);
}

TEST_F(AuditReading, ACallEndsAfterItsShareOfWorkAndSaysWhereItStands) {
  write(1, std::chrono::minutes(1));
  std::ofstream out(folder_.path() / "2020-09-13.jsonl", std::ios::app);
  const auto line = Json{{"eventTime", "2020-09-13T12:27:40Z"},
                         {"recipientAccountId", kAccount},
                         {"requestParameters", std::string(1 << 20, 'x')}}
                        .dump();
  for (int i = 0; i < 80; ++i) out << line << '\n';
  out.close();
  const AuditQuery query{.account = kAccount, .name = "0"};
  const auto page = read(query);
  EXPECT_TRUE(page.records.empty());
  ASSERT_NE(page.next, "");
  ASSERT_TRUE(page.searched_until);
  EXPECT_EQ(to_extended_iso8601(*page.searched_until), "2020-09-13T12:27:40.000Z");
  EXPECT_EQ(names(read(query, 1000, page.next)), Names{"0"});
  // Lines that are returned have to be parsed, so fewer of them fit.
  EXPECT_EQ(read().records.size(), 8U);
}

TEST_F(AuditReading, FiltersAreExactAndGoTogether) {
  auto made = event("CreateProject");
  made.request_parameters =
      audit_parameters({{"ProjectName", "p \"1\""}, {"Tags", {{{"Key", "k"}, {"Value", "red"}}}}});
  made.response_elements = audit_parameters({{"ProjectMetadata", {{"ProjectArn", "arn:p"}}}});
  made.is_read_only = false;
  made.access_key_id = "ASIA1";
  made.source_key_id = "AKIA1";
  log_.write(made);
  auto refused = event("ListProjects");
  refused.user = "bob";
  refused.access_key_id = "AKIA2";
  refused.error_code = "AccessDeniedException";
  refused.error_message = R"(he said "userName":"ann" and "eventName":"CreateProject")";
  log_.write(refused);
  auto other = event("ListUsers");
  other.source = "vedette.amazonaws.com";
  other.request_parameters = audit_parameters({{"UserName", "bob"}, {"EventName", "CreateProject"}});
  log_.write(other);

  EXPECT_EQ(found({.user = "ann"}), (Names{"ListUsers", "CreateProject"}));
  EXPECT_EQ(found({.user = "bob"}), Names{"ListProjects"});
  EXPECT_EQ(found({.user = "an"}), Names{});
  EXPECT_EQ(found({.name = "CreateProject"}), Names{"CreateProject"});
  EXPECT_EQ(found({.source = "vedette.amazonaws.com"}), Names{"ListUsers"});
  EXPECT_EQ(found({.error_code = "AccessDeniedException"}), Names{"ListProjects"});
  EXPECT_EQ(found({.has_failed = true}), Names{"ListProjects"});
  EXPECT_EQ(found({.has_failed = false}), (Names{"ListUsers", "CreateProject"}));
  EXPECT_EQ(found({.is_read_only = false}), Names{"CreateProject"});
  EXPECT_EQ(found({.is_read_only = true}), (Names{"ListUsers", "ListProjects"}));
  for (const char* key : {"ASIA1", "AKIA1"}) EXPECT_EQ(found({.access_key_id = key}), Names{"CreateProject"}) << key;
  for (const char* resource : {"p \"1\"", "red", "arn:p"})
    EXPECT_EQ(found({.resource = resource}), Names{"CreateProject"}) << resource;
  EXPECT_EQ(found({.resource = "projectName"}), Names{});  // the name of a member is no value
  EXPECT_EQ(found({.resource = "bob"}), Names{"ListUsers"});
  EXPECT_EQ(found({.user = "ann", .name = "CreateProject", .resource = "red", .is_read_only = false}),
            Names{"CreateProject"});
  EXPECT_EQ(found({.user = "ann", .resource = "bob", .is_read_only = false}), Names{});
}

TEST_F(AuditReading, APlaceInAFileThatIsGoneOrShorterGoesOnBeforeIt) {
  write(4, std::chrono::hours(8));
  EXPECT_EQ(names(read({.account = kAccount}, 9, "2020-09-14/1048576")), (Names{"3", "2", "1", "0"}));
  std::filesystem::remove(folder_.path() / "2020-09-14.jsonl");
  EXPECT_EQ(names(read({.account = kAccount}, 9, "2020-09-14/1048576")), (Names{"1", "0"}));
  EXPECT_EQ(names(read({.account = kAccount}, 9, "1999-01-01/5")), Names{});
}

TEST(AuditPlaces, OnlyPlacesAreTaken) {
  const auto place = parse_audit_place("2020-09-13/1234");
  ASSERT_TRUE(place);
  EXPECT_EQ(to_text(*place), "2020-09-13/1234");
  for (const char* text : {"", "/", "2020-09-13", "2020-09-13/", "2020-09-13/-1", "2020-09-13/1x", "../../etc/x/1",
                           "2020/09-13/1", "2020-09-13/99999999999999999999"})
    EXPECT_FALSE(parse_audit_place(text)) << text;
  TemporaryFolder folder;
  const auto page = AuditFiles(folder.path()).read({.account = kAccount}, "nowhere", 1);
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().kind, ErrorKind::invalid_input);
}

TEST(AuditPlaces, AFolderThatIsGoneIsAnError) {
  TemporaryFolder folder;
  EXPECT_FALSE(AuditFiles(folder.path() / "none").read({.account = kAccount}, {}, 1));
}

}  // namespace
}  // namespace vedette
