#include "edge/station/station.hpp"

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "vision/verdict/tiny_model.hpp"

namespace vedette {
namespace {

/// Keeps what it is shown.
class Display final : public LiveOutput {
 public:
  explicit Display(std::vector<VerdictRecord>& shown) : shown_(shown) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  void show(const VerdictRecord& record) override { shown_.push_back(record); }
  void beat() override { ++beats; }
  int beats = 0;

 private:
  const std::string name_ = "display";
  std::vector<VerdictRecord>& shown_;
};

class StationTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(write_tiny_model(folder_.path() / "models" / "part" / "1.0.0", 0.6));
    ASSERT_TRUE(write_tiny_model(folder_.path() / "models" / "stopped", 0.6));
    ComponentsOptions options;
    options.folder = folder_.path() / "models";
    options.state_file = folder_.path() / "components.json";
    options.look_interval = std::chrono::milliseconds(1);
    components_ = std::make_unique<Components>(options);
    ASSERT_TRUE(components_->start("part"));
    components_->wait_until_settled();
    auto journal = Journal::open(folder_.path() / "journal", {}, clock_);
    ASSERT_TRUE(journal) << journal.error().message;
    journal_ = std::move(*journal);
  }
  std::unique_ptr<EdgeStation> station(KeepPictures keep = KeepPictures::none) {
    std::vector<std::unique_ptr<LiveOutput>> outputs;
    outputs.push_back(std::make_unique<Display>(shown_));
    return std::make_unique<EdgeStation>(*components_, journal_.get(), std::move(outputs),
                                         StationOptions{"line-1", keep});
  }
  std::vector<VerdictRecord> recorded() {
    // What was written before this record is durable with it. It is left out itself.
    VerdictRecord end;
    end.trigger_id = "end";
    EXPECT_TRUE(journal_->append(end));
    auto reader = journal_->reader("test");
    auto out = (*reader)->read(100, std::chrono::milliseconds(0))->records;
    if (!out.empty()) out.pop_back();
    return out;
  }

  TemporaryFolder folder_;
  SystemClock clock_;
  std::unique_ptr<Components> components_;
  std::unique_ptr<Journal> journal_;
  std::vector<VerdictRecord> shown_;
};

TEST_F(StationTest, APartIsJudgedRecordedAndShown) {
  const auto line = station();
  const auto bad = line->judge("part", {"camera", "serial-7", 5, 6}, red_picture(255));
  const auto good = line->judge("part", {"camera", "", 0, 0}, *encode_png(red_picture(20)));
  ASSERT_TRUE(bad && good);
  EXPECT_EQ(bad->sequence, 1U);
  EXPECT_EQ(good->sequence, 2U);
  EXPECT_TRUE(bad->is_anomalous);
  EXPECT_FALSE(good->is_anomalous);
  EXPECT_EQ(bad->state, RecordState::judged);
  EXPECT_EQ(std::tuple(bad->station, bad->source, bad->trigger_id, bad->triggered_at, bad->pictured_at),
            std::tuple("line-1", "camera", "serial-7", 5, 6));
  EXPECT_GT(bad->judged_at, 0);
  EXPECT_EQ(std::tuple(bad->model, bad->model_version, bad->threshold), std::tuple("part", "1.0.0", 0.6));
  EXPECT_EQ(bad->model_sha256.size(), 64U);
  EXPECT_EQ(recorded(), (std::vector<VerdictRecord>{*bad, *good}));
  EXPECT_EQ(shown_, (std::vector<VerdictRecord>{*bad, *good}));
}

