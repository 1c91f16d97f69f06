// Tests what the server keeps of stations: their health, the order of their verdicts, gaps, and what is bounded.
#include "service/stations.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "edge/record/record.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
using Health = extension::StationState::Health;

VerdictRecord record(std::uint64_t sequence) {
  VerdictRecord r;
  r.sequence = sequence;
  r.journal = "journal-1";
  r.station = "line-1";
  r.model = "flange";
  r.model_version = "1.0.0";
  r.is_anomalous = sequence % 5 == 0;
  r.confidence = 0.75;
  r.judged_at = 1'800'000'000'000'000'000 + static_cast<std::int64_t>(sequence) * 1'000'000'000;
  return r;
}

class StationsTest : public testing::Test {
 protected:
  void SetUp() override {
    call_.caller.account = kScope.account;
    call_.caller.user = "ann";
    allow("*");
    call_.scope = kScope;
  }
  void allow(const std::string& action) {
    const auto policy = Policy::parse(
        Json{{"Version", "2012-10-17"}, {"Statement", {{{"Effect", "Allow"}, {"Action", action}, {"Resource", "*"}}}}}
            .dump());
    call_.caller.policies = std::make_shared<const std::vector<Policy>>(std::vector{*policy});
  }
  Result<std::vector<StationChannel>> report(const std::string& name, Json members = Json::object()) {
    members.update({{"StationName", name}, {"AgentVersion", "1.0"}});
    return stations_.put_report(call_, extension::PutStationReportRequest(members));
  }
  Result<extension::ReceivedVerdicts> put(const std::vector<VerdictRecord>& records) {
    Json lines = Json::array();
    for (const auto& r : records) lines.push_back(to_json(r));
    return stations_.put_verdicts(
        call_, extension::PutStationVerdictsRequest(Json{{"StationName", "line-1"}, {"Records", lines}}));
  }
  Result<extension::ReceivedVerdicts> put(std::uint64_t first, std::uint64_t last) {
    std::vector<VerdictRecord> records;
    for (auto sequence = first; sequence <= last; ++sequence) records.push_back(record(sequence));
    return put(records);
  }
  extension::StationState describe() {
    return *stations_.describe(call_, extension::StationRequest(Json{{"StationName", "line-1"}}));
  }
  /// The sequence numbers of the verdicts that fit, over all pages.
  std::vector<std::int64_t> sequences(Json members = Json::object()) {
    std::vector<std::int64_t> out;
    members["StationName"] = "line-1";
    while (true) {
      const auto page = stations_.list_verdicts(call_, extension::ListStationVerdictsRequest(members));
      if (!page) return {-1};
      for (const auto& v : page->items) out.push_back(extension::encode_station_verdict(v).at("Sequence"));
      if (page->next_token.empty()) return out;
      members["NextToken"] = page->next_token;
    }
  }

