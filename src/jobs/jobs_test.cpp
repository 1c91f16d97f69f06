#include "jobs/jobs.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/files.hpp"
#include "base/log.hpp"
#include "store/metadata/repeating_store.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

using std::chrono::seconds;

class Jobs : public testing::Test {
 protected:
  std::int64_t insert(const std::string& payload, const std::string& request = {}) {
    return store_->write([&](UnitOfWork& work) {
      return work.jobs().insert({"paint", payload, clock_.now(), request});
    });
  }
  std::optional<Job> claim(const std::string& worker) {
    return store_->write([&](UnitOfWork& work) { return lease::claim(work.jobs(), "paint", worker, work.now()); });
  }
  JobWorker::Options options(const std::string& worker) { return {.kind = "paint", .worker = worker}; }
  static JobHandler handler(std::function<JobOutcome(const JobRun&)> run) {
    return {std::move(run), [](const JobRun&) { throw std::logic_error("given up"); }};
  }

  TemporaryFolder folder_;
  FakeClock clock_{Timestamp{std::chrono::hours(1)}};
  FakeMonotonicClock monotonic_;
  std::unique_ptr<MetadataStore> store_ =
      std::make_unique<RepeatingStore>(open_sqlite_metadata(folder_.path() / "m.sqlite", clock_));
};

TEST_F(Jobs, RunOldestFirstAndOnce) {
  insert("a");
  insert("b");
  std::string seen;
  JobWorker worker(*store_, monotonic_, options("w1"),
                   handler([&](const JobRun& run) { return seen += run.job.payload, JobOutcome{}; }));
  EXPECT_TRUE(worker.run_one());
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  EXPECT_EQ(seen, "ab");
}

TEST_F(Jobs, OnlyRunsThatTriedSomethingCountAsAttempts) {
  insert("a");
  std::vector<std::int64_t> attempts;
  bool is_attempt = false;
  JobWorker worker(*store_, monotonic_, options("w1"), handler([&](const JobRun& run) {
    attempts.push_back(run.job.lease.attempts);
    return JobOutcome{.retry_after = std::chrono::milliseconds(0), .is_attempt = is_attempt};
  }));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(worker.run_one());
  is_attempt = true;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(attempts, (std::vector<std::int64_t>{1, 1, 1, 1, 2}));
}

TEST_F(Jobs, ExpiredLeaseCanBeClaimedAgain) {
  insert("a");
  const auto first = claim("dead");
  ASSERT_TRUE(first);
  EXPECT_FALSE(claim("w2"));
  clock_.advance(seconds(31));
  const auto again = claim("w2");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->lease.attempts, 2);
  EXPECT_EQ(again->lease.rescues, 1);
  EXPECT_GT(again->lease.term, first->lease.term);
  const lease::Claim old{first->id, "dead", first->lease.term}, current{again->id, "w2", again->lease.term};
  store_->write([&](UnitOfWork& work) {
    EXPECT_FALSE(lease::complete(work.jobs(), old));
    EXPECT_FALSE(lease::renew(work.jobs(), old, clock_.now()));
    EXPECT_FALSE(lease::give_back(work.jobs(), old, clock_.now(), true));
    EXPECT_TRUE(lease::complete(work.jobs(), current));
  });
}

TEST_F(Jobs, AWorkerKnowsItsOwnEarlierClaimFromItsNewOne) {
  insert("a");
  const auto first = claim("w");
  clock_.advance(seconds(31));
  const auto second = claim("w");
  ASSERT_TRUE(first && second);
  store_->write([&](UnitOfWork& work) {
    EXPECT_FALSE(lease::check(work.jobs(), {first->id, "w", first->lease.term}));
    EXPECT_TRUE(lease::check(work.jobs(), {second->id, "w", second->lease.term}));
  });
}

TEST_F(Jobs, AClockThatIsSetBackKeepsNoJobWaiting) {
  insert("a");
  clock_.advance(-std::chrono::minutes(30));
  ASSERT_TRUE(claim("w"));
  EXPECT_FALSE(claim("w2"));
}

TEST_F(Jobs, TheSearchFindsWhatTheRuleLetsAWorkerClaim) {
  insert("a");
  const auto now = clock_.now();
  for (const auto& ready : {now - seconds(1), now, now + seconds(1), now + lease::kFarthest,
                            now + lease::kFarthest + std::chrono::milliseconds(1)}) {
    store_->write([&](UnitOfWork& work) {
      work.jobs().set_lease(1, {"", 0, ready, 0, 0});
      EXPECT_EQ(work.jobs().find_ready("paint", now, now + lease::kFarthest).has_value(),
                lease::is_claimable(*work.jobs().lock(1), now));
    });
  }
}

TEST_F(Jobs, ANodeThatStartsTakesBackWhatItsFormerSelfHeld) {
  insert("a");
  ASSERT_TRUE(claim("node1/x"));
  const auto take_back = [&](const char* prefix) {
    store_->write([&](UnitOfWork& work) { lease::take_back(work.jobs(), prefix, work.now()); });
  };
  take_back("node2/");
  EXPECT_FALSE(claim("node2/y"));
  take_back("node1/");
  const auto again = claim("node1/y");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->lease.rescues, 1);
}

