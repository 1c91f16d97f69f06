#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"

/// Finds out whether training pictures come in batches: of material, of modules, of days. Models that have seen a batch
/// judge its other pictures better than those of the next batch, so that a cross-fitting whose folds are drawn at random
/// promises too much. All functions are pure and deterministic.
namespace vedette {

/// Returns for each name in which of `runs` runs it lies if the names are put in order, numbers in them counting as
/// numbers. The runs have about equal lengths, but begin where a folder begins if one does within half a length. There
/// are at least as many names as runs.
std::vector<std::int64_t> cut_into_runs(std::span<const std::string> names, std::int64_t runs);

/// Returns the mean and the deviation of each of the numbers that describe the cells of a picture, [cells, channels].
std::vector<float> summarize_cells(std::span<const float> rows, std::int64_t cells);

/// How much of what pictures differ by goes with the run in which they lie.
struct BatchEvidence {
  double share = 0;  ///< The share of the variance that lies between runs, less what chance gives; 0 … 1, or below 0.
  double chance = 1;  ///< How likely such a share is if the order means nothing.
  /// Whether the runs are batches. Random orders reach this once in a hundred times at most, and small effects do not
  /// count even if many pictures prove them.
  [[nodiscard]] bool is_clear() const { return chance <= 0.01 && share >= 0.1; }
};
/// Compares the variance between runs with that of random orders (PERMANOVA; Anderson, Austral Ecology 2001).
/// `descriptions` are [pictures, width], of good pictures only, and are standardised per column. With fewer than
/// kLeastForBatches pictures there is no evidence.
BatchEvidence evidence_of_batches(std::span<const float> descriptions, std::span<const std::int64_t> run,
                                  Random random);
inline constexpr std::size_t kLeastForBatches = 16;

}  // namespace vedette
