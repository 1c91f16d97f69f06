#pragma once

#include "vision/infer/graph.hpp"

/// What this machine can do at its best: the limits that a detection is measured against.
namespace vedette {

struct PeakRates {
  double fp32 = 0;       ///< multiply-adds of large matrix products, counted as two operations each, per second
  double bf16 = 0;       ///< the same in bf16; 0 where graphs do not use it (networks.cpp)
  double int8 = 0;       ///< in int8, likewise
  double bandwidth = 0;  ///< bytes per second, read and written, of copies too large for any cache
  /// Of products in that precision.
  [[nodiscard]] double products(Precision precision) const {
    return precision == Precision::int8 ? int8 : precision == Precision::bf16 ? bf16 : fp32;
  }
};

/// Measured by oneDNN's own matmul and by copying, each with so many threads; the best of a few runs counts. Takes a second.
PeakRates measure_peaks(int threads);

}  // namespace vedette
