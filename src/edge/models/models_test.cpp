#include "edge/models/models.hpp"

#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "base/files.hpp"
#include "vision/verdict/tiny_model.hpp"

namespace vedette {
namespace {

namespace fs = std::filesystem;
using enum ComponentStatus;

constexpr int kSide = kTinySide;

void write_model(const fs::path& folder, double threshold, std::size_t bytes = 1024, float weight = 0.3F) {
  // A new folder appears whole, as docs/edge.md asks: otherwise half of it may be tried first.
  const auto unfinished = folder.parent_path() / ("." + folder.filename().string());
  const bool is_new = !fs::exists(folder);
  ASSERT_TRUE(write_tiny_model(is_new ? unfinished : folder, threshold, bytes, weight));
  if (is_new) fs::rename(unfinished, folder);
}

RgbImage picture(std::uint8_t red, int side = kSide) {
  return red_picture(red, side);
}

class StationModels : public testing::Test {
 protected:
  fs::path models() const { return folder_.path() / "models"; }
  ComponentsOptions options() const {
    ComponentsOptions out;
    out.folder = models();
    out.state_file = folder_.path() / "state" / "components.json";
    out.look_interval = std::chrono::milliseconds(1);
    return out;
  }
  /// Waits until the component is neither starting nor stopping.
  static ComponentState settle(Components& components, const std::string& name) {
    components.wait_until_settled();
    return *components.describe(name);
  }
  static ErrorKind kind_of(const auto& result) {
    EXPECT_FALSE(result);
    return result ? ErrorKind::internal : result.error().kind;
  }
  TemporaryFolder folder_;
};

TEST_F(StationModels, GoFromStoppedToRunningAndBack) {
  write_model(models() / "part", 0.6);
  Components components(options());
  EXPECT_EQ(kind_of(components.start("other")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(components.stop("other")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(components.describe("other")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(components.choose("other", "1")), ErrorKind::not_found);
  EXPECT_EQ(kind_of(components.judge("other", picture(255))), ErrorKind::not_found);
  ASSERT_EQ(components.list().size(), 1U);
  EXPECT_EQ(components.describe("part")->status, stopped);
  EXPECT_EQ(kind_of(components.stop("part")), ErrorKind::conflict);
  EXPECT_EQ(kind_of(components.judge("part", picture(255))), ErrorKind::conflict);
  ASSERT_TRUE(components.start("part"));
  ASSERT_EQ(settle(components, "part").status, running);
  EXPECT_EQ(components.start("part").error().message,
            "The edge agent can't perform the operation. The model is RUNNING.");
  const auto bad = components.judge("part", picture(255)), good = components.judge("part", picture(25));
  ASSERT_TRUE(bad && good);
  EXPECT_TRUE(bad->verdict.is_anomalous);
  EXPECT_FALSE(good->verdict.is_anomalous);
  EXPECT_EQ(bad->model->sha256.size(), 64U);
  EXPECT_EQ(kind_of(components.judge("part", picture(255, 65))), ErrorKind::invalid_input);
  const auto state = *components.describe("part");
  EXPECT_EQ(std::tuple(state.judged, state.anomalous, state.refused), std::tuple(2U, 1U, 2U));
  EXPECT_EQ(state.model_sha256, bad->model->sha256);
  EXPECT_GT(state.memory_bytes, 0U);
  ASSERT_TRUE(components.stop("part"));
  EXPECT_EQ(components.describe("part")->status, stopped);
  ASSERT_TRUE(components.start("part"));
  EXPECT_EQ(settle(components, "part").status, running);
}

TEST_F(StationModels, RawPixelsAndAFileOfThemGiveTheSameVerdict) {
  write_model(models() / "part", 0.6);
  Components components(options());
  ASSERT_TRUE(components.start("part"));
  settle(components, "part");
  const auto image = picture(123);
  const auto raw = components.judge("part", image), file = components.judge("part", *encode_png(image));
  ASSERT_TRUE(raw && file);
  EXPECT_EQ(raw->verdict.anomaly_score, file->verdict.anomaly_score);
  EXPECT_EQ(raw->verdict.confidence, file->verdict.confidence);
  RgbImage whole;
  const auto once = components.judge("part", *encode_png(image), &whole);
  EXPECT_EQ(once->verdict.anomaly_score, file->verdict.anomaly_score);
  EXPECT_EQ(whole.pixels, image.pixels);
  EXPECT_EQ(kind_of(components.judge("part", *encode_png(picture(1, 65)), &whole)), ErrorKind::invalid_input);
  const auto gone = components.judge("part", kSide, kSide, [](std::size_t, std::span<std::uint8_t>) -> Result<void> {
    return invalid_input("The segment is gone.");
  });
  EXPECT_EQ(gone.error().message, "The segment is gone.");
}

TEST_F(StationModels, APictureIsMadeForTheModelThatJudgesIt) {
  write_model(models() / "part", 0.6);
  Components components(options());
  auto image = picture(123);
  image.beyond_range = 0.125;
  std::vector<int> asked;
  const auto make = [&](int sample_bits) {
    asked.push_back(sample_bits);
    return Result<const RgbImage*>(&image);
  };
  EXPECT_EQ(kind_of(components.judge_made("part", kSide, kSide, make)), ErrorKind::conflict);
  ASSERT_TRUE(components.start("part"));
  settle(components, "part");
  EXPECT_EQ(kind_of(components.judge_made("part", kSide, kSide + 1, make)), ErrorKind::invalid_input);
  EXPECT_TRUE(asked.empty());
  const auto made = components.judge_made("part", kSide, kSide, make), raw = components.judge("part", picture(123));
  ASSERT_TRUE(made && raw);
  EXPECT_EQ(asked, std::vector<int>{16});
  EXPECT_EQ(made->verdict.statistics.beyond_range, 0.125);
  EXPECT_EQ(raw->verdict.statistics.beyond_range, 0);
  EXPECT_FALSE(made->verdict.reason.empty());  // So much of the picture is beyond the range of the samples.
  EXPECT_TRUE(raw->verdict.reason.empty());
}

TEST_F(StationModels, ADamagedModelFailsWithAReasonAndMayBeStartedAgain) {
  fs::create_directories(models() / "empty");
  fs::create_directories(models() / "damaged");
  ASSERT_TRUE(write_file_atomically(models() / "damaged" / "manifest.json", "{"));
  write_model(models() / "torn", 0.6);
  for (const auto& blob : fs::directory_iterator(models() / "torn" / "blobs")) fs::resize_file(blob.path(), 10);
  Components components(options());
  for (const auto* name : {"empty", "damaged", "torn"}) {
    ASSERT_TRUE(components.start(name));
    const auto state = settle(components, name);
    EXPECT_EQ(state.status, failed) << name;
    EXPECT_FALSE(state.message.empty()) << name;
    EXPECT_EQ(kind_of(components.judge(name, picture(1))), ErrorKind::conflict);
  }
  fs::remove_all(models() / "torn");
  write_model(models() / "torn", 0.6);
  ASSERT_TRUE(components.start("torn"));
  EXPECT_EQ(settle(components, "torn").status, running);
}

TEST_F(StationModels, AFaultOfTheLoaderIsAFailedModelAndNoCrash) {
  write_model(models() / "part", 0.6);
  auto with_fault = options();
  with_fault.load_engine = [](const auto&, auto, auto) -> Result<std::shared_ptr<const Engine>> {
    throw std::bad_alloc();
  };
  Components components(with_fault);
  ASSERT_TRUE(components.start("part"));
  const auto state = settle(components, "part");
  EXPECT_EQ(state.status, failed);
  EXPECT_NE(state.message.find("not enough memory"), std::string::npos);
}

TEST_F(StationModels, TheNewestVersionRunsAndANewOneTakesOver) {
  write_model(models() / "part" / "9.0.0", 0.6);
  write_model(models() / "part" / "8.0.0", 0.1);
  Components components(options());
  ASSERT_TRUE(components.start("part"));
  ASSERT_EQ(settle(components, "part").version, "9.0.0");
  EXPECT_FALSE(components.judge("part", picture(128))->verdict.is_anomalous);
  // A version that is written in place may be taken twice.
  write_model(models() / "part" / ".new", 0.3);
  fs::rename(models() / "part" / ".new", models() / "part" / "10.0.0");
  const auto state = settle(components, "part");
  EXPECT_EQ(state.version, "10.0.0");
  EXPECT_EQ(state.switches, 1U);
  EXPECT_TRUE(components.judge("part", picture(128))->verdict.is_anomalous);
}

TEST_F(StationModels, AVersionThatCannotBeUsedLeavesTheOldOneInService) {
  write_model(models() / "part" / "1.0.0", 0.6);
  Components components(options());
  ASSERT_TRUE(components.start("part"));
  settle(components, "part");
  fs::create_directories(models() / "part" / "2.0.0");
  auto state = settle(components, "part");
  EXPECT_EQ(state.status, running);
  EXPECT_EQ(state.version, "1.0.0");
  EXPECT_NE(state.message.find("Version 2.0.0 could not be used"), std::string::npos) << state.message;
  EXPECT_TRUE(components.judge("part", picture(255))->verdict.is_anomalous);
  // Once the version is whole, it is tried again.
  write_model(models() / "part" / "2.0.0", 0.5);
  state = settle(components, "part");
  EXPECT_EQ(state.version, "2.0.0");
  EXPECT_EQ(state.message.find("could not"), std::string::npos);
}

TEST_F(StationModels, AChosenVersionOutlivesTheProgram) {
  write_model(models() / "part" / "1.0.0", 0.6);
  write_model(models() / "part" / "2.0.0", 0.5);
  {
    Components components(options());
    ASSERT_TRUE(components.start("part"));
    ASSERT_EQ(settle(components, "part").version, "2.0.0");
    ASSERT_TRUE(components.choose("part", "1.0.0"));
    ASSERT_EQ(settle(components, "part").version, "1.0.0");
  }
  Components components(options());
  EXPECT_EQ(components.describe("part")->version, "1.0.0");
  ASSERT_TRUE(components.start("part"));
  EXPECT_EQ(settle(components, "part").version, "1.0.0");
  ASSERT_TRUE(components.choose("part", "7.0.0"));
  auto state = settle(components, "part");
  EXPECT_EQ(state.version, "1.0.0");
  EXPECT_NE(state.message.find("Version 7.0.0 was chosen and is not there."), std::string::npos) << state.message;
  ASSERT_TRUE(components.choose("part", ""));
  EXPECT_EQ(settle(components, "part").version, "2.0.0");
}

TEST_F(StationModels, AStartFallsBackToAVersionThatWorks) {
  write_model(models() / "part" / "1.0.0", 0.6);
  fs::create_directories(models() / "part" / "2.0.0");
  Components components(options());
  ASSERT_TRUE(components.start("part"));
  const auto state = settle(components, "part");
  EXPECT_EQ(state.status, running);
  EXPECT_EQ(state.version, "1.0.0");
  EXPECT_NE(state.message.find("Version 2.0.0"), std::string::npos);
}

TEST_F(StationModels, StopWaitsForTheCallsAndASwitchDropsNone) {
  write_model(models() / "part" / "1.0.0", 0.6);
  Components components(options());
  ASSERT_TRUE(components.start("part"));
  settle(components, "part");
  std::latch is_reading(1);
  std::promise<void> go_on;
  auto call = std::async(std::launch::async, [&] {
    return components.judge("part", kSide, kSide, [&](std::size_t, std::span<std::uint8_t> out) {
      is_reading.count_down();
      go_on.get_future().wait();
      std::fill(out.begin(), out.end(), std::uint8_t{255});
      return Result<void>();
    });
  });
  is_reading.wait();
  write_model(models() / "part" / "2.0.0", 0.5);
  ASSERT_EQ(settle(components, "part").version, "2.0.0");
  auto stop = std::async(std::launch::async, [&] { return components.stop("part"); });
  while (components.describe("part")->status != stopping) std::this_thread::yield();
  EXPECT_EQ(kind_of(components.judge("part", picture(255))), ErrorKind::conflict);
  go_on.set_value();
  const auto judged = call.get();
  ASSERT_TRUE(judged);
  EXPECT_TRUE(judged->verdict.is_anomalous);
  EXPECT_EQ(judged->model->version, "1.0.0");
  ASSERT_TRUE(stop.get());
  EXPECT_EQ(components.describe("part")->status, stopped);
}

TEST(Underway, SaysSinceWhenTheOldestWorkIsUnderWay) {
  using std::chrono::seconds;
  Underway underway;
  EXPECT_EQ(underway.longest().count(), 0);
  const auto before = std::chrono::steady_clock::now();
  std::optional<Underway::Work> oldest(std::in_place, underway);
  const auto between = std::chrono::steady_clock::now();
  {
    const Underway::Work newer(underway);
    EXPECT_GE(underway.longest(between + seconds(9)), seconds(9));
    EXPECT_LE(underway.longest(before + seconds(9)), seconds(9));
    oldest.reset();
    EXPECT_LE(underway.longest(between + seconds(9)), seconds(9));
  }
  EXPECT_EQ(underway.longest(between + seconds(9)).count(), 0);
}

TEST_F(StationModels, MemoryIsLimited) {
  constexpr std::size_t kMegabyte = 1 << 20;
  write_model(models() / "one", 0.6, 4 * kMegabyte, 0.1F);
  write_model(models() / "two", 0.6, 4 * kMegabyte, 0.2F);
  write_model(models() / "like-one", 0.5, 4 * kMegabyte, 0.1F);
  auto limited = options();
  limited.memory = 6 * kMegabyte;
  Components components(limited);
  ASSERT_TRUE(components.start("one"));
  ASSERT_EQ(settle(components, "one").status, running);
  EXPECT_EQ(kind_of(components.start("two")), ErrorKind::quota_exceeded);
  // What models have in common is in memory once.
  ASSERT_TRUE(components.start("like-one"));
  EXPECT_EQ(settle(components, "like-one").status, running);
}

TEST_F(StationModels, AComponentThatIsCopiedInLaterIsFound) {
  fs::create_directories(models());
  Components components(options());
  EXPECT_TRUE(components.list().empty());
  write_model(models() / "late", 0.6);
  EXPECT_EQ(components.list().size(), 1U);
  fs::remove_all(models() / "late");
  EXPECT_TRUE(components.list().empty());
}

TEST_F(StationModels, ADamagedStateFileOnlyForgetsChoices) {
  write_model(models() / "part" / "1.0.0", 0.6);
  fs::create_directories(options().state_file.parent_path());
  ASSERT_TRUE(write_file_atomically(options().state_file, "{"));
  Components components(options());
  ASSERT_TRUE(components.start("part"));
  EXPECT_EQ(settle(components, "part").status, running);
  EXPECT_EQ(read_remembered_versions(options().state_file)->at("part").running, "1.0.0");
}

}  // namespace
}  // namespace vedette
