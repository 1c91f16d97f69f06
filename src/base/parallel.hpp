#pragma once

#include <cstddef>
#include <functional>

namespace vedette {

/// Calls work(i) once for each i in [0, count), from up to `threads` threads and in no order, and returns when all
/// calls have ended. If a call throws, the calls that have not begun are left out, and the exception is rethrown.
void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace vedette
