#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vision/artifact/artifact.hpp"

/// Models of what good pictures look like, cell by cell. The functions are pure and deterministic.
namespace vedette {

/// A linear map into the space in which distances are measured.
struct Whitening {
  Tensor weights;  ///< [channels, components]
  Tensor bias;     ///< [components]
};

/// Fits a whitening on feature rows of good pictures, [rows, channels]; row i is of picture picture_of[i]. The unit of
/// the space is how much a row differs from the most similar row of another good picture: the covariance of these
/// differences becomes the identity (within-class covariance normalisation; Hatch et al., Interspeech 2006), so that
/// noise and harmless variation count little and structure counts much. Then the principal components that hold all but
/// 0.1 % of the variance are kept, at most `most_components`. Rows of at least two pictures are needed.
Whitening fit_whitening(std::span<const float> rows, std::int64_t channels, std::span<const std::int32_t> picture_of,
                        std::int64_t most_components, std::uint64_t seed);

/// Maps rows [n, channels] to [n, components].
std::vector<float> apply_whitening(const Whitening& whitening, std::span<const float> rows);

/// Returns the principal components of rows [rows, channels], at most `most_components`, in their own units.
Whitening fit_principal_components(std::span<const float> rows, std::int64_t channels, std::int64_t most_components);

/// Returns the map that applies `first` and then `second`.
Whitening compose(const Whitening& first, const Whitening& second);

/// Fits a whitening on embeddings [pictures, cells, components]: the covariance of what differs from each cell's own
/// mean becomes the identity.
Whitening fit_residual_whitening(std::span<const float> rows, std::int64_t cells, std::int64_t components);

/// Picks few rows that cover all of them (greedy k-centre): it starts at a row drawn by `seed` and keeps adding the row
/// farthest from those chosen. PatchCore stores the result as its memory bank.
///   Sener & Savarese, ICLR 2018 (arXiv:1708.00489); Roth et al., CVPR 2022 (arXiv:2106.08265), section 3.2
/// The embeddings are [rows, channels] and finite. Returns min(keep, rows) row numbers in the order
/// chosen. The time is O(rows · keep · channels).
std::vector<std::size_t> select_coreset(std::span<const float> embeddings, std::int64_t channels, std::size_t keep,
                                        std::uint64_t seed);

/// How good pictures vary at each cell: a mean, and a covariance with few principal directions of its own and one
/// variance for all the rest (probabilistic PCA; Tipping & Bishop 1999), drawn towards the identity. With e the
/// deviation from the mean, the squared Mahalanobis distance is weight·|e|² − |basis·e|². PaDiM (Defard et al., ICPR
/// 2020, arXiv:2011.08785) keeps the full covariance, which is three times as large and, with few pictures, worse.
struct PositionSubspace {
  Tensor mean;    ///< [cells, components]
  Tensor basis;   ///< [cells, rank, components]
  Tensor weight;  ///< [cells]
};
/// Fits the subspaces on rows [pictures, cells, components], which are residual-whitened, of the listed pictures; there
/// must be at least two of these.
PositionSubspace fit_position_subspace(std::span<const float> rows, std::int64_t cells, std::int64_t components,
                                       std::span<const std::size_t> pictures, int threads);

/// Moves subspaces to good pictures of another batch, each [cells, components]; there must be at least one. The mean of
/// each cell moves to theirs, by n/(n + 1) of the way with n pictures. The way back to the old mean and what the new
/// pictures differ by become directions in which good pictures may vary, so that neither batch is odd: the basis gets
/// up to eight more rows.
PositionSubspace move_position_subspace(const PositionSubspace& subspace,
                                        std::span<const std::span<const float>> pictures, int threads);

}  // namespace vedette
