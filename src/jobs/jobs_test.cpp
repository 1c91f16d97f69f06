#include "jobs/jobs.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/files.hpp"
#include "base/log.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

class Jobs : public testing::Test {
 protected:
  std::int64_t insert(const std::string& payload, const std::string& request = {}) {
    return store_->write([&](UnitOfWork& work) {
      return work.jobs().insert({"paint", payload, clock_.now(), request});
    });
  }
  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::hours(1)}};
  std::unique_ptr<MetadataStore> store_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
};

TEST_F(Jobs, RunOldestFirstAndOnce) {
  insert("a");
  insert("b");
  std::string seen;
  JobWorker worker(*store_, clock_, "paint", "w1",
                   [&](const Job& job, const auto&) { return seen += job.payload, JobOutcome{}; });
  EXPECT_TRUE(worker.run_one());
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  EXPECT_EQ(seen, "ab");
}

TEST_F(Jobs, OnlyRunsThatTriedSomethingCountAsAttempts) {
  insert("a");
  std::vector<std::int64_t> attempts;
  bool is_attempt = false;
  JobWorker worker(*store_, clock_, "paint", "w1", [&](const Job& job, const auto&) {
    attempts.push_back(job.attempts);
    return JobOutcome{.retry_after = std::chrono::milliseconds(0), .is_attempt = is_attempt};
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(worker.run_one());
  is_attempt = true;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(attempts, (std::vector<std::int64_t>{1, 1, 1, 1, 2}));
}

TEST_F(Jobs, ExpiredLeaseCanBeClaimedAgain) {
  insert("a");
  store_->write([&](UnitOfWork& work) {
    const auto job = work.jobs().claim("paint", "dead", clock_.now(), clock_.now() + std::chrono::seconds(30));
    ASSERT_TRUE(job);
    EXPECT_FALSE(work.jobs().claim("paint", "w2", clock_.now(), clock_.now() + std::chrono::seconds(30)));
    clock_.advance(std::chrono::seconds(31));
    const auto again = work.jobs().claim("paint", "w2", clock_.now(), clock_.now() + std::chrono::seconds(30));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->attempts, 2);
    EXPECT_FALSE(work.jobs().complete(job->id, "dead"));
    EXPECT_FALSE(work.jobs().renew(job->id, "dead", clock_.now()));
    EXPECT_TRUE(work.jobs().complete(job->id, "w2"));
  });
}

TEST_F(Jobs, AClockThatIsSetBackKeepsNoJobWaiting) {
  insert("a");
  clock_.advance(-std::chrono::minutes(30));
  store_->write([&](UnitOfWork& work) {
    const auto job = work.jobs().claim("paint", "w", clock_.now(), clock_.now() + std::chrono::seconds(30));
    ASSERT_TRUE(job);
    EXPECT_FALSE(work.jobs().claim("paint", "w2", clock_.now(), clock_.now() + std::chrono::seconds(30)));
  });
}

TEST_F(Jobs, ANodeThatStartsTakesBackWhatItsFormerSelfHeld) {
  insert("a");
  store_->write([&](UnitOfWork& work) {
    ASSERT_TRUE(work.jobs().claim("paint", "node1/x", clock_.now(), clock_.now() + std::chrono::seconds(30)));
    work.jobs().release_all("node2/", clock_.now());
    EXPECT_FALSE(work.jobs().claim("paint", "node2/y", clock_.now(), clock_.now() + std::chrono::seconds(30)));
    work.jobs().release_all("node1/", clock_.now());
    EXPECT_TRUE(work.jobs().claim("paint", "node1/y", clock_.now(), clock_.now() + std::chrono::seconds(30)));
  });
}

TEST_F(Jobs, AJobRunsAgainLaterIfItsHandlerThrowsOrAsksForIt) {
  insert("a");
  int calls = 0;
  JobWorker worker(*store_, clock_, "paint", "w1", [&](const Job&, const auto&) -> JobOutcome {
    if (++calls == 1) throw std::runtime_error("broken brush");
    if (calls == 2) return {std::chrono::seconds(5)};
    return {};
  });
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  clock_.advance(std::chrono::seconds(10));
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  clock_.advance(std::chrono::seconds(5));
  EXPECT_TRUE(worker.run_one());
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(worker.run_one());
  EXPECT_EQ(calls, 3);
}

TEST_F(Jobs, LogLinesOfAHandlerNameTheJobAndTheRequestThatAskedForIt) {
  const auto asked = std::to_string(insert("a", "0c1d"));
  const auto unasked = std::to_string(insert("b"));
  JobWorker worker(*store_, clock_, "paint", "w1", [&](const Job&, const auto&) {
    log::info("painted", {{"with", "brush"}});
    return JobOutcome{};
  });
  testing::internal::CaptureStderr();
  EXPECT_TRUE(worker.run_one());
  EXPECT_TRUE(worker.run_one());
  log::info("done");
  const auto lines = testing::internal::GetCapturedStderr();
  EXPECT_NE(lines.find(" info painted with=brush job=" + asked + " request=0c1d\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find(" info painted with=brush job=" + unasked + "\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find(" info done\n"), std::string::npos) << lines;
}

}  // namespace
}  // namespace vedette
