// Tests what the link of a station reads and writes; tests/end_to_end/test_stations.py tests it with a server.
#include "edge/server_link/server_link.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "edge/server_link/channels.hpp"
#include "edge/server_link/report.hpp"
#include "edge/server_link/server_calls.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

const Json kConfig = {{"kind", "server"}, {"endpoint", "https://vedette.plant:8420/"}, {"credentials", "/etc/key"}};

TEST(ServerLinkOptions, AreReadWithTheirDefaults) {
  const auto plain = parse_server_link(kConfig, "line-1");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(std::tuple(plain->name, plain->station, plain->endpoint, plain->region, plain->bucket,
                       plain->interval.count(), plain->follows_channels),
            std::tuple("server", "line-1", "https://vedette.plant:8420", "us-east-1", "", 60, true));
  auto config = kConfig;
  config.update({{"pictures", "s3://line7/kept"}, {"interval", 5}, {"channels", false}, {"region", "eu-central-1"}});
  const auto whole = parse_server_link(config, "line-1");
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(std::tuple(whole->bucket, whole->prefix, whole->interval.count(), whole->follows_channels, whole->region),
            std::tuple("line7", "kept/", 5, false, "eu-central-1"));
}

TEST(ServerLinkOptions, AWrongMemberIsNamed) {
  for (const auto& [member, value] : std::vector<std::pair<std::string, Json>>{{"endpoint", "vedette.plant"},
                                                                               {"endpoint", nullptr},
                                                                               {"credentials", ""},
                                                                               {"pictures", "kept/"},
                                                                               {"pictures", "s3:///kept"},
                                                                               {"interval", 0},
                                                                               {"interval", "60"},
                                                                               {"channels", "yes"},
                                                                               {"profile", 5},
                                                                               {"colour", "red"}}) {
    auto config = kConfig;
    config[member] = value;
    const auto options = parse_server_link(config, "line-1");
    ASSERT_FALSE(options) << member;
    EXPECT_NE(options.error().message.find("member " + member), std::string::npos) << options.error().message;
  }
  EXPECT_FALSE(parse_server_link(Json::array(), "line-1"));
  for (const char* station : {"", "-line", ".line", "line 1"}) EXPECT_FALSE(parse_server_link(kConfig, station));
}

TEST(RefusedRecord, IsTheOneThatTheServerNames) {
  const auto refused = [](const char* message, const char* code, std::size_t count) {
    return refused_record(fail(ErrorKind::invalid_input, message, code), count);
  };
  EXPECT_EQ(refused("The server says: Records[3]: It is broken.", "ValidationException", 4), 3U);
  EXPECT_EQ(refused("The server says: It is large.", "RequestEntityTooLargeException", 1), 0U);
  EXPECT_FALSE(refused("The server says: It is large.", "RequestEntityTooLargeException", 2));
  EXPECT_FALSE(refused("The server says: Records[4]: It is broken.", "ValidationException", 4));
  EXPECT_FALSE(refused("The server says: Records[]", "ValidationException", 4));
  EXPECT_FALSE(refused("The server says: The name of the station is broken.", "ValidationException", 1));
  EXPECT_FALSE(refused("The server says: Records[0]: It is broken.", "", 1));
  EXPECT_FALSE(refused("The server says: status 400", "", 1));
  EXPECT_FALSE(refused("The server says: status 413", "", 1));
}

TEST(StationReport, SaysWhatTheServerTakes) {
  StationState state;
  state.models = {{"flange", "1.0.0", std::string(64, 'a'), "RUNNING", ""},
                  {"screw", "", "", "FAILED", std::string(2000, 'x')},
                  {"a name", "", "", "RUNNING", ""}};
  state.sources = {{"camera", "offline", "no cable"}, {"folder", "online", ""}};
  JournalCounts counts;
  counts.last = 100;
  counts.full = true;
  counts.sinks["server"] = {90, 4};
  const auto options = parse_server_link(kConfig, "line-1");
  const auto report = Json::parse(report_body(*options, "1.2", state, counts, {2, 0, {"flange 2.0.0: away"}}));
  EXPECT_EQ(report["AgentVersion"], "1.2");
  ASSERT_EQ(report["Models"].size(), 2U);
  EXPECT_EQ(report["Models"][0], (Json{{"ModelComponent", "flange"},
                                       {"ComponentVersion", "1.0.0"},
                                       {"ModelSha256", std::string(64, 'a')},
                                       {"State", "RUNNING"}}));
  EXPECT_EQ(report["Models"][1]["StateMessage"].get<std::string>().size(), 1024U);
  std::vector<std::string> checks;
  for (const auto& finding : report["Findings"]) checks.push_back(finding["Check"]);
  EXPECT_EQ(checks, (std::vector<std::string>{"journal", "server", "channel", "source"}));
  const auto counter = [&](const std::string& name) {
    for (const auto& one : report["Counters"])
      if (one["Name"] == name) return one["Value"].get<std::int64_t>();
    return std::int64_t{-1};
  };
  EXPECT_EQ(std::tuple(counter("records"), counter("waiting.server"), counter("dropped.server")),
            std::tuple(100, 10, 4));
}

