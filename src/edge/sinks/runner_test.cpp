#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <set>
#include <thread>

#include "base/files.hpp"
#include "base/mutex.hpp"
#include "edge/journal/refused_records.hpp"
#include "edge/sinks/sinks.hpp"

namespace vedette {
namespace {

/// What the tests see of a sink, which the runner owns.
struct Seen {
  Mutex mutex;
  std::condition_variable changed;
  std::vector<std::uint64_t> numbers GUARDED_BY(mutex);
  int failures_left GUARDED_BY(mutex) = 0;
  std::set<std::uint64_t> poison GUARDED_BY(mutex);  ///< the numbers of records that are refused for good
  bool blocks GUARDED_BY(mutex) = false;
  bool blocked GUARDED_BY(mutex) = false;
  bool cancelled GUARDED_BY(mutex) = false;

  void block() {
    const MutexLock lock(mutex);
    blocks = true;
  }
  void fail_twice() {
    const MutexLock lock(mutex);
    failures_left = 2;
  }
  void refuse(std::set<std::uint64_t> numbers_to_refuse) {
    const MutexLock lock(mutex);
    poison = std::move(numbers_to_refuse);
  }
  [[nodiscard]] std::vector<std::uint64_t> delivered() {
    const MutexLock lock(mutex);
    return numbers;
  }
  void wait_for(std::uint64_t number) {
    MutexLock lock(mutex);
    changed.wait(lock.standard(), [&]() REQUIRES(mutex) { return !numbers.empty() && numbers.back() >= number; });
  }
};

class FakeSink : public Sink {
 public:
  FakeSink(std::string name, Seen& seen) : name_(std::move(name)), seen_(seen) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t most_records() const override { return 3; }
  Result<void> deliver(std::span<const VerdictRecord> records) override {
    MutexLock lock(seen_.mutex);
    EXPECT_LE(records.size(), 3);
    if (seen_.blocks) {
      seen_.blocked = true;
      seen_.changed.notify_all();
      seen_.changed.wait(lock.standard(), [&]() REQUIRES(seen_.mutex) { return seen_.cancelled; });
      return fail(ErrorKind::unavailable, "cancelled");
    }
    if (seen_.failures_left > 0) return --seen_.failures_left, fail(ErrorKind::unavailable, "away");
    for (const auto& record : records)
      if (seen_.poison.contains(record.sequence)) return fail(ErrorKind::unsupported, "The status is 400.");
    for (const auto& record : records) seen_.numbers.push_back(record.sequence);
    seen_.changed.notify_all();
    return {};
  }
  void cancel() override {
    const MutexLock lock(seen_.mutex);
    seen_.cancelled = true;
    seen_.changed.notify_all();
  }

