#pragma once

#include <Eigen/Dense>

/// Matrices of rows of features. Only files of vision/learn include this header.
namespace vedette {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Returns a · b, where either may be transposed first. oneDNN multiplies, because it chooses the instruction set at run
/// time and uses all threads of the calling thread's ThreadCount; the last bits of the sums may depend on their number.
RowMatrix product(const Eigen::Ref<const RowMatrix>& a, bool transposes_a, const Eigen::Ref<const RowMatrix>& b,
                  bool transposes_b);

}  // namespace vedette
