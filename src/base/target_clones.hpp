#pragma once

/// Before a hot loop's function: compiled once per instruction set, the best one chosen when the program starts. Not under
/// ThreadSanitizer, whose runtime is not ready yet when the choice is made.
#if defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define VEDETTE_TARGET_CLONES
#else
#define VEDETTE_TARGET_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

namespace vedette {

/// Sixteen floats that are added, multiplied and compared at once: one register of AVX-512, two of AVX2, four of SSE or NEON (GCC's and
/// Clang's vector extensions). For sums and maxima, whose order a compiler may not change by itself.
inline constexpr int kLanes = 16;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntLanes = int __attribute__((vector_size(kLanes * sizeof(int))));  ///< as many; what comparisons of Lanes give

}  // namespace vedette
