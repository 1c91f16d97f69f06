#pragma once

#include <cstdint>
#include <span>

#include "vision/artifact/artifact.hpp"

namespace vedette {

/// What small patches of good pictures look like: a mixture of Gaussians (Zoran & Weiss, ICCV 2011, learn such a
/// mixture to restore pictures) with hard assignments. A patch belongs to the nearest center; its deviation from it is
/// whitened by what patches deviate in all clusters together, and each cluster has a few principal directions of its
/// own and one variance for all others (probabilistic PCA; Tipping & Bishop 1999), which are drawn towards the common
/// ones. The tensors are those of the operation patch_mixture (infer/graph.hpp).
struct PatchMixture {
  Tensor centers;    ///< [clusters, channels]
  Tensor whitening;  ///< [channels, channels]
  Tensor basis;      ///< [clusters, channels, folds · rank]
  Tensor weight;     ///< [clusters, folds]
  /// [clusters, folds]: they make a distance 0 at the median of the cluster's good patches, and 1 where only two in a
  /// thousand of them are farther.
  Tensor scale, offset;
};

/// Fits a mixture on patches [patches, channels] of good pictures, at least one per fold, of which fold_of names the
/// fold. Centers and whitening are those of all patches. The Gaussians of fold f are of the patches of all other folds,
/// and so are its scale and offset, for which each patch is measured by the models of its own fold. Pure and
/// deterministic.
PatchMixture fit_patch_mixture(std::span<const float> patches, std::int64_t channels,
                               std::span<const std::int64_t> fold_of, std::int64_t folds, std::uint64_t seed,
                               int threads);

}  // namespace vedette
