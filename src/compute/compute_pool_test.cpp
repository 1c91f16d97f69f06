#include "compute/compute_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <string>

#include "base/parallel.hpp"

namespace vedette {
namespace {

using namespace std::chrono_literals;

/// A fixture with a pool whose clock stands still unless a test moves it.
class ComputePools : public testing::Test {
 protected:
  ComputeOptions options(int cores, int unit_cores) {
    ComputeOptions o;
    o.cores = cores;
    o.unit_cores = unit_cores;
    o.now = [this] { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(milliseconds_.load())); };
    return o;
  }
  /// Waits until `count` pictures wait in the lane.
  static void await_waiting(ComputePool& pool, ComputePool::Lane& lane, std::size_t count) {
    while (pool.state(lane).waiting != count) std::this_thread::yield();
  }
  static void await_running(ComputePool& pool, ComputePool::Lane& lane, int count) {
    while (pool.state(lane).running != count) std::this_thread::yield();
  }
  std::atomic<std::int64_t> milliseconds_{0};
};

/// Work that does not end until the test releases it.
class Held {
 public:
  void operator()(int threads) {
    threads_ = threads;
    released_.wait();
  }
  void release() { released_.count_down(); }
  [[nodiscard]] int threads() const { return threads_; }

 private:
  std::latch released_{1};
  std::atomic<int> threads_{0};
};

std::future<Result<void>> begin(ComputePool& pool, const std::shared_ptr<ComputePool::Lane>& lane,
                                std::function<void(int)> work, const std::stop_token& abandoned = {}) {
  return std::async(std::launch::async,
                    [&pool, lane, work = std::move(work), abandoned] { return pool.run(lane, work, abandoned); });
}

TEST_F(ComputePools, APictureAloneGetsAllCoresOfItsUnitAndOneEachWhileOthersWait) {
  ComputePool pool(options(2, 2));
  const auto lane = pool.open({2, 2}, 0.1);
  Held alone, second, third;
  auto a = begin(pool, lane, std::ref(alone));
  await_running(pool, *lane, 1);
  auto b = begin(pool, lane, std::ref(second));
  await_waiting(pool, *lane, 1);
  auto c = begin(pool, lane, std::ref(third));
  await_waiting(pool, *lane, 2);
  alone.release();
  await_running(pool, *lane, 2);
  second.release();
  third.release();
  EXPECT_TRUE(a.get() && b.get() && c.get());
  EXPECT_EQ(alone.threads(), 2);
  EXPECT_EQ(second.threads(), 1);
  EXPECT_EQ(third.threads(), 1);
}

TEST_F(ComputePools, TheMeanWaitIsThatOfTheLastMinute) {
  ComputePool pool(options(1, 1));
  const auto lane = pool.open({1, 1}, 0.1);
  EXPECT_EQ(pool.mean_wait_milliseconds(), 0);
  Held first, second;
  auto a = begin(pool, lane, std::ref(first));
  await_running(pool, *lane, 1);
  auto b = begin(pool, lane, std::ref(second));
  await_waiting(pool, *lane, 1);
  milliseconds_ += 300;
  first.release();
  EXPECT_TRUE(a.get());
  await_waiting(pool, *lane, 0);
  EXPECT_DOUBLE_EQ(pool.mean_wait_milliseconds(), 150);
  second.release();
  EXPECT_TRUE(b.get());
  milliseconds_ += 61'000;
  EXPECT_EQ(pool.mean_wait_milliseconds(), 0);
}

TEST_F(ComputePools, UnitsFollowDemandWithinTheirRange) {
  ComputePool pool(options(4, 1));
  const auto lane = pool.open({1, 3}, 0.1);
  EXPECT_EQ(pool.state(*lane).in_service, 1);
  Held work;
  std::vector<std::future<Result<void>>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(begin(pool, lane, std::ref(work)));
  await_running(pool, *lane, 3);
  await_waiting(pool, *lane, 2);
  EXPECT_EQ(pool.state(*lane).in_service, 3);
  work.release();
  for (auto& call : calls) EXPECT_TRUE(call.get());
  EXPECT_EQ(pool.state(*lane).desired, 3);
  milliseconds_ += 6'000;
  EXPECT_EQ(pool.state(*lane).desired, 1);
}

TEST_F(ComputePools, UnitsMayBeChangedWhilePicturesWait) {
  ComputePool pool(options(2, 1));
  const auto lane = pool.open({1, 1}, 0.1);
  Held work;
  auto a = begin(pool, lane, std::ref(work));
  await_running(pool, *lane, 1);
  auto b = begin(pool, lane, std::ref(work));
  await_waiting(pool, *lane, 1);
  pool.set_units(*lane, {2, 2});
  await_running(pool, *lane, 2);
  work.release();
  EXPECT_TRUE(a.get() && b.get());
}

TEST_F(ComputePools, WhatWouldWaitTooLongIsRefusedWithTheTimeToWait) {
  auto o = options(1, 1);
  o.longest_wait = 3s;
  ComputePool pool(o);
  const auto lane = pool.open({1, 1}, 2.0);
  Held work;
  auto a = begin(pool, lane, std::ref(work));
  await_running(pool, *lane, 1);
  auto b = begin(pool, lane, std::ref(work));
  await_waiting(pool, *lane, 1);
  auto c = begin(pool, lane, std::ref(work));  // one picture waits and one half is left to do: three seconds
  await_waiting(pool, *lane, 2);
  const auto refused = pool.run(lane, [](int) {});  // the wait would now be five seconds
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::throttled);
  EXPECT_EQ(refused.error().retry_after_seconds, 2);
  work.release();
  EXPECT_TRUE(a.get() && b.get() && c.get());
}

