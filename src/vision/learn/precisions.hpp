#pragma once

#include <functional>
#include <span>

#include "vision/infer/infer.hpp"
#include "vision/learn/features.hpp"

/// Pictures side by side, and what fewer digits change.
namespace vedette {

/// Returns how many pictures run through a graph side by side, each on one thread. A large picture runs alone on all
/// threads, since its values take gigabytes.
inline int strands_of(const InputSize& input, int threads) {
  return input.pixels() > 8 * kInputPixels ? 1 : threads;
}

/// The number of pictures on which precisions are compared. More are not needed, since fewer digits move scores by less
/// than the distance between so many pictures.
inline constexpr std::size_t kMostCompared = 16;

/// Calls work(i) for i in [0, count) on so many strands; a single one is the calling thread.
void side_by_side(std::size_t count, int strands, const std::function<void(std::size_t)>& work);

/// Finds out whether bf16 and int8 decide and draw as fp32 does on these pictures, and writes the answers into the
/// manifest (bf16_agrees, int8_agrees). They stay unset where the processor does not have the precision. The ranges of
/// values must be known (widen_range). Fails with internal if the model cannot be run.
Result<void> compare_precisions(Artifact& artifact, std::span<const RgbImage> pictures, int strands);

}  // namespace vedette