TEST_F(Jobs, AJobRunsAgainLaterIfItsHandlerThrowsOrAsksForIt) {
  insert("a");
  int calls = 0;
  JobWorker worker(*store_, monotonic_, options("w1"), handler([&](const JobRun&) -> JobOutcome {
    if (++calls == 1) throw std::runtime_error("broken brush");
    if (calls == 2) return {seconds(5)};
    return {};
  }));
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  clock_.advance(seconds(10));
  EXPECT_TRUE(worker.run_one());
  EXPECT_FALSE(worker.run_one());
  clock_.advance(seconds(5));
  EXPECT_TRUE(worker.run_one());
  clock_.advance(std::chrono::hours(1));
  EXPECT_FALSE(worker.run_one());
  EXPECT_EQ(calls, 3);
}

// Two stores over one file are two nodes: the first is frozen in the middle of a job, and thaws when the second has it.
TEST_F(Jobs, AThawedWorkerChangesNothing) {
  const auto id = insert("a");
  const auto other = open_sqlite_metadata(folder_.path() / "m.sqlite", clock_);
  const Scope scope{"123456789012", "us-east-1"};
  std::optional<Job> taken;
  JobWorker worker(*store_, monotonic_, options("frozen"), handler([&](const JobRun& run) -> JobOutcome {
    run.metadata.write([&](UnitOfWork& work) { work.projects().insert(scope, {"before", {}}); });
    clock_.advance(seconds(31));
    taken = other->write([&](UnitOfWork& work) { return lease::claim(work.jobs(), "paint", "second", work.now()); });
    EXPECT_TRUE(run.metadata.read()->projects().find(scope, "before"));
    run.metadata.write([&](UnitOfWork& work) { work.projects().insert(scope, {"after", {}}); });
    ADD_FAILURE() << "the write was accepted";
    return {};
  }));
  EXPECT_TRUE(worker.run_one());
  ASSERT_TRUE(taken);
  EXPECT_FALSE(store_->read()->projects().find(scope, "after"));
  store_->write([&](UnitOfWork& work) {
    EXPECT_TRUE(lease::check(work.jobs(), {id, "second", taken->lease.term})) << "the job is still the second worker's";
  });
}

TEST_F(Jobs, NamesOfRunsNeverComeAgain) {
  insert("a");
  std::vector<std::string> names;
  JobWorker worker(*store_, monotonic_, options("w"), handler([&](const JobRun& run) -> JobOutcome {
    names.push_back(run.name);
    return {std::chrono::milliseconds(0)};
  }));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(names, (std::vector<std::string>{"1-1", "1-2", "1-3"}));
}

TEST_F(Jobs, AJobThatIsLostThreeTimesIsGivenUp) {
  insert("a");
  int runs = 0, given_up = 0;
  JobWorker worker(*store_, monotonic_, options("w"),
                   {[&](const JobRun&) { return ++runs, JobOutcome{}; },
                    [&](const JobRun& run) {
                      ++given_up;
                      EXPECT_EQ(run.job.lease.rescues, 3);
                      run.metadata.write([](UnitOfWork&) {});  // It holds the job, and may write.
                    }});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(claim("killed"));
    clock_.advance(seconds(31));
  }
  EXPECT_TRUE(worker.run_one());
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(given_up, 1);
  clock_.advance(seconds(31));
  EXPECT_FALSE(worker.run_one());
}

TEST_F(Jobs, ALeaseIsRenewedInTimeAndCancelsItsRunWhenItIsNot) {
  const auto id = insert("a");
  std::atomic<bool> cancel{false};
  const auto began = monotonic_.now();
  const auto job = claim("w");
  LeaseKeeper keeper(*store_, monotonic_, {id, "w", job->lease.term}, began, cancel);
  const auto advance = [&](seconds by) {
    clock_.advance(by);
    monotonic_.advance(by);
  };
  EXPECT_EQ(keeper.step(), lease::kRenewEvery);
  advance(lease::kRenewEvery);
  EXPECT_EQ(keeper.step(), lease::kRenewEvery);
  advance(seconds(25));
  EXPECT_FALSE(claim("other")) << "renewed at 8 s, the lease ends at 38 s";
  EXPECT_TRUE(keeper.step()) << "it renews late, but the lease is still its own";
  advance(seconds(40));
  ASSERT_TRUE(claim("other"));
  EXPECT_FALSE(keeper.step());
  EXPECT_TRUE(cancel);
}

/// A store that cannot be reached.
struct AwayStore : MetadataStore {
  std::unique_ptr<UnitOfWork> read() override { throw std::runtime_error("away"); }
  void run_transaction(const std::function<bool(UnitOfWork&)>&) override { throw std::runtime_error("away"); }
};

TEST_F(Jobs, AWorkerThatCannotRenewCancelsBeforeItsLeaseEnds) {
  AwayStore away;
  std::atomic<bool> cancel{false};
  LeaseKeeper keeper(away, monotonic_, {1, "w", 1}, monotonic_.now(), cancel);
  std::chrono::nanoseconds waited{0};
  while (const auto pause = keeper.step()) {
    ASSERT_GT(*pause, std::chrono::nanoseconds(0));
    monotonic_.advance(*pause);
    waited += *pause;
  }
  EXPECT_TRUE(cancel);
  EXPECT_EQ(waited, lease::kLength - lease::kMargin);
}

TEST_F(Jobs, LogLinesOfAHandlerNameTheJobAndTheRequestThatAskedForIt) {
  const auto asked = std::to_string(insert("a", "0c1d"));
  const auto unasked = std::to_string(insert("b"));
  JobWorker worker(*store_, monotonic_, options("w1"), handler([&](const JobRun&) {
    log::info("painted", {{"with", "brush"}});
    return JobOutcome{};
  }));
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
