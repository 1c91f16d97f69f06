#pragma once

/// Before a hot loop's function: compiled once per instruction set, the best one chosen when the program starts. Not under
/// ThreadSanitizer, whose runtime is not ready yet when the choice is made.
#if defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define VEDETTE_TARGET_CLONES
#else
#define VEDETTE_TARGET_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
