#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace vedette {

class MonotonicClock;
/// A point in time of a MonotonicClock; only differences mean something.
using Moment = std::chrono::time_point<MonotonicClock, std::chrono::nanoseconds>;

/// Measures how much time passes: it never goes back, whatever happens to the wall clock, and it also counts while the
/// machine sleeps. Whoever measures is given one, so that tests decide how much time passes. Implementations are
/// thread-safe.
class MonotonicClock {
 public:
  virtual ~MonotonicClock() = default;
  [[nodiscard]] virtual Moment now() const = 0;
};

class SystemMonotonicClock : public MonotonicClock {
 public:
  [[nodiscard]] Moment now() const override;
};

class FakeMonotonicClock : public MonotonicClock {
 public:
  [[nodiscard]] Moment now() const override { return Moment{std::chrono::nanoseconds{now_.load()}}; }
  void advance(std::chrono::nanoseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{0};
};

}  // namespace vedette