TEST_F(StationTest, APartWithoutAVerdictIsRecordedAsAnomalous) {
  const auto line = station();
  const auto stopped = line->judge("stopped", {}, red_picture(20)), unknown = line->judge("other", {}, red_picture(20)),
             wrong = line->judge("part", {}, red_picture(20, 65)), broken = line->judge("part", {}, as_bytes("text")),
             missing = line->record_failure("part", {}, RecordState::no_picture, "The camera gave no picture.");
  const Result<Judged> busy = fail(ErrorKind::throttled, std::string(2000, 'x'));
  const auto overloaded = line->record("part", {}, busy, nullptr);
  ASSERT_TRUE(stopped && unknown && wrong && broken && missing && overloaded);
  EXPECT_EQ(stopped->state, RecordState::model_not_running);
  EXPECT_EQ(unknown->state, RecordState::model_not_running);
  EXPECT_EQ(wrong->state, RecordState::wrong_picture);
  EXPECT_EQ(broken->state, RecordState::wrong_picture);
  EXPECT_EQ(missing->state, RecordState::no_picture);
  EXPECT_EQ(missing->reason, "The camera gave no picture.");
  EXPECT_EQ(overloaded->state, RecordState::overloaded);
  EXPECT_EQ(overloaded->reason.size(), 1024U);
  const auto all = recorded();
  EXPECT_EQ(all.size(), 6U);
  for (const auto& record : all) EXPECT_TRUE(record.is_anomalous);
}

TEST_F(StationTest, PicturesAreKeptAsTheOptionSays) {
  auto line = station(KeepPictures::anomalies);
  const auto bad = line->judge("part", {}, red_picture(255)), good = line->judge("part", {}, red_picture(20));
  const auto file = *encode_png(red_picture(250));
  const auto bad_file = line->judge("part", {}, file);
  ASSERT_TRUE(bad && good && bad_file);
  EXPECT_TRUE(good->picture.empty());
  EXPECT_EQ(bad->picture_sha256, sha256_hex(as_text(red_picture(255).pixels)));
  EXPECT_EQ(bad_file->picture_sha256, sha256_hex(as_text(red_picture(250).pixels)));
  EXPECT_EQ(line->judge("stopped", {}, file)->picture_sha256, bad_file->picture_sha256);
  line.reset();  // waits until the pictures are written
  const auto kept = read_file(*journal_->find_picture(bad->picture), 1 << 20);
  ASSERT_TRUE(kept);
  EXPECT_EQ(decode_image(*kept)->pixels, red_picture(255).pixels);
  EXPECT_EQ(*read_file(*journal_->find_picture(bad_file->picture), 1 << 20), file);
  line = station(KeepPictures::all);
  EXPECT_FALSE(line->judge("part", {}, red_picture(20))->picture.empty());
}

TEST_F(StationTest, NamesAndTimesFromOutsideNeverKeepARecordAway) {
  const auto line = station();
  const auto record =
      line->judge(std::string(1025, 'm'), {std::string(2000, 's'), std::string(2000, 't'), -5, -6}, red_picture(20));
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(recorded(), (std::vector<VerdictRecord>{*record}));
  EXPECT_EQ(record->model.size(), 1024U);
  EXPECT_EQ(record->pictured_at, 0);
}

TEST_F(StationTest, APartThatComesAgainIsRecordedAndNotShownAgain) {
  const auto line = station();
  Part part{"folder", "a.png", 0, 0};
  ASSERT_TRUE(line->judge("part", part, red_picture(255)));
  part.is_repeated = true;
  ASSERT_TRUE(line->judge("part", part, red_picture(255)));
  ASSERT_TRUE(line->judge("part", part, *encode_png(red_picture(255))));
  ASSERT_TRUE(line->record_failure("part", part, RecordState::no_picture, "There is none."));
  EXPECT_EQ(shown_.size(), 1U);
  EXPECT_EQ(recorded().size(), 4U);
}

TEST_F(StationTest, WithoutAJournalOutputsStillShow) {
  std::vector<std::unique_ptr<LiveOutput>> outputs;
  outputs.push_back(std::make_unique<Display>(shown_));
  auto* display = static_cast<Display*>(outputs.front().get());
  EdgeStation line(*components_, nullptr, std::move(outputs), {"line-1", KeepPictures::all});
  const auto record = line.judge("part", {}, red_picture(255));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->sequence, 0U);
  EXPECT_TRUE(record->picture.empty());
  EXPECT_EQ(shown_.size(), 1U);
  line.beat();
  EXPECT_EQ(display->beats, 1);
}

}  // namespace
}  // namespace vedette
