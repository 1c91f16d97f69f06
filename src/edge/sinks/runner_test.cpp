#include <gtest/gtest.h>

#include <condition_variable>

#include "base/files.hpp"
#include "base/mutex.hpp"
#include "edge/sinks/sinks.hpp"

namespace vedette {
namespace {

/// What the tests see of a sink, which the runner owns.
struct Seen {
  Mutex mutex;
  std::condition_variable changed;
  std::vector<std::uint64_t> numbers GUARDED_BY(mutex);
  int failures_left GUARDED_BY(mutex) = 0;
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

TEST_F(RunnerTest, TwoSinksOfOneNameAreRefused) {
  Seen seen;
  std::vector<std::unique_ptr<Sink>> sinks;
  for (int i = 0; i < 2; ++i) sinks.push_back(std::make_unique<FakeSink>("a", seen));
  EXPECT_EQ(SinkRunner::start(*journal_, std::move(sinks)).error().kind, ErrorKind::conflict);
}

}  // namespace
}  // namespace vedette
