#pragma once

/// Stands before the function of a hot loop: the compiler makes one version per instruction set, and the best one is
/// chosen when the program starts. It is empty under ThreadSanitizer, whose runtime is not ready yet when the choice is
/// made.
#if defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define VEDETTE_TARGET_CLONES
#else
#define VEDETTE_TARGET_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif

namespace vedette {

/// Sixteen floats that are added, multiplied and compared at once: one register of AVX-512, two of AVX2, four of SSE or
/// NEON. It uses the vector extensions of GCC and Clang. It serves for sums and maxima, whose order a compiler may not
/// change by itself.
inline constexpr int kLanes = 16;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
/// Sixteen integers: the result of comparing two Lanes.
using IntLanes = int __attribute__((vector_size(kLanes * sizeof(int))));

}  // namespace vedette
