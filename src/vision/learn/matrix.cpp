#include "vision/learn/matrix.hpp"

#include <dnnl.h>

#include <cassert>

namespace vedette {

RowMatrix product(const Eigen::Ref<const RowMatrix>& a, bool transposes_a, const Eigen::Ref<const RowMatrix>& b,
                  bool transposes_b) {
  const auto rows = transposes_a ? a.cols() : a.rows(), inner = transposes_a ? a.rows() : a.cols(),
             columns = transposes_b ? b.rows() : b.cols();
  RowMatrix out(rows, columns);
  [[maybe_unused]] const auto status =
      dnnl_sgemm(transposes_a ? 'T' : 'N', transposes_b ? 'T' : 'N', rows, columns, inner, 1, a.data(), a.outerStride(),
                 b.data(), b.outerStride(), 0, out.data(), columns);
  assert(status == dnnl_success);
  return out;
}

}  // namespace vedette
