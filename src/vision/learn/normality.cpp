#include "vision/learn/normality.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/target_clones.hpp"
#include "vision/learn/matrix.hpp"

namespace vedette {
namespace {

constexpr double kKeptVariance = 0.999;
constexpr double kSmallestSpread = 0.02;   // A share of the widest channel's spread.
constexpr double kDifferenceFloor = 0.05;  // A share of the mean eigenvalue.
constexpr Eigen::Index kQueries = 3000, kCandidates = 12'000;
constexpr int kRounds = 2;
constexpr Eigen::Index kMostDirections = 32;
constexpr double kShrinkagePictures = 6, kLeastShrinkage = 0.03;

constexpr double kLeastOwnWeight = 1e-4;      // The least weight of a direction, as a share of the typical one.
constexpr Eigen::Index kMovedDirections = 8;  // The most directions that a moved subspace gets.

/// Lowers each row's distance to the chosen set to its distance to one new row, if that is less.
VEDETTE_TARGET_CLONES void lower_distances(const float* rows, const float* centre, float* nearest, std::size_t count,
                                           std::size_t channels) {
  for (std::size_t r = 0; r < count; ++r) {
    const float* row = rows + r * channels;
    float sums[16] = {};
    std::size_t c = 0;
    for (; c + 16 <= channels; c += 16)
      for (std::size_t j = 0; j < 16; ++j) {
        const float d = row[c + j] - centre[c + j];
        sums[j] += d * d;
      }
    float sum = 0;
    for (float s : sums) sum += s;
    for (; c < channels; ++c) {
      const float d = row[c] - centre[c];
      sum += d * d;
    }
    if (sum < nearest[r]) nearest[r] = sum;
  }
}

/// Returns x ↦ (x − mean) · map · the last `kept` eigenvectors, the largest first.
Whitening to_whitening(const Eigen::MatrixXd& map, const Eigen::MatrixXd& eigenvectors, std::int64_t kept,
                       const Eigen::RowVectorXf& mean) {
  const auto channels = map.rows();
  Eigen::MatrixXd weights(channels, kept);
  for (std::int64_t k = 0; k < kept; ++k) {
    Eigen::VectorXd direction = eigenvectors.col(channels - 1 - k);
    // An eigenvector's sign is arbitrary. It is fixed here, so that the bytes do not depend on the solver.
    Eigen::Index largest = 0;
    direction.cwiseAbs().maxCoeff(&largest);
    if (direction[largest] < 0) direction = -direction;
    weights.col(k) = map * direction;
  }
  const Eigen::VectorXd bias = -(weights.transpose() * mean.transpose().cast<double>());
  std::vector<float> w(static_cast<std::size_t>(channels * kept)), b(static_cast<std::size_t>(kept));
  Eigen::Map<RowMatrix>(w.data(), channels, kept) = weights.cast<float>();
  Eigen::Map<Eigen::VectorXf>(b.data(), kept) = bias.cast<float>();
  return {Tensor::make({channels, kept}, std::move(w)), Tensor::make({kept}, std::move(b))};
}

}  // namespace

Whitening fit_whitening(std::span<const float> rows, std::int64_t channels, std::span<const std::int32_t> picture_of,
                        std::int64_t most_components, std::uint64_t seed) {
  const auto n = static_cast<Eigen::Index>(rows.size()) / channels;
  const Eigen::Map<const RowMatrix> x(rows.data(), n, channels);
  const Eigen::RowVectorXf mean = x.cast<double>().colwise().mean().cast<float>();
  const RowMatrix centred = x.rowwise() - mean;
  const Eigen::MatrixXd total = product(centred, true, centred, false).cast<double>() / static_cast<double>(n);

  // A channel starts in units of its own spread, but a channel that hardly moves (a grey camera's colours) is not blown
  // up.
  const Eigen::VectorXd spread = total.diagonal().cwiseSqrt();
  Eigen::MatrixXd map =
      spread.cwiseMax(std::max(1e-6, kSmallestSpread * spread.maxCoeff())).cwiseInverse().asDiagonal();

  Random random(seed);
  std::vector<Eigen::Index> queries(static_cast<std::size_t>(std::min<Eigen::Index>(n, kQueries))),
      candidates(static_cast<std::size_t>(std::min<Eigen::Index>(n, kCandidates)));
  for (auto& q : queries) q = static_cast<Eigen::Index>(random.below(static_cast<std::uint64_t>(n)));
  for (auto& c : candidates) c = static_cast<Eigen::Index>(random.below(static_cast<std::uint64_t>(n)));
  for (int round = 0; round < kRounds; ++round) {
    const RowMatrix m = map.cast<float>();
    RowMatrix q(static_cast<Eigen::Index>(queries.size()), channels),
        c(static_cast<Eigen::Index>(candidates.size()), channels);
    for (std::size_t i = 0; i < queries.size(); ++i) q.row(static_cast<Eigen::Index>(i)) = centred.row(queries[i]);
    for (std::size_t i = 0; i < candidates.size(); ++i)
      c.row(static_cast<Eigen::Index>(i)) = centred.row(candidates[i]);
    q = product(q, false, m, false);
    c = product(c, false, m, false);
    const Eigen::RowVectorXf half_norms = 0.5F * c.rowwise().squaredNorm().transpose();
    Eigen::MatrixXd differences = Eigen::MatrixXd::Zero(channels, channels);
    double pairs = 0;
    constexpr Eigen::Index block = 256;
    for (Eigen::Index first = 0; first < q.rows(); first += block) {
      const auto size = std::min(block, q.rows() - first);
      RowMatrix closeness = product(q.middleRows(first, size), false, c, true);
      closeness.rowwise() -= half_norms;
      for (Eigen::Index r = 0; r < size; ++r) {
        const auto own = picture_of[static_cast<std::size_t>(queries[static_cast<std::size_t>(first + r)])];
        Eigen::Index best = -1;
        for (Eigen::Index k = 0; k < c.rows(); ++k)
          if (picture_of[static_cast<std::size_t>(candidates[static_cast<std::size_t>(k)])] != own &&
              (best < 0 || closeness(r, k) > closeness(r, best)))
            best = k;
        if (best < 0) continue;
        const Eigen::VectorXd d = (q.row(first + r) - c.row(best)).cast<double>();
        differences.noalias() += d * d.transpose();
        pairs += 1;
      }
    }
    differences /= std::max(1.0, pairs);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(differences);
    const Eigen::VectorXd values =
        solver.eigenvalues().array() + kDifferenceFloor * std::max(solver.eigenvalues().mean(), 1e-12);
    map = map * solver.eigenvectors() * values.cwiseSqrt().cwiseInverse().asDiagonal();
  }

  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(map.transpose() * total * map);
  const Eigen::VectorXd& values = solver.eigenvalues();  // They are in rising order.
  const double sum = std::max(values.sum(), 1e-12);
  std::int64_t kept = 0;
  for (double held = 0; kept < std::min(channels, most_components) && held < kKeptVariance * sum; ++kept)
    held += values[channels - 1 - kept];
  kept = std::max<std::int64_t>(kept, 1);
  return to_whitening(map, solver.eigenvectors(), kept, mean);
}

std::vector<float> apply_whitening(const Whitening& whitening, std::span<const float> rows) {
  const auto channels = whitening.weights.size(0), components = whitening.weights.size(1);
  const auto n = static_cast<Eigen::Index>(rows.size()) / channels;
  const Eigen::Map<const RowMatrix> x(rows.data(), n, channels);
  const Eigen::Map<const RowMatrix> w(whitening.weights.data(), channels, components);
  const Eigen::Map<const Eigen::RowVectorXf> b(whitening.bias.data(), components);
  std::vector<float> out(static_cast<std::size_t>(n * components));
  Eigen::Map<RowMatrix> y(out.data(), n, components);
  y = product(x, false, w, false);
  y.rowwise() += b;
  return out;
}

Whitening fit_principal_components(std::span<const float> rows, std::int64_t channels, std::int64_t most_components) {
  const auto n = static_cast<Eigen::Index>(rows.size()) / channels;
  const Eigen::Map<const RowMatrix> x(rows.data(), n, channels);
  const Eigen::RowVectorXf mean = x.cast<double>().colwise().mean().cast<float>();
  const RowMatrix centred = x.rowwise() - mean;
  const Eigen::MatrixXd covariance = product(centred, true, centred, false).cast<double>() / static_cast<double>(n);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  return to_whitening(Eigen::MatrixXd::Identity(channels, channels), solver.eigenvectors(),
                      std::min(channels, most_components), mean);
}

Whitening compose(const Whitening& first, const Whitening& second) {
  const auto channels = first.weights.size(0), components = second.weights.size(1);
  Whitening out{Tensor::make({channels, components},
                             apply_whitening(
                                 {second.weights,
                                  Tensor::make({components}, std::vector<float>(static_cast<std::size_t>(components)))},
                                 first.weights.copy())),
                Tensor::make({components}, apply_whitening(second, first.bias.copy()))};
  return out;
}

Whitening fit_residual_whitening(std::span<const float> rows, std::int64_t cells, std::int64_t components) {
  const auto pictures = static_cast<Eigen::Index>(rows.size()) / (cells * components);
  const Eigen::Map<const RowMatrix> all(rows.data(), pictures, cells * components);
  const Eigen::RowVectorXf mean = all.colwise().mean();
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(components, components);
  for (Eigen::Index p = 0; p < pictures; ++p) {
    const Eigen::RowVectorXf difference = all.row(p) - mean;
    const Eigen::Map<const RowMatrix> residual(difference.data(), cells, components);
    covariance += (residual.transpose() * residual).cast<double>();
  }
  covariance /= static_cast<double>(pictures * cells);
  covariance.diagonal().array() += 1e-3 * std::max(covariance.diagonal().mean(), 1e-9);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  // This is the symmetric root: it does not depend on the eigenvectors' signs.
  const RowMatrix root = solver.operatorInverseSqrt().cast<float>();
  return {Tensor::make({components, components}, std::vector<float>(root.data(), root.data() + root.size())),
          Tensor::make({components}, std::vector<float>(static_cast<std::size_t>(components)))};
}

PositionSubspace fit_position_subspace(std::span<const float> rows, std::int64_t cells, std::int64_t components,
                                       std::span<const std::size_t> pictures, int threads) {
  const auto n = static_cast<Eigen::Index>(pictures.size());
  const Eigen::Index rank = std::min<Eigen::Index>({kMostDirections, std::max<Eigen::Index>(1, n / 3), components - 1});
  // Few pictures say little about variances, so these are drawn towards the typical cell's.
  const double shrinkage = std::clamp(kShrinkagePictures / static_cast<double>(n), kLeastShrinkage, 0.5);
  std::vector<float> means(static_cast<std::size_t>(cells * components)),
      bases(static_cast<std::size_t>(cells * rank * components)), weights(static_cast<std::size_t>(cells));
  run_parallel(static_cast<std::size_t>(cells), threads, [&](std::size_t cell) {
    const auto c = static_cast<Eigen::Index>(cell);
    Eigen::MatrixXf x(n, components);
    for (Eigen::Index i = 0; i < n; ++i)
      x.row(i) = Eigen::Map<const Eigen::RowVectorXf>(
          rows.data() + (static_cast<Eigen::Index>(pictures[static_cast<std::size_t>(i)]) * cells + c) * components,
          components);
    const Eigen::RowVectorXf mean = x.colwise().mean();
    x.rowwise() -= mean;
    Eigen::Map<Eigen::RowVectorXf>(means.data() + c * components, components) = mean;
    const Eigen::MatrixXf covariance = x.transpose() * x / static_cast<float>(n);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> solver(covariance);
    const auto& values = solver.eigenvalues();  // They are in rising order.
    const double rest = std::max(0.0F, values.head(components - rank).mean());
    const double weight = 1 / ((1 - shrinkage) * rest + shrinkage);
    weights[cell] = static_cast<float>(weight);
    Eigen::Map<RowMatrix> basis(bases.data() + c * rank * components, rank, components);
    for (Eigen::Index k = 0; k < rank; ++k) {
      const double own = 1 / ((1 - shrinkage) * std::max(0.0F, values[components - 1 - k]) + shrinkage);
      basis.row(k) = static_cast<float>(std::sqrt(std::max(0.0, weight - own))) *
                     solver.eigenvectors().col(components - 1 - k).transpose();
    }
  });
  return {Tensor::make({cells, components}, std::move(means)),
          Tensor::make({cells, rank, components}, std::move(bases)), Tensor::make({cells}, std::move(weights))};
}

std::vector<std::size_t> select_coreset(std::span<const float> embeddings, std::int64_t channels, std::size_t keep,
                                        std::uint64_t seed) {
  const auto width = static_cast<std::size_t>(channels);
  const std::size_t rows = embeddings.size() / width;
  keep = std::min(keep, rows);
  std::vector<std::size_t> chosen;
  if (keep == 0) return chosen;
  std::vector<float> nearest(rows, std::numeric_limits<float>::max());
  std::size_t next = static_cast<std::size_t>(Random(seed).below(rows));
  while (true) {
    chosen.push_back(next);
    if (chosen.size() == keep) return chosen;
    lower_distances(embeddings.data(), embeddings.data() + next * width, nearest.data(), rows, width);
    next = static_cast<std::size_t>(std::max_element(nearest.begin(), nearest.end()) - nearest.begin());
  }
}

PositionSubspace move_position_subspace(const PositionSubspace& subspace,
                                        std::span<const std::span<const float>> pictures, int threads) {
  const auto cells = subspace.mean.size(0), components = subspace.mean.size(1), rank = subspace.basis.size(1);
  const auto count = static_cast<Eigen::Index>(pictures.size());
  const Eigen::Index added = std::clamp<Eigen::Index>(components - rank, 0, std::min(kMovedDirections, count));
  const auto n = static_cast<float>(count);
  std::vector<float> means = subspace.mean.copy(), bases(static_cast<std::size_t>(cells * (rank + added) * components));
  run_parallel(static_cast<std::size_t>(cells), threads, [&](std::size_t cell) {
    const auto c = static_cast<Eigen::Index>(cell);
    Eigen::Map<Eigen::RowVectorXf> mean(means.data() + c * components, components);
    const Eigen::Map<const RowMatrix> old(subspace.basis.data() + c * rank * components, rank, components);
    const double weight = std::max(1e-9F, subspace.weight.data()[cell]);
    // Rows whose squares add up to what varies: the old directions beyond the rest, the deviations from the new
    // mean, and the way back to the old one.
    Eigen::MatrixXf x = Eigen::MatrixXf::Zero(rank + count + 1, components);
    for (Eigen::Index k = 0; k < rank; ++k) {
      const double square = old.row(k).squaredNorm();  // It is below the weight.
      if (square <= 0) continue;
      const double variance = 1 / std::max(weight - square, kLeastOwnWeight * weight) - 1 / weight;
      x.row(k) = static_cast<float>(std::sqrt(variance / square)) * old.row(k);
    }
    for (Eigen::Index i = 0; i < count; ++i)
      x.row(rank + i) = Eigen::Map<const Eigen::RowVectorXf>(
          pictures[static_cast<std::size_t>(i)].data() + c * components, components);
    auto now = x.middleRows(rank, count);
    const Eigen::RowVectorXf shift = n / (n + 1) * (now.colwise().mean() - mean);
    mean += shift;
    now.rowwise() -= mean;
    now /= std::sqrt(n);
    x.row(rank + count) = shift;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> solver(x * x.transpose());
    Eigen::Map<RowMatrix> basis(bases.data() + c * (rank + added) * components, rank + added, components);
    basis.setZero();
    for (Eigen::Index k = 0; k < rank + added; ++k) {
      const double variance = solver.eigenvalues()[rank + count - k];  // They are in rising order.
      if (variance <= 1e-6) break;
      const Eigen::RowVectorXf direction = solver.eigenvectors().col(rank + count - k).transpose() * x;
      const double own = 1 / (1 / weight + variance);  // As in fit_position_subspace().
      basis.row(k) = static_cast<float>(std::sqrt((weight - own) / variance)) * direction;
    }
  });
  return {Tensor::make(subspace.mean.shape, std::move(means)),
          Tensor::make({cells, rank + added, components}, std::move(bases)), subspace.weight};
}

}  // namespace vedette
