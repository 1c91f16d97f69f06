#include "upkeep/upkeep.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "base/text.hpp"
#include "store/objects/filesystem/filesystem_objects.hpp"

namespace vedette {
namespace {

using s3::LifecycleRule;

class LifecycleRules : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store_->create_bucket("b")); }
  void put(const std::string& key) { ASSERT_TRUE(put_bytes(*store_, "b", key, "x", "t")); }
  LifecycleOutcome apply(LifecycleRule rule) {
    rule.is_enabled = true;
    const auto outcome = apply_lifecycle(*store_, "b", {rule}, clock_.now(), [] { return false; });
    EXPECT_TRUE(outcome);
    return *outcome;
  }
  std::size_t versions(const std::string& prefix = {}) {
    return store_->list_versions("b", {.prefix = prefix, .limit = 100'000})->size();
  }
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::days(20'000)}};
  std::unique_ptr<BucketStore> store_ = open_filesystem_objects(folder_.path(), clock_);
};

TEST_F(LifecycleRules, OldVersionsGoAndTheNewestOnesStay) {
  ASSERT_TRUE(store_->set_versioning("b", Versioning::enabled));
  for (int day = 0; day < 5; ++day) {
    put("a/k");
    put("b/k");
    clock_.advance(std::chrono::days(1));
  }
  LifecycleRule rule;
  rule.prefix = "a/";
  rule.noncurrent_days = 2;
  rule.newer_noncurrent = 3;
  EXPECT_EQ(apply(rule).expired_versions, 1);
  rule.newer_noncurrent = 0;
  EXPECT_EQ(apply(rule).expired_versions, 2);  // They were superseded 1, 2 … days ago: one stays.
  EXPECT_EQ(versions("a/"), 2U);
  EXPECT_EQ(versions("b/"), 5U);
  EXPECT_TRUE(store_->head("b", "a/k", std::nullopt));
}

TEST_F(LifecycleRules, ExpiryDeletesOrInVersionedBucketsMarks) {
  put("old");
  clock_.advance(std::chrono::days(3));
  put("new");
  LifecycleRule rule;
  rule.days = 3;
  EXPECT_EQ(apply(rule).expired_objects, 1);
  EXPECT_EQ(versions(), 1U);
  ASSERT_TRUE(store_->set_versioning("b", Versioning::enabled));
  clock_.advance(std::chrono::days(3));
  EXPECT_EQ(apply(rule).expired_objects, 1);
  EXPECT_EQ(apply(rule).expired_objects, 0);
  EXPECT_EQ(versions(), 2U);
  LifecycleRule cleaning;
  cleaning.removes_lone_markers = true;
  EXPECT_EQ(apply(cleaning).removed_markers, 0);
  ASSERT_TRUE(store_->remove("b", "new", "null"));
  EXPECT_EQ(apply(cleaning).removed_markers, 1);
  EXPECT_EQ(versions(), 0U);
}

TEST_F(LifecycleRules, UploadsThatNobodyCompletesAreAborted) {
  ASSERT_TRUE(store_->create_upload("b", "a", {}, {}));
  clock_.advance(std::chrono::days(1));
  ASSERT_TRUE(store_->create_upload("b", "b", {}, {}));
  LifecycleRule rule;
  rule.abort_upload_days = 1;
  EXPECT_EQ(apply(rule).aborted_uploads, 1);
  EXPECT_EQ(store_->list_uploads("b", "", 10)->at(0).key, "b");
}

TEST_F(LifecycleRules, KeysWithMoreVersionsThanAPageAreSeenWhole) {
  ASSERT_TRUE(store_->set_versioning("b", Versioning::enabled));
  for (int i = 0; i < 1100; ++i) put("k");
  put("l");
  clock_.advance(std::chrono::days(1));
  LifecycleRule rule;
  rule.noncurrent_days = 1;
  rule.newer_noncurrent = 1;
  EXPECT_EQ(apply(rule).expired_versions, 1098);
  EXPECT_EQ(versions(), 3U);
}

TEST_F(LifecycleRules, AnObjectReplacedMeanwhileStays) {
  put("k");
  const auto old = *store_->head("b", "k", std::nullopt);
  clock_.advance(std::chrono::seconds(1));
  put("k");
  EXPECT_EQ(store_->remove_if("b", "k", {old.etag, old.modified}).error().code, "PreconditionFailed");
  EXPECT_TRUE(store_->head("b", "k", std::nullopt));
}

TEST_F(LifecycleRules, AClockThatJumpsAheadDeletesNothingForADay) {
  using std::chrono::days, std::chrono::hours;
  ClockGuard guard(*store_, clock_);
  EXPECT_TRUE(guard.may_expire({}));
  clock_.advance(hours(1));
  EXPECT_TRUE(guard.may_expire(hours(1)));
  clock_.advance(days(365));
  EXPECT_FALSE(guard.may_expire(hours(1)));
  clock_.advance(-days(365));
  EXPECT_TRUE(guard.may_expire(hours(1))) << "the clock was set right";
  clock_.advance(days(365));
  EXPECT_FALSE(ClockGuard(*store_, clock_).may_expire({})) << "a new process remembers";
  clock_.advance(hours(23));
  EXPECT_FALSE(guard.may_expire(hours(23)));
  clock_.advance(hours(1));
  EXPECT_TRUE(guard.may_expire(hours(1)));
}

TEST(Upkeep, ChecksAllContentsAndShowsTheDamagedOnes) {
  const TemporaryFolder folder;
  const SystemClock clock;
  const auto store = open_filesystem_objects(folder.path(), clock);
  ASSERT_TRUE(store->create_bucket("b"));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put_bytes(*store, "b", std::to_string(i), std::to_string(i), "t"));
  for (const auto& e : std::filesystem::recursive_directory_iterator(folder.path() / "contents"))
    if (e.is_regular_file() && as_text(*read_file(e.path(), 10)) == "7") std::filesystem::resize_file(e.path(), 0);
  Upkeep upkeep(*store, clock, {});
  upkeep.start();
  const auto shows = [&](const std::string& line) { return upkeep.to_prometheus().find(line) != std::string::npos; };
  while (!shows("vedette_objects_checked_total 20\n")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(shows("vedette_objects_damaged 1\n"));
}

TEST(Upkeep, ShowsWhatIsMissingAndSetAsideFromItsStartOn) {
  const TemporaryFolder folder;
  const SystemClock clock;
  auto store = open_filesystem_objects(folder.path(), clock);
  ASSERT_TRUE(store->create_bucket("b"));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put_bytes(*store, "b", std::to_string(i), std::to_string(i), "t"));
  store.reset();
  for (const auto& e : std::filesystem::recursive_directory_iterator(folder.path() / "contents"))
    if (e.is_regular_file() && as_text(*read_file(e.path(), 10)) == "7")
      std::filesystem::rename(e.path(), e.path().parent_path() / std::string(e.path().filename().string().size(), 'a'));
  store = open_filesystem_objects(folder.path(), clock);
  Upkeep upkeep(*store, clock, {});
  upkeep.start();
  const auto text = upkeep.to_prometheus();
  EXPECT_NE(text.find("vedette_objects_missing 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("vedette_objects_set_aside 1\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace vedette