TEST_F(ComputePools, OnlySoManyWaitInAll) {
  auto o = options(1, 1);
  o.most_waiting = 1;
  ComputePool pool(o);
  const auto lane = pool.open({1, 1}, 0.001), other = pool.open({1, 1}, 0.001);
  Held work;
  auto a = begin(pool, lane, std::ref(work));
  await_running(pool, *lane, 1);
  auto b = begin(pool, lane, std::ref(work));
  await_waiting(pool, *lane, 1);
  EXPECT_EQ(pool.run(other, [](int) {}).error().kind, ErrorKind::throttled);
  work.release();
  EXPECT_TRUE(a.get() && b.get());
}

TEST_F(ComputePools, APictureThatWaitsLongerThanWasExpectedIsRefused) {
  auto o = options(1, 1);
  o.longest_wait = 20ms;
  ComputePool pool(o);
  // The lane expects a picture to take one millisecond, but the test holds the first picture.
  const auto lane = pool.open({1, 1}, 0.001);
  Held first, second;
  auto a = begin(pool, lane, std::ref(first));
  await_running(pool, *lane, 1);
  const auto waited = pool.run(lane, std::ref(second));
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().kind, ErrorKind::throttled);
  EXPECT_GE(waited.error().retry_after_seconds, 1);
  EXPECT_EQ(pool.state(*lane).waiting, 0U);
  first.release();
  EXPECT_TRUE(a.get());
  EXPECT_EQ(second.threads(), 0);  // the second picture never ran
}

TEST_F(ComputePools, WhoeverHangsUpFreesTheirPlace) {
  ComputePool pool(options(1, 1));
  const auto lane = pool.open({1, 1}, 0.1);
  Held work;
  auto a = begin(pool, lane, std::ref(work));
  await_running(pool, *lane, 1);
  std::stop_source caller;
  std::atomic<bool> ran = false;
  auto b = begin(
      pool, lane, [&](int) { ran = true; }, caller.get_token());
  await_waiting(pool, *lane, 1);
  caller.request_stop();
  EXPECT_EQ(b.get().error().kind, ErrorKind::unavailable);
  EXPECT_EQ(pool.state(*lane).waiting, 0U);
  work.release();
  EXPECT_TRUE(a.get());
  EXPECT_FALSE(ran);
}

