#include "vision/learn/linear_probe.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "vision/learn/class_weights.hpp"

namespace vedette {
namespace {

// The penalty may be this small because the weights lie in the span of few pictures. Chosen out of fold.
constexpr double kPenalty = 0.003;
constexpr double kLeastSpread = 0.1;  // A share of the median spread; numbers that hardly vary are not blown up.
constexpr int kIterations = 30;
constexpr double kConverged = 1e-6, kLeastCurvature = 1e-4;

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace

LinearProbe fit_linear_probe(std::span<const float> descriptions, std::int64_t width,
                             std::span<const std::uint8_t> is_anomalous) {
  const auto n = static_cast<Eigen::Index>(is_anomalous.size());
  Rows x = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(descriptions.data(),
                                                                                                   n, width)
               .cast<double>();
  Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(width), squares = mean;
  double good = 0;
  for (Eigen::Index i = 0; i < n; ++i)
    if (is_anomalous[static_cast<std::size_t>(i)] == 0) mean += x.row(i), good += 1;
  mean /= good;
  for (Eigen::Index i = 0; i < n; ++i)
    if (is_anomalous[static_cast<std::size_t>(i)] == 0) squares += (x.row(i) - mean).cwiseAbs2();
  Eigen::RowVectorXd spread = (squares / good).cwiseSqrt();
  std::vector<double> sorted(spread.begin(), spread.end());
  std::nth_element(sorted.begin(), sorted.begin() + width / 2, sorted.end());
  spread = spread.cwiseMax(kLeastSpread * sorted[static_cast<std::size_t>(width / 2)] + 1e-9);
  x.rowwise() -= mean;
  x.array().rowwise() /= spread.array();
  x = x.cwiseMax(-kProbeLimit).cwiseMin(kProbeLimit) / std::sqrt(static_cast<double>(width));

  const Eigen::MatrixXd kernel = x * x.transpose();
  const ClassWeights importance(is_anomalous);
  Eigen::VectorXd dual = Eigen::VectorXd::Zero(n), target(n), curvature(n);
  double bias = 0;
  Eigen::MatrixXd equations(n + 1, n + 1);
  Eigen::VectorXd right(n + 1);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    const Eigen::VectorXd logit = (kernel * dual).array() + bias;
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto label = is_anomalous[static_cast<std::size_t>(i)];
      const double p = 1 / (1 + std::exp(-logit[i])), w = importance.of(label) * static_cast<double>(n);
      curvature[i] = std::max(w * p * (1 - p), kLeastCurvature);
      target[i] = logit[i] + w * ((label != 0 ? 1 : 0) - p) / curvature[i];
    }
    equations.topLeftCorner(n, n) = kernel;
    equations.diagonal().head(n) += kPenalty * curvature.cwiseInverse();
    equations.row(n).setOnes();
    equations.col(n).setOnes();
    equations(n, n) = 0;
    right.head(n) = target;
    right[n] = 0;
    const Eigen::VectorXd solution = equations.partialPivLu().solve(right);
    const double change = (solution.head(n) - dual).cwiseAbs().maxCoeff();
    dual = solution.head(n);
    bias = solution[n];
    if (change < kConverged) break;
  }
  const Eigen::RowVectorXd weights = dual.transpose() * x / std::sqrt(static_cast<double>(width));
  LinearProbe out;
  for (Eigen::Index c = 0; c < width; ++c) {
    out.center.push_back(static_cast<float>(mean[c]));
    out.scale.push_back(static_cast<float>(1 / spread[c]));
    out.weights.push_back(static_cast<float>(weights[c]));
  }
  out.bias = static_cast<float>(bias);
  return out;
}

}  // namespace vedette
