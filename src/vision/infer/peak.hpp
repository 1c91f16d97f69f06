#pragma once

#include "vision/infer/graph.hpp"

/// Measures the best rates of this machine, with which the time of a detection is compared.
namespace vedette {

struct PeakRates {
  double fp32 = 0;       ///< Operations per second of large matrix products; a multiply-add counts as two.
  double bf16 = 0;       ///< The same in bf16; 0 where graphs do not use it (networks.cpp).
  double int8 = 0;       ///< The same in int8; 0 where graphs do not use it.
  double bandwidth = 0;  ///< Bytes per second that are read and written by copies too large for any cache.
  /// Returns the rate of products in that precision.
  [[nodiscard]] double products(Precision precision) const {
    return precision == Precision::int8 ? int8 : precision == Precision::bf16 ? bf16 : fp32;
  }
};

/// Measures the rates with oneDNN's own matmul and by copying, each with `threads` threads; the best of a few runs
/// counts. It takes about a second.
PeakRates measure_peaks(int threads);

}  // namespace vedette