 private:
  const std::string name_;
  Seen& seen_;
};

class RunnerTest : public testing::Test {
 protected:
  void append(int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(journal_->append(VerdictRecord()));
  }
  std::unique_ptr<SinkRunner> start(const std::vector<std::pair<std::string, Seen*>>& fakes) {
    std::vector<std::unique_ptr<Sink>> sinks;
    for (const auto& [name, seen] : fakes) sinks.push_back(std::make_unique<FakeSink>(name, *seen));
    return std::move(SinkRunner::start(*journal_, std::move(sinks)).value());
  }
  void reopen() {
    journal_.reset();
    journal_ = std::move(Journal::open(folder_.path(), options_, clock_).value());
  }
  TemporaryFolder folder_;
  SystemClock clock_;
  JournalOptions options_{.bytes = 1 << 20, .picture_bytes = 0, .segment_bytes = 64 << 10};
  std::unique_ptr<Journal> journal_ = std::move(Journal::open(folder_.path(), options_, clock_).value());
};

TEST_F(RunnerTest, AFailureIsRepeatedAndOrderIsKept) {
  Seen seen;
  seen.fail_twice();
  append(10);
  const auto runner = start({{"a", &seen}});
  seen.wait_for(10);
  append(1);
  seen.wait_for(11);
  EXPECT_EQ(seen.delivered(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(runner->counts()[0].failures, 2);
}

TEST_F(RunnerTest, ASinkThatIsStuckHoldsUpNeitherTheOthersNorTheEnd) {
  Seen stuck;
  stuck.block();
  Seen other;
  {
    const auto runner = start({{"stuck", &stuck}, {"other", &other}});
    append(5);
    other.wait_for(5);
    MutexLock lock(stuck.mutex);
    stuck.changed.wait(lock.standard(), [&]() REQUIRES(stuck.mutex) { return stuck.blocked; });
  }
  const MutexLock lock(stuck.mutex);
  EXPECT_TRUE(stuck.cancelled);
}

TEST_F(RunnerTest, WhatWasDeliveredIsNotSentAgainAfterARestart) {
  Seen first;
  {
    const auto runner = start({{"a", &first}});
    append(4);
    first.wait_for(4);
  }
  reopen();
  append(1);
  Seen second;
  const auto runner = start({{"a", &second}});
  second.wait_for(5);
  EXPECT_EQ(second.delivered(), std::vector<std::uint64_t>{5});
}

TEST_F(RunnerTest, ARefusedRecordIsSetAsideHoldsUpNoOtherAndIsSentAgainWhenSomebodyAsks) {
  Seen seen;
  seen.refuse({2, 6});
  append(8);
  {
    const auto runner = start({{"a", &seen}});
    seen.wait_for(8);
    EXPECT_EQ(seen.delivered(), (std::vector<std::uint64_t>{1, 3, 4, 5, 7, 8}));
    EXPECT_EQ(RefusedRecords(folder_.path(), "a").count(), 2U);
    EXPECT_EQ(runner->counts()[0].problem, "");
  }
  // An agent that is started later sends them, and sets aside what is refused once more.
  seen.refuse({6});
  EXPECT_EQ(resend_refused(folder_.path(), "a").value(), 2U);
  EXPECT_EQ(resend_refused(folder_.path(), "a").error().kind, ErrorKind::conflict);
  reopen();
  append(1);
  const auto runner = start({{"a", &seen}});
  seen.wait_for(9);
  EXPECT_EQ(seen.delivered(), (std::vector<std::uint64_t>{1, 3, 4, 5, 7, 8, 2, 9}));
  EXPECT_EQ(runner->counts()[0].refused, 1U);
  EXPECT_NE(to_prometheus(runner->counts(), journal_->counts()).find("vedette_edge_sink_refused{sink=\"a\"} 1\n"),
            std::string::npos);
  EXPECT_EQ(resend_refused(folder_.path(), "b").error().kind, ErrorKind::not_found);
}

TEST_F(RunnerTest, WithoutRoomForRefusedRecordsTheSinkIsHeldUpAndLosesNone) {
  Seen seen;
  seen.refuse({1});
  std::filesystem::create_directories(folder_.path() / "refused");
  const auto file = folder_.path() / "refused" / "a.jsonl";
  std::ofstream(file) << "\n";
  std::filesystem::resize_file(file, RefusedRecords::kMostBytes);
  append(1);
  const auto runner = start({{"a", &seen}});
  while (runner->counts()[0].problem.empty()) std::this_thread::yield();
  EXPECT_NE(runner->counts()[0].problem.find("16 MiB"), std::string::npos);
  std::filesystem::remove(file);
  append(1);
  seen.wait_for(2);
  EXPECT_EQ(RefusedRecords(folder_.path(), "a").count(), 1U);
}

TEST_F(RunnerTest, TwoSinksOfOneNameAreRefused) {
  Seen seen;
  std::vector<std::unique_ptr<Sink>> sinks;
  for (int i = 0; i < 2; ++i) sinks.push_back(std::make_unique<FakeSink>("a", seen));
  EXPECT_EQ(SinkRunner::start(*journal_, std::move(sinks)).error().kind, ErrorKind::conflict);
}

}  // namespace
}  // namespace vedette
