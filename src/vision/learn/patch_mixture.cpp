#include "vision/learn/patch_mixture.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "vision/learn/matrix.hpp"

namespace vedette {
namespace {

constexpr Eigen::Index kClusters = 128, kRank = 16;
constexpr Eigen::Index kClustered = 60'000;  // The most patches that place the centers.
constexpr int kRounds = 12;
constexpr double kPriorPatches = 2;  // per channel: the common Gaussian counts for so many when a cluster is fitted.
constexpr double kFloor = 1e-4;      // Of the mean variance; what hardly varies is not blown up.
// A cluster's distances are standardised by how far this share of its patches reaches. The tails differ more than the
// deviations: an edge is often far from its center, a plain surface never.
constexpr double kHigh = 0.998;
constexpr double kLeastReach = 0.01;
constexpr double kPriorDistances = 200;  // The average cluster counts for so many patches.

/// Returns the nearest center of each patch.
std::vector<Eigen::Index> assign(const Eigen::Ref<const RowMatrix>& patches, const RowMatrix& centers) {
  constexpr Eigen::Index kBlock = 4096;
  const Eigen::RowVectorXf half_squares = 0.5F * centers.rowwise().squaredNorm().transpose();
  std::vector<Eigen::Index> out(static_cast<std::size_t>(patches.rows()));
  for (Eigen::Index first = 0; first < patches.rows(); first += kBlock) {
    const auto count = std::min(kBlock, patches.rows() - first);
    RowMatrix likeness = product(patches.middleRows(first, count), false, centers, true);
    likeness.rowwise() -= half_squares;
    for (Eigen::Index i = 0; i < count; ++i) likeness.row(i).maxCoeff(&out[static_cast<std::size_t>(first + i)]);
  }
  return out;
}

/// Places the centers (k-means; Lloyd 1982) on at most kClustered of the patches.
RowMatrix place_centers(const Eigen::Map<const RowMatrix>& patches, std::uint64_t seed) {
  Random random(seed);
  const auto draw = [&] { return static_cast<Eigen::Index>(random.below(static_cast<std::uint64_t>(patches.rows()))); };
  RowMatrix some(std::min(kClustered, patches.rows()), patches.cols());
  for (Eigen::Index i = 0; i < some.rows(); ++i) some.row(i) = patches.row(draw());
  RowMatrix centers(std::min(kClusters, patches.rows()), patches.cols());
  for (Eigen::Index k = 0; k < centers.rows(); ++k) centers.row(k) = patches.row(draw());
  for (int round = 0; round < kRounds; ++round) {
    const auto nearest = assign(some, centers);
    Eigen::MatrixXd sums = Eigen::MatrixXd::Zero(centers.rows(), centers.cols());
    Eigen::VectorXd counts = Eigen::VectorXd::Zero(centers.rows());
    for (Eigen::Index i = 0; i < some.rows(); ++i) {
      sums.row(nearest[static_cast<std::size_t>(i)]) += some.row(i).cast<double>();
      counts[nearest[static_cast<std::size_t>(i)]] += 1;
    }
    for (Eigen::Index k = 0; k < centers.rows(); ++k)
      if (counts[k] > 0) centers.row(k) = (sums.row(k) / counts[k]).cast<float>();
  }
  return centers;
}

/// The median of distances, and how far kHigh of them reach.
struct Range {
  double count = 0, middle = 0, high = 0;
};
Range range_of(std::vector<float> distances) {
  if (distances.empty()) return {};
  std::sort(distances.begin(), distances.end());
  const auto count = static_cast<double>(distances.size());
  return {count, distances[distances.size() / 2], distances[static_cast<std::size_t>(kHigh * count)]};
}

Tensor to_tensor(std::vector<std::int64_t> shape, const RowMatrix& values) {
  return Tensor::make(std::move(shape), {values.data(), values.data() + values.size()});
}

}  // namespace

PatchMixture fit_patch_mixture(std::span<const float> patches, std::int64_t channels,
                               std::span<const std::int64_t> fold_of, std::int64_t folds, std::uint64_t seed,
                               int threads) {
  const Eigen::Map<const RowMatrix> x(patches.data(), static_cast<Eigen::Index>(patches.size()) / channels, channels);
  const auto centers = place_centers(x, seed);
  const auto clusters = centers.rows(), rank = std::min<Eigen::Index>(kRank, channels);
  const auto nearest = assign(x, centers);
  RowMatrix white = x;
  for (Eigen::Index i = 0; i < x.rows(); ++i) white.row(i) -= centers.row(nearest[static_cast<std::size_t>(i)]);
  Eigen::MatrixXd within = product(white, true, white, false).cast<double>() / static_cast<double>(x.rows());
  within.diagonal().array() += kFloor * within.trace() / static_cast<double>(channels) + 1e-12;
  const Eigen::MatrixXd inverse_root =
      within.llt().matrixL().solve(Eigen::MatrixXd::Identity(channels, channels)).transpose();
  const RowMatrix whitening = inverse_root.cast<float>();
  white = product(white, false, whitening, false);

  PatchMixture out;
  out.centers = to_tensor({clusters, channels}, centers);
  out.whitening = to_tensor({channels, channels}, whitening);
  RowMatrix basis = RowMatrix::Zero(clusters * channels, folds * rank), weight(clusters, folds), scale(clusters, folds),
            offset(clusters, folds);
  std::vector<std::vector<Eigen::Index>> members(static_cast<std::size_t>(clusters));
  for (Eigen::Index i = 0; i < x.rows(); ++i)
    members[static_cast<std::size_t>(nearest[static_cast<std::size_t>(i)])].push_back(i);
  // [cluster][fold]: how far the patches of the fold are from the model of that fold.
  std::vector<std::vector<std::vector<float>>> distances(static_cast<std::size_t>(clusters));
  run_parallel(static_cast<std::size_t>(clusters), threads, [&](std::size_t k) {
    const auto row = static_cast<Eigen::Index>(k);
    std::vector<Eigen::MatrixXd> squares;
    Eigen::VectorXd counts = Eigen::VectorXd::Zero(folds);
    for (std::int64_t f = 0; f < folds; ++f) {
      std::vector<Eigen::Index> own;
      for (const auto i : members[k])
        if (fold_of[static_cast<std::size_t>(i)] == f) own.push_back(i);
      counts[f] = static_cast<double>(own.size());
      RowMatrix rows(static_cast<Eigen::Index>(own.size()), channels);
      for (std::size_t j = 0; j < own.size(); ++j) rows.row(static_cast<Eigen::Index>(j)) = white.row(own[j]);
      squares.push_back(own.empty() ? Eigen::MatrixXd::Zero(channels, channels)
                                    : Eigen::MatrixXd(product(rows, true, rows, false).cast<double>()));
    }
    for (std::int64_t f = 0; f < folds; ++f) {
      const double prior = kPriorPatches * static_cast<double>(channels);
      Eigen::MatrixXd covariance = prior * Eigen::MatrixXd::Identity(channels, channels);
      for (std::int64_t g = 0; g < folds; ++g)
        if (g != f) covariance += squares[static_cast<std::size_t>(g)];
      covariance /= prior + counts.sum() - counts[f];
      const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
      const auto& values = solver.eigenvalues();  // rising
      const double rest =
          rank < channels ? std::max(values.head(channels - rank).mean(), kFloor) : std::max(values[0], kFloor);
      weight(row, f) = static_cast<float>(1 / rest);
      for (Eigen::Index r = 0; r < rank; ++r) {
        const auto at = channels - 1 - r;
        const Eigen::VectorXd direction =
            std::sqrt(std::max(0.0, 1 / rest - 1 / std::max(values[at], rest))) * solver.eigenvectors().col(at);
        basis.block(row * channels, f * rank + r, channels, 1) = direction.cast<float>();
      }
    }
    distances[k].resize(static_cast<std::size_t>(folds));
    for (const auto i : members[k]) {
      const auto f = fold_of[static_cast<std::size_t>(i)];
      const Eigen::RowVectorXf along = white.row(i) * basis.block(row * channels, f * rank, channels, rank);
      const double square = weight(row, f) * white.row(i).squaredNorm() - along.squaredNorm();
      distances[k][static_cast<std::size_t>(f)].push_back(
          static_cast<float>(std::sqrt(std::max(0.0, square) / static_cast<double>(channels))));
    }
  });
  for (std::int64_t f = 0; f < folds; ++f) {
    std::vector<float> all;
    std::vector<Range> own(static_cast<std::size_t>(clusters));
    for (std::size_t k = 0; k < own.size(); ++k) {
      std::vector<float> others;
      for (std::int64_t g = 0; g < folds; ++g)
        if (const auto& d = distances[k][static_cast<std::size_t>(g)]; g != f)
          others.insert(others.end(), d.begin(), d.end());
      all.insert(all.end(), others.begin(), others.end());
      own[k] = range_of(std::move(others));
    }
    const auto common = range_of(std::move(all));
    for (std::size_t k = 0; k < own.size(); ++k) {
      // A cluster with few patches is drawn towards the average one.
      const auto drawn = [&](double value, double average) {
        return (own[k].count * value + kPriorDistances * average) / (own[k].count + kPriorDistances);
      };
      const double middle = drawn(own[k].middle, common.middle);
      const double reach = std::max(drawn(own[k].high, common.high) - middle, kLeastReach);
      scale(static_cast<Eigen::Index>(k), f) = static_cast<float>(1 / reach);
      offset(static_cast<Eigen::Index>(k), f) = static_cast<float>(-middle / reach);
    }
  }
  out.basis = to_tensor({clusters, channels, folds * rank}, basis);
  out.weight = to_tensor({clusters, folds}, weight);
  out.scale = to_tensor({clusters, folds}, scale);
  out.offset = to_tensor({clusters, folds}, offset);
  return out;
}

}  // namespace vedette
