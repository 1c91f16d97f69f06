#include "base/monotonic_clock.hpp"

#include <time.h>

namespace vedette {

Moment SystemMonotonicClock::now() const {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return Moment{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

}  // namespace vedette
