#pragma once

#include <chrono>
#include <list>

#include "base/mutex.hpp"

namespace vedette {

/// Knows since when the oldest of several pieces of work has been under way. Any thread may call its functions.
class Underway {
  using Clock = std::chrono::steady_clock;

 public:
  /// Work that is under way for as long as this object exists.
  class Work {
   public:
    explicit Work(Underway& all) : all_(all) {
      const MutexLock lock(all_.mutex_);
      place_ = all_.begun_.insert(all_.begun_.end(), Clock::now());
    }
    ~Work() {
      const MutexLock lock(all_.mutex_);
      all_.begun_.erase(place_);
    }
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    Underway& all_;
    std::list<Clock::time_point>::iterator place_;
  };

  /// Returns how long the oldest work has been under way by `now`; 0 if there is none.
  [[nodiscard]] Clock::duration longest(Clock::time_point now = Clock::now()) const {
    const MutexLock lock(mutex_);
    return begun_.empty() ? Clock::duration(0) : now - begun_.front();
  }

 private:
  mutable Mutex mutex_;
  std::list<Clock::time_point> begun_ GUARDED_BY(mutex_);  // the oldest first
};

}  // namespace vedette
