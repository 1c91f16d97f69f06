#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace vedette {

/// Reproducible pseudo-random numbers that are the same on every platform (those of the std:: distributions are not).
/// The method is SplitMix64, Steele, Lea & Flood, OOPSLA 2014. A value type; do not use it for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// Returns a uniform number in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Returns a uniform number in [0, bound); `bound` must be greater than 0.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// Returns a number of the standard normal distribution (Box–Muller).
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
  }
  /// Returns an independent generator for the stream of this number. This generator does not change.
  [[nodiscard]] Random fork(std::uint64_t stream) const {
    Random child(state_ ^ (stream * 0xD1342543DE82EF95ULL + 0x632BE59BD9B4E019ULL));
    child.next();
    return child;
  }

 private:
  std::uint64_t state_;
};

}  // namespace vedette
