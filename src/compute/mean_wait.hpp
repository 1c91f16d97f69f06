#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace vedette {

/// The mean time that pictures waited during the last minute, from sums of five seconds each. Not thread-safe.
class MeanWait {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void add(Time now, std::chrono::duration<double> waited) {
    auto& part = parts_[place(now)];
    if (part.number != number(now)) part = {number(now)};
    part.seconds += waited.count();
    ++part.count;
  }
  /// Returns milliseconds; 0 if no picture came.
  [[nodiscard]] double milliseconds(Time now) const {
    double seconds = 0;
    std::int64_t count = 0;
    for (const auto& part : parts_)
      if (number(now) - part.number < kParts) {
        seconds += part.seconds;
        count += part.count;
      }
    return count == 0 ? 0 : 1000 * seconds / static_cast<double>(count);
  }

 private:
  static constexpr std::int64_t kParts = 12;
  static std::int64_t number(Time now) { return now.time_since_epoch() / std::chrono::seconds(5); }
  static std::size_t place(Time now) { return static_cast<std::size_t>(number(now) % kParts); }
  struct Part {
    std::int64_t number = -kParts;
    double seconds = 0;
    std::int64_t count = 0;
  };
  std::array<Part, kParts> parts_{};
};

}  // namespace vedette