  inline static const Scope kScope{"123456789012", "us-east-1"};
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::hours(500'000)}};
  std::unique_ptr<MetadataStore> metadata_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
  Stations stations_{*metadata_, clock_, {.stations = 2, .verdicts = 10, .days = 2}};
  CallContext call_;
};

TEST_F(StationsTest, RecordsThatComeAgainAreDuplicatesAndThoseLeftOutAreAGap) {
  const auto first = put(7, 9);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(std::tuple(first->last_sequence, first->accepted, first->duplicates, first->missing),
            std::tuple(9, 3, 0, 0));
  const auto again = put(8, 10);
  EXPECT_EQ(std::tuple(again->last_sequence, again->accepted, again->duplicates, again->missing),
            std::tuple(10, 1, 2, 0));
  const auto later = put(14, 14);
  EXPECT_EQ(std::tuple(later->last_sequence, later->accepted, later->missing), std::tuple(14, 1, 3));
  EXPECT_EQ(sequences(), (std::vector<std::int64_t>{14, 10, 9, 8, 7}));
  const auto state = describe();
  ASSERT_EQ(state.journals.size(), 1U);
  EXPECT_EQ(std::tuple(state.journals[0].first, state.journals[0].last, state.journals[0].missing,
                       state.journals[0].duplicates),
            std::tuple(7, 14, 3, 2));
  ASSERT_EQ(state.gaps.size(), 1U);
  EXPECT_EQ(std::tuple(state.gaps[0].first, state.gaps[0].last), std::tuple(11, 13));
}

TEST_F(StationsTest, ACallOfBrokenOrForeignRecordsChangesNothing) {
  ASSERT_TRUE(put(1, 1));
  auto foreign = record(3), nameless = record(3), other = record(3);
  foreign.station = "line-2";
  nameless.journal = "";
  other.journal = "journal-2";
  for (const auto& records : std::vector<std::vector<VerdictRecord>>{
           {record(2), foreign}, {record(2), nameless}, {record(2), other}, {record(3), record(2)}, {record(0)}})
    EXPECT_EQ(put(records).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(stations_
                .put_verdicts(call_, extension::PutStationVerdictsRequest(
                                         Json{{"StationName", "line-1"}, {"Records", {"{}", "nonsense"}}}))
                .error()
                .kind,
            ErrorKind::invalid_input);
  EXPECT_EQ(sequences(), std::vector<std::int64_t>{1});
  // What is wrong with one record names it, and what is wrong with their order names none.
  EXPECT_EQ(put({record(2), foreign}).error().message.rfind("Records[1]: ", 0), 0U);
  EXPECT_EQ(put({record(3), record(2)}).error().message.find("Records["), std::string::npos);
}

TEST_F(StationsTest, APictureThatIsNotTheStationsIsLeftOut) {
  std::vector<VerdictRecord> records;
  for (const char* picture :
       {"s3://b/stations/line-1/j/1.png", "s3://b/kept/stations/line-1/j/1.png", "1.png", "s3://b/secret.png",
        "s3://b/stations/line-2/1.png", "s3://b/xstations/line-1/1.png", "s3://stations/line-1/1.png"}) {
    records.push_back(record(records.size() + 1));
    records.back().picture = picture;
  }
  ASSERT_TRUE(put(records));
  auto verdicts = metadata_->read()->stations().verdicts(describe().station.id, {}, 1000, 1000);
  std::vector<std::string> pictures;
  for (const auto& verdict : verdicts) pictures.push_back(parse_record(verdict.record)->picture);
  EXPECT_EQ(pictures, (std::vector<std::string>{"", "", "", "", "", "s3://b/kept/stations/line-1/j/1.png",
                                                "s3://b/stations/line-1/j/1.png"}));
  EXPECT_NE(stations_.to_prometheus().find("vedette_station_pictures_left_out_total 4"), std::string::npos);
}

TEST_F(StationsTest, VerdictsAreFilteredPageByPage) {
  auto dark = record(6);
  dark.state = RecordState::cannot_judge;
  dark.is_anomalous = true;
  auto other = record(7);
  other.model = "screw";
  other.model_version = "2.0.0";
  ASSERT_TRUE(put(1, 5));
  ASSERT_TRUE(put({dark, other}));
  EXPECT_EQ(sequences({{"MaxResults", 2}}), (std::vector<std::int64_t>{7, 6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(sequences({{"IsAnomalous", true}, {"MaxResults", 1}}), (std::vector<std::int64_t>{6, 5}));
  EXPECT_EQ(sequences({{"State", "CANNOT_JUDGE"}}), std::vector<std::int64_t>{6});
  EXPECT_EQ(sequences({{"ModelComponent", "screw"}, {"ComponentVersion", "2.0.0"}}), std::vector<std::int64_t>{7});
  EXPECT_EQ(sequences({{"ModelComponent", "screw"}, {"ComponentVersion", "1.0.0"}}), std::vector<std::int64_t>{});
  EXPECT_EQ(sequences({{"StartTime", 1'800'000'002'000}, {"EndTime", 1'800'000'004'000}}),
            (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(sequences({{"NextToken", "bm9uc2Vuc2U="}}), std::vector<std::int64_t>{-1});
  const auto day = describe().day;
  EXPECT_EQ(std::tuple(day.verdicts, day.anomalous, day.without_verdict), std::tuple(7, 1, 1));
}

TEST_F(StationsTest, TheOldestVerdictsGiveWay) {
  ASSERT_TRUE(put(1, 25));
  ASSERT_TRUE(put(26, 27));
  EXPECT_EQ(sequences().size(), 10U);
  EXPECT_EQ(sequences().back(), 18);
  clock_.advance(std::chrono::hours(47));
  ASSERT_TRUE(put(28, 28));
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(sequences(), std::vector<std::int64_t>{28});
  ASSERT_TRUE(report("line-1"));
  EXPECT_EQ(metadata_->read()->stations().verdicts(describe().station.id, {}, 1000, 1000).size(), 1U);
}

TEST_F(StationsTest, AStationIsSilentWhenItMissedReports) {
  ASSERT_TRUE(report("line-1", {{"IntervalSeconds", 60}}));
  EXPECT_EQ(describe().health, Health::healthy);
  ASSERT_TRUE(report("line-1", {{"IntervalSeconds", 60},
                                {"Models", Json::array({{{"ModelComponent", "flange"}, {"State", "FAILED"}}})}}));
  EXPECT_EQ(describe().health, Health::troubled);
  clock_.advance(std::chrono::seconds(180));
  EXPECT_EQ(describe().health, Health::troubled);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(describe().health, Health::silent);
  EXPECT_NE(stations_.to_prometheus().find("vedette_stations{health=\"silent\"} 1"), std::string::npos);
  ASSERT_TRUE(put(1, 1));
  EXPECT_EQ(describe().health, Health::troubled);
  EXPECT_NE(stations_.to_prometheus().find("vedette_station_verdicts_received_total 1"), std::string::npos);
}

TEST_F(StationsTest, StationsOfAllRegionsTogetherAreLimited) {
  ASSERT_TRUE(report("line-1"));
  call_.scope.region = "invented-1";
  ASSERT_TRUE(report("line-1"));
  EXPECT_EQ(report("line-2").error().kind, ErrorKind::quota_exceeded);
  const extension::StationRequest request(Json{{"StationName", "line-1"}});
  ASSERT_TRUE(stations_.remove(call_, request));
  EXPECT_EQ(stations_.describe(call_, request).error().resource_type, "STATION");
  EXPECT_TRUE(report("line-2"));
}

TEST_F(StationsTest, AChannelNamesTheArchiveOfAPackagingJob) {
  metadata_->write([&](UnitOfWork& work) {
    work.projects().insert(kScope, {"p", clock_.now()});
    for (const char* name : {"made", "waiting", "old"}) {
      PackagingJob job;
      job.project = "p";
      job.name = name;
      job.component_name = "flange";
      job.component_version = std::string("1.0.") + std::to_string(std::string_view(name).size());
      job.status = std::string_view(name) == "waiting" ? PackagingJobStatus::created : PackagingJobStatus::succeeded;
      work.packaging_jobs().insert(kScope, job);
    }
    work.packaging_jobs().choose_archive(kScope, "p", "made", {"packages/1-1", std::string(64, 'a')});
    work.packaging_jobs().set_archive(kScope, "p", "made", "s3://b/a.zip");
  });
  const auto update = [&](Json members) {
    members.update({{"StationName", "line-1"}, {"ModelComponent", members.value("ModelComponent", "flange")}});
    return stations_.update_channel(call_, extension::UpdateStationChannelRequest(members));
  };
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "made"}}).error().kind, ErrorKind::not_found);
  ASSERT_TRUE(report("line-1"));
  EXPECT_EQ(update({{"ProjectName", "p"}}).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "none"}}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "waiting"}}).error().kind, ErrorKind::conflict);
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "old"}}).error().kind, ErrorKind::conflict);
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "made"}, {"ModelComponent", "screw"}}).error().kind,
            ErrorKind::invalid_input);
  allow("vedette:*");
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "made"}}).error().kind, ErrorKind::access_denied);
  EXPECT_EQ(update({{"ProjectName", "p"}, {"JobName", "none"}}).error().kind, ErrorKind::access_denied);
  EXPECT_TRUE(update(Json::object()));
  allow("*");
  ASSERT_TRUE(update({{"ProjectName", "p"}, {"JobName", "made"}}));
  const auto channels = report("line-1");
  ASSERT_EQ(channels->size(), 1U);
  EXPECT_EQ(std::tuple(channels->front().component, channels->front().component_version, channels->front().archive,
                       channels->front().sha256, channels->front().user),
            std::tuple("flange", "1.0.4", "s3://b/a.zip", std::string(64, 'a'), "ann"));
  ASSERT_TRUE(update(Json::object()));
  EXPECT_TRUE(report("line-1")->empty());
}

}  // namespace
}  // namespace vedette