TEST(Channels, AreReadFromTheAnswer) {
  const Json channel = {{"ModelComponent", "flange"},
                        {"ComponentVersion", "1.0.0"},
                        {"Archive", "s3://b/a.zip"},
                        {"ArchiveSha256", std::string(64, 'a')},
                        {"ChangedAt", 5}};
  const auto channels = parse_channels(Json{{"Channels", {channel}}}.dump());
  ASSERT_TRUE(channels);
  EXPECT_EQ(channels->front(), (Channel{"flange", "1.0.0", "s3://b/a.zip", std::string(64, 'a')}));
  for (const char* broken : {"", "[]", "{}", R"({"Channels": {}})", R"({"Channels": [5]})", R"({"Channels": [{}]})"})
    EXPECT_FALSE(parse_channels(broken)) << broken;
}

class Follower : public testing::Test {
 protected:
  /// Puts a version into the folder of the models, as one that came from a channel.
  Channel put(const std::string& version) {
    Channel channel{"flange", version, "s3://b/a.zip", std::string(64, version.front())};
    const auto folder = models() / channel.component / version;
    std::filesystem::create_directories(folder);
    EXPECT_TRUE(write_file_atomically(folder / ".channel", channel.sha256));
    return channel;
  }
  [[nodiscard]] std::filesystem::path models() const { return folder_.path(); }
  ChannelFollower follower() {
    return {models(),
            [this](const std::string& component, const std::string& version) -> Result<void> {
              chosen_.push_back(component + ":" + version);
              return {};
            },
            [this](const std::string&) { return running_; }, options_, cancelled_};
  }

  const TemporaryFolder folder_;
  const ServerLinkOptions options_ = *parse_server_link(kConfig, "line-1");
  const std::atomic<bool> cancelled_ = false;
  std::vector<std::string> chosen_;
  std::string running_;
};

TEST_F(Follower, RemovesWhatWasFetchedAndIsNotNeeded) {
  const auto channel = put("1.0.0");
  const auto unpacked = models() / (".fetching-" + channel.sha256);
  const auto other = models() / (".fetching-" + std::string(64, 'f'));
  for (const auto& file : {unpacked, other}) ASSERT_TRUE(write_file_atomically(file, "half"));
  EXPECT_TRUE(follower().follow({channel}).empty());
  EXPECT_EQ(chosen_, std::vector<std::string>{"flange:1.0.0"});
  for (const auto& file : {unpacked, other}) EXPECT_FALSE(std::filesystem::exists(file)) << file;
}

TEST_F(Follower, UndoesTheChoiceOfAChannelThatIsRemoved) {
  EXPECT_TRUE(follower().follow({put("1.0.0")}).empty());
  // The program may have been started anew meanwhile.
  auto anew = follower();
  EXPECT_TRUE(anew.follow({}).empty());
  EXPECT_TRUE(anew.follow({}).empty());
  EXPECT_EQ(chosen_, (std::vector<std::string>{"flange:1.0.0", "flange:"}));
}

TEST_F(Follower, KeepsTheVersionThatRunsAndThoseThatRanBefore) {
  namespace fs = std::filesystem;
  const auto component = models() / "flange";
  for (const char* version : {"1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0", "6.0.0", "7.0.0"}) {
    put(version);
    fs::last_write_time(component / version, std::chrono::file_clock::from_sys(std::chrono::sys_seconds{}));
  }
  fs::create_directories(component / "own");
  // A kill came while this one was removed.
  fs::create_directories(component / ".leaving-0.9.0");
  ASSERT_TRUE(write_file_atomically(component / ".leaving-0.9.0/.channel", std::string(64, '0')));
  // The channel goes back to an old version while 2.0.0 runs; all others came and never ran.
  running_ = "2.0.0";
  EXPECT_TRUE(follower().follow({put("1.0.0")}).empty());
  note_running(component, "1.0.0");
  remove_old_versions(component, "7.0.0");
  for (const char* kept : {"1.0.0", "2.0.0", "7.0.0", "own"}) EXPECT_TRUE(fs::exists(component / kept)) << kept;
  for (const char* gone : {"3.0.0", "4.0.0", "5.0.0", ".leaving-0.9.0"})
    EXPECT_FALSE(fs::exists(component / gone)) << gone;
}

TEST(Channels, NamesOfFoldersLeadNowhereElse) {
  for (const char* good : {"flange", "com.example.part", "1.0.0", "a_b-C"}) EXPECT_TRUE(is_folder_name(good)) << good;
  for (const char* bad : {"", ".", "..", ".hidden", "a/b", "a b", "a\\b"}) EXPECT_FALSE(is_folder_name(bad)) << bad;
}

}  // namespace
}  // namespace vedette
