#pragma once

#include <cstdint>

#include "vision/image/image.hpp"

namespace vedette {

/// Scales 16-bit samples to 8 bits by the range in use, and remembers what it saw. All that makes 8 bits of deeper
/// samples does it by this class, so that the same samples give the same pixels wherever they come from.
class SampleScale {
 public:
  /// `bits` is DecodeRules::sample_bits, 8 … 16.
  explicit SampleScale(int bits) : bits_(bits), largest_((1U << bits) - 1) {}
  std::uint8_t operator()(std::uint32_t sample) {
    seen_ |= sample;
    ++count_;
    if (sample > largest_) ++beyond_;
    return scaled(sample);
  }
  [[nodiscard]] std::uint8_t scaled(std::uint32_t sample) const {
    if (sample > largest_) return 255;
    // If all 16 bits are in use, the upper byte is taken: models of earlier versions were trained with it.
    return static_cast<std::uint8_t>(bits_ == 16 ? sample >> 8 : (sample * 255U + largest_ / 2) / largest_);
  }
  [[nodiscard]] std::uint32_t largest() const { return largest_; }
  /// Counts samples that the caller has scaled by a table of scaled(): how many there were, all of them or-ed together,
  /// and how many were larger than largest().
  void count(std::uint64_t samples, std::uint32_t seen, std::uint64_t beyond) {
    count_ += samples;
    seen_ |= seen;
    beyond_ += beyond;
  }
  /// Sets used_bits and beyond_range.
  void describe(RgbImage& image) const;

 private:
  int bits_;
  std::uint32_t largest_, seen_ = 0;
  std::uint64_t count_ = 0, beyond_ = 0;
};

}  // namespace vedette
