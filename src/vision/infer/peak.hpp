#pragma once

/// What this machine can do at its best: the limits that a detection is measured against.
namespace vedette {

struct PeakRates {
  double fp32 = 0;       ///< multiply-adds of large matrix products, counted as two operations each, per second
  double bf16 = 0;       ///< the same in bf16; 0 where graphs do not use it (networks.cpp)
  double bandwidth = 0;  ///< bytes per second, read and written, of copies too large for any cache
};

/// By oneDNN's own matmul, and by copying, with so many threads; the best of a few runs. Takes a second.
PeakRates measure_peaks(int threads);

}  // namespace vedette
