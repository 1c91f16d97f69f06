#include "edge/sinks/sinks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "edge/sinks/bounded_json.hpp"
#include "edge/sinks/modbus_registers.hpp"
#include "edge/sinks/sparkplug_payload.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

VerdictRecord record_of(std::uint64_t sequence) {
  VerdictRecord record;
  record.sequence = sequence;
  record.station = "line-1";
  return record;
}

TEST(Sinks, WrongSettingsAreRefusedAndNamed) {
  for (const auto& [config, name] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "not an object"},
           {"{}", "kind"},
           {R"({"kind":"telegraph"})", "kind"},
           {R"({"kind":"jsonl"})", "folder"},
           {R"({"kind":"jsonl","folder":"/x","name":"../x"})", "name"},
           {R"({"kind":"jsonl","folder":"/x","bytes":1})", "bytes"},
           {R"({"kind":"jsonl","folder":"/x","colour":1})", "colour"},
           {R"({"kind":"webhook","url":"ftp://x","secret_file":"/etc/hostname"})", "url"},
           {R"({"kind":"webhook","url":"http://x"})", "secret_file"},
           {R"({"kind":"webhook","url":"http://x","secret_file":"/does/not/exist"})", "secret_file"},
           {R"({"kind":"mqtt"})", "host"},
           {R"({"kind":"mqtt","host":"x","port":70000})", "port"},
           {R"({"kind":"mqtt","host":"x","topic":"a/#"})", "topic"},
           {R"({"kind":"mqtt","host":"x","password_file":"/etc/hostname"})", "username"},
           {R"({"kind":"mqtt","host":"x","tls":{"certificate_file":"/x"}})", "key_file"},
           {R"({"kind":"mqtt","host":"x","tls":{"insecure":true}})", "insecure"},
           {R"({"kind":"sparkplug","host":"x","group":"a/b"})", "group"}}) {
    const auto sink = make_sink(json::parse(config), "line-1");
    ASSERT_FALSE(sink) << config;
    EXPECT_EQ(sink.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(sink.error().message.find(name), std::string::npos) << sink.error().message;
  }
  for (const auto& [config, name] :
       std::vector<std::pair<std::string, std::string>>{{R"({"kind":"lamp"})", "kind"},
                                                        {R"({"kind":"modbus","address":"here"})", "address"},
                                                        {R"({"kind":"modbus","clients":0})", "clients"},
                                                        {R"({"kind":"gpio","chip":"/dev/gpiochip0"})", "ok"},
                                                        {R"({"kind":"gpio","chip":"/dev/gpiochip0","ok":{}})", "line"},
                                                        {R"({"kind":"gpio","ok":{"line":1}})", "chip"}}) {
    const auto output = make_live_output(json::parse(config));
    ASSERT_FALSE(output) << config;
    EXPECT_EQ(output.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(output.error().message.find(name), std::string::npos) << output.error().message;
  }
  const auto no_chip = make_live_output(json::parse(R"({"kind":"gpio","chip":"/dev/null","ok":{"line":1}})"));
  ASSERT_FALSE(no_chip);
  EXPECT_EQ(no_chip.error().kind, ErrorKind::unavailable);
  EXPECT_FALSE(make_sink(json::parse(R"({"kind":"jsonl","folder":"/x"})"), "a/b"));
}

TEST(Sinks, MessagesStayWithinTheirLimit) {
  auto record = record_of(7);
  EXPECT_EQ(sinks::bounded_json(record, 4096), to_json(record));
  record.classes.assign(200, {std::string(100, 'c'), 0.1, "#000000"});
  record.trigger_id = "part-7";
  auto text = sinks::bounded_json(record, 4096);
  EXPECT_LE(text.size(), 4096);
  EXPECT_EQ(json::parse(text).at("shortened"), true);
  EXPECT_EQ(json::parse(text).at("trigger_id"), "part-7");
  record.trigger_id = std::string(1024, '\x01');
  text = sinks::bounded_json(record, 1024);
  EXPECT_LE(text.size(), 1024);
  EXPECT_EQ(json::parse(text).at("seq"), 7);
  EXPECT_EQ(json::parse(text).at("is_anomalous"), true);
}

class JsonLinesTest : public testing::Test {
 protected:
  std::unique_ptr<Sink> open() {
    const json config{{"kind", "jsonl"}, {"folder", folder_.path().string()}, {"bytes", 4096U}, {"files", 2U}};
    return std::move(make_sink(config, "line-1").value());
  }
  static void deliver(Sink& sink, std::uint64_t first, std::uint64_t last, char journal = 'j') {
    std::vector<VerdictRecord> records;
    for (auto i = first; i <= last; ++i) {
      records.push_back(record_of(i));
      records.back().journal = std::string(26, journal);
    }
    ASSERT_TRUE(sink.deliver(records));
  }
  /// The sequence numbers in all files.
  std::vector<std::uint64_t> numbers() {
    std::vector<std::uint64_t> all;
    for (const auto& path : files()) {
      std::ifstream file(path);
      for (std::string line; std::getline(file, line);) all.push_back(parse_record(line).value().sequence);
    }
    return all;
  }
  std::vector<fs::path> files() {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder_.path())) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
  }
  TemporaryFolder folder_;
};

TEST_F(JsonLinesTest, LinesGoOnAfterARestartAndATornLineIsCut) {
  deliver(*open(), 1, 2);
  ASSERT_EQ(files().size(), 1);
  std::ofstream(files()[0], std::ios::app) << R"({"seq":3,"stat)";
  deliver(*open(), 3, 4);
  EXPECT_EQ(numbers(), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(JsonLinesTest, FilesAreBoundedAndTheOldestGo) {
  const auto sink = open();
  for (std::uint64_t i = 1; i <= 30; ++i) deliver(*sink, i, i);
  ASSERT_EQ(files().size(), 2);
  for (const auto& path : files()) EXPECT_LE(fs::file_size(path), 4096);
  const auto all = numbers();
  EXPECT_EQ(all.back(), 30);
  EXPECT_EQ(all.back() - all.front() + 1, all.size());
  EXPECT_EQ(files()[0].filename(), std::string(26, 'j') + "-" +
                                       std::string(20 - std::to_string(all.front()).size(), '0') +
                                       std::to_string(all.front()) + ".jsonl");
}

TEST_F(JsonLinesTest, AReplacedJournalsFilesGoFirst) {
  {
    const auto sink = open();
    for (std::uint64_t i = 1001; i <= 1030; ++i) deliver(*sink, i, i, 'z');
  }
  // The numbers begin anew, in a file of its own that is not taken for the oldest.
  const auto sink = open();
  deliver(*sink, 1, 1, 'a');
  ASSERT_EQ(files().size(), 2);
  EXPECT_EQ(numbers().front(), 1);
  deliver(*sink, 2, 2, 'a');
  EXPECT_EQ(files().size(), 2);
  EXPECT_EQ(numbers()[1], 2);
  for (std::uint64_t i = 3; i <= 30; ++i) deliver(*sink, i, i, 'a');
  EXPECT_EQ(files().size(), 2);
  EXPECT_EQ(numbers().back(), 30);
}

TEST(Modbus, RegistersSayGoodOnlyOfWhatWasJudgedNormal) {
  namespace r = sinks::registers;
  auto record = record_of(0x0001'0002'0003'0004);
  record.is_anomalous = false;
  record.confidence = 0.98765;
  record.score = 1.5;
  record.trigger_id = "ABC";
  record.classes = {{"scratch", 0.25, "#000000"}};
  const auto good = sinks::registers_of(record, 5, 6);
  EXPECT_EQ(good[r::kChange], 5);
  EXPECT_EQ(good[r::kLastChange], 5);
  EXPECT_EQ(good[r::kAlive], 6);
  EXPECT_EQ(good[r::kResult], 1);
  EXPECT_EQ(good[r::kState], 1);
  EXPECT_EQ((std::vector<int>{good[4], good[5], good[6], good[7]}), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(good[r::kConfidence], 9877);
  EXPECT_EQ(good[r::kScore], 0x3FC0);
  EXPECT_EQ(good[r::kTriggerId], 'A' << 8 | 'B');
  EXPECT_EQ(good[r::kTriggerId + 1], 'C' << 8);
  EXPECT_EQ(good[r::kClassCount], 1);
  EXPECT_EQ(good[r::kClasses], 's' << 8 | 'c');
  EXPECT_EQ(good[r::kClasses + 8], 2500);
  for (int state = 1; state <= static_cast<int>(RecordState::failed); ++state) {
    record.state = static_cast<RecordState>(state);
    EXPECT_EQ(sinks::registers_of(record, 0, 0)[r::kResult], 2);
  }
  record.state = RecordState::judged;
  record.is_anomalous = true;
  EXPECT_EQ(sinks::registers_of(record, 0, 0)[r::kResult], 2);
}

TEST(Modbus, RequestsBeyondTheRegistersGetTheirException) {
  const sinks::Registers registers{};
  const auto answer = [&](const Bytes& request) { return to_hex(as_bytes(sinks::answer_modbus(request, registers))); };
  const auto last = static_cast<std::uint8_t>(sinks::registers::kLastChange);
  EXPECT_EQ(answer({1, 4, 0, last, 0, 1}), "0104020000");
  EXPECT_EQ(answer({1, 3, 0, last, 0, 2}), "018302");
  EXPECT_EQ(answer({1, 3, 0xFF, 0xFF, 0, 2}), "018302");
  EXPECT_EQ(answer({1, 3, 0, 0, 0, 0}), "018303");
  EXPECT_EQ(answer({1, 3, 0, 0, 0, 126}), "018303");
  EXPECT_EQ(answer({1, 3, 0, 0}), "018303");
  EXPECT_EQ(answer({1, 6, 0, 0, 0, 1}), "018601");
  EXPECT_EQ(answer({1, 16}), "019001");
}

TEST(Sparkplug, CommandsAndHostStatesFromOutsideAreReadWithCare) {
  EXPECT_TRUE(sinks::sparkplug::asks_for_rebirth(std::string("\x12\x18\x0a\x14Node Control/Rebirth\x70\x01", 26)));
  EXPECT_FALSE(sinks::sparkplug::asks_for_rebirth(std::string("\x12\x18\x0a\x14Node Control/Rebirth\x70\x00", 26)));
  for (const auto* text : {"", "x", "\x12\xff\xff\xff\xff\x0f", "\x12\x18\x0a\x14Node Control/Reb"})
    EXPECT_FALSE(sinks::sparkplug::asks_for_rebirth(text));
  EXPECT_TRUE(sinks::sparkplug::parse_host_state(R"({"online":true,"timestamp":5})")->online);
  for (const auto* text : {"", "ONLINE", "[]", R"({"online":1,"timestamp":5})", R"({"online":true,"timestamp":-5})"})
    EXPECT_FALSE(sinks::sparkplug::parse_host_state(text)) << text;
}

}  // namespace
}  // namespace vedette
