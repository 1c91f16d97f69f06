#include "vision/learn/normality.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.hpp"

namespace vedette {
namespace {

constexpr double kKeptVariance = 0.995;
constexpr double kVarianceFloor = 0.01;
/// Pictures that the average over all cells counts for when a cell's own variance is estimated.
constexpr double kPriorPictures = 8;

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Lowers each row's distance to the chosen set by its distance to one new row.
__attribute__((target_clones("avx512f", "avx2", "default"))) void lower_distances(const float* rows, const float* centre, float* nearest,
                                                                                  std::size_t count, std::size_t channels) {
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

}  // namespace

Whitening fit_whitening(std::span<const float> rows, std::int64_t channels, std::int64_t most_components) {
  const auto n = static_cast<Eigen::Index>(rows.size()) / channels;
  const Eigen::Map<const RowMatrix> x(rows.data(), n, channels);
  const Eigen::VectorXd mean = x.cast<double>().colwise().mean();
  Eigen::MatrixXd centred = x.cast<double>().rowwise() - mean.transpose();
  Eigen::VectorXd deviation = (centred.colwise().squaredNorm() / static_cast<double>(n)).cwiseSqrt();
  // A channel that never moves (a grey camera's colours) says nothing when scaled up.
  const double floor = std::max(1e-6, 1e-3 * deviation.maxCoeff());
  deviation = deviation.cwiseMax(floor);
  centred.array().rowwise() /= deviation.transpose().array();
  const Eigen::MatrixXd covariance = centred.transpose() * centred / static_cast<double>(n);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  const Eigen::VectorXd& values = solver.eigenvalues();  // ascending
  const double total = std::max(values.sum(), 1e-12);
  std::int64_t kept = 0;
  for (double sum = 0; kept < std::min(channels, most_components) && sum < kKeptVariance * total; ++kept) sum += values[channels - 1 - kept];
  kept = std::max<std::int64_t>(kept, 1);
  Eigen::MatrixXd weights(channels, kept);
  for (std::int64_t k = 0; k < kept; ++k) {
    Eigen::VectorXd direction = solver.eigenvectors().col(channels - 1 - k);
    // An eigenvector's sign is arbitrary: fix it, so that the bytes do not depend on the solver's mood.
    Eigen::Index largest = 0;
    direction.cwiseAbs().maxCoeff(&largest);
    if (direction[largest] < 0) direction = -direction;
    const double variance = std::max(values[channels - 1 - k], 0.0) + kVarianceFloor * total / static_cast<double>(channels);
    weights.col(k) = direction.cwiseQuotient(deviation) / std::sqrt(variance);
  }
  const Eigen::VectorXd bias = -(weights.transpose() * mean);
  std::vector<float> w(static_cast<std::size_t>(channels * kept)), b(static_cast<std::size_t>(kept));
  Eigen::Map<RowMatrix>(w.data(), channels, kept) = weights.cast<float>();
  Eigen::Map<Eigen::VectorXf>(b.data(), kept) = bias.cast<float>();
  return {Tensor::make({channels, kept}, std::move(w)), Tensor::make({kept}, std::move(b))};
}

std::vector<float> apply_whitening(const Whitening& whitening, std::span<const float> rows) {
  const auto channels = whitening.weights.size(0), components = whitening.weights.size(1);
  const auto n = static_cast<Eigen::Index>(rows.size()) / channels;
  const Eigen::Map<const RowMatrix> x(rows.data(), n, channels);
  const Eigen::Map<const RowMatrix> w(whitening.weights.data(), channels, components);
  const Eigen::Map<const Eigen::RowVectorXf> b(whitening.bias.data(), components);
  std::vector<float> out(static_cast<std::size_t>(n * components));
  Eigen::Map<RowMatrix> y(out.data(), n, components);
  y.noalias() = x * w;
  y.rowwise() += b;
  return out;
}

std::vector<std::size_t> select_coreset(std::span<const float> embeddings, std::int64_t channels, std::size_t keep, std::uint64_t seed) {
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

PositionStatistics::PositionStatistics(std::int64_t cells, std::int64_t components)
    : cells_(cells), components_(components), sum_(static_cast<std::size_t>(cells * components)), square_(sum_.size()) {}

void PositionStatistics::add(std::span<const float> embeddings) {
  count_ += 1;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    sum_[i] += embeddings[i];
    square_[i] += static_cast<double>(embeddings[i]) * embeddings[i];
  }
}

PositionStatistics::Tensors PositionStatistics::finish() const {
  const auto components = static_cast<std::size_t>(components_);
  std::vector<double> pooled(components);
  std::vector<float> mean(sum_.size()), inverse(sum_.size());
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    const double m = sum_[i] / count_;
    mean[i] = static_cast<float>(m);
    pooled[i % components] += std::max(0.0, square_[i] / count_ - m * m) / static_cast<double>(cells_);
  }
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    const double m = sum_[i] / count_;
    const double own = std::max(0.0, square_[i] - count_ * m * m);
    const double variance = (own + kPriorPictures * pooled[i % components]) / (count_ + kPriorPictures);
    inverse[i] = static_cast<float>(1.0 / std::sqrt(variance + 1e-4));
  }
  return {Tensor::make({cells_, components_}, std::move(mean)), Tensor::make({cells_, components_}, std::move(inverse))};
}

}  // namespace vedette