TEST_F(ComputePools, LanesShareByTheirUnits) {
  auto o = options(1, 1);
  o.longest_wait = 100s;
  ComputePool pool(o);
  const auto one = pool.open({1, 1}, 1.0), two = pool.open({2, 2}, 1.0);
  Held gate;
  const auto before = pool.open({1, 1}, 1.0);
  auto first = begin(pool, before, std::ref(gate));
  await_running(pool, *before, 1);
  // All pictures arrive while the core is taken. Whatever their order is, the core goes to the lane that has received
  // the least time.
  std::string order;
  std::vector<std::future<Result<void>>> calls;
  const auto work = [&](char name) {
    return [this, &order, name](int) {
      order += name;
      milliseconds_ += 1000;
    };
  };
  for (int i = 0; i < 6; ++i) {
    calls.push_back(begin(pool, one, work('1')));
    calls.push_back(begin(pool, two, work('2')));
  }
  await_waiting(pool, *one, 6);
  await_waiting(pool, *two, 6);
  gate.release();
  EXPECT_TRUE(first.get());
  for (auto& call : calls) EXPECT_TRUE(call.get());
  EXPECT_EQ(std::count(order.begin(), order.begin() + 6, '2'), 4) << order;
  EXPECT_EQ(std::count(order.begin(), order.begin() + 6, '1'), 2) << order;
}

TEST_F(ComputePools, WhatWasTakenInIsDoneBeforeTheEnd) {
  std::atomic<int> done = 0;
  std::vector<std::future<Result<void>>> calls;
  Held work;
  {
    ComputePool pool(options(1, 1));
    const auto lane = pool.open({1, 1}, 0.1);
    for (int i = 0; i < 4; ++i)
      calls.push_back(begin(pool, lane, [&](int threads) {
        work(threads);
        ++done;
      }));
    await_running(pool, *lane, 1);
    await_waiting(pool, *lane, 3);
    work.release();
  }
  EXPECT_EQ(done, 4);
  for (auto& call : calls) EXPECT_TRUE(call.get());
}

TEST_F(ComputePools, EveryCallOfABusyPoolIsRunOrRefused) {
  auto o = options(3, 2);
  o.longest_wait = 20ms;
  o.most_waiting = 10;
  ComputePool pool(o);
  const std::vector lanes = {pool.open({1, 1}, 0.001), pool.open({1, 3}, 0.001), pool.open({2, 2}, 0.002)};
  std::atomic<int> done{0}, refused{0}, ran{0};
  constexpr int callers = 8, calls = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < callers; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < calls; ++i) {
        std::stop_source caller;
        std::thread hangs_up;
        if (i % 7 == 0) hangs_up = std::thread([&] { caller.request_stop(); });
        const auto work = [&](int) {
          ++ran;
          std::this_thread::yield();
        };
        ++(pool.run(lanes[static_cast<std::size_t>(t + i) % 3], work, caller.get_token()) ? done : refused);
        if (hangs_up.joinable()) hangs_up.join();
        if (i % 50 == 0) pool.set_units(*lanes[1], {1, 1 + i % 3});
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, ran);
  EXPECT_EQ(done + refused, callers * calls);
  for (const auto& lane : lanes) EXPECT_EQ(pool.state(*lane).running + static_cast<int>(pool.state(*lane).waiting), 0);
}

TEST_F(ComputePools, WorkRunsUnderTheThreadCountThatItIsTold) {
  ComputePool pool(options(4, 3));
  const auto lane = pool.open({1, 1}, 0.1);
  int told = 0, in_force = 0;
  EXPECT_TRUE(pool.run(lane, [&](int threads) { told = threads, in_force = ThreadCount::current(); }));
  EXPECT_EQ(told, 3);
  EXPECT_EQ(in_force, 3);
}

TEST_F(ComputePools, WhatWorkHoldsIsDestroyedOutsideOfTheLock) {
  ComputePool pool(options(1, 1));
  const auto lane = pool.open({1, 1}, 0.1);
  // The work is the last user of an object, as it can be of an engine. While that object is destroyed, other threads
  // must be able to use the pool.
  bool could_use_pool = false;
  std::future<void> other;
  std::shared_ptr<int> held(new int(1), [&](const int* value) {
    other = std::async(std::launch::async, [&] { (void)pool.state(*lane); });
    could_use_pool = other.wait_for(5s) == std::future_status::ready;
    delete value;
  });
  EXPECT_TRUE(pool.run(lane, [held = std::move(held)](int) {}));
  EXPECT_TRUE(could_use_pool);
}

TEST_F(ComputePools, AnExceptionIsAnAnswer) {
  ComputePool pool(options(1, 1));
  const auto lane = pool.open({1, 1}, 0.1);
  EXPECT_EQ(pool.run(lane, [](int) { throw std::runtime_error("broken"); }).error().kind, ErrorKind::internal);
  EXPECT_TRUE(pool.run(lane, [](int) {}));
}

}  // namespace
}  // namespace vedette
