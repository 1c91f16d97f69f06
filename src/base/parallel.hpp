#pragma once

#include <cstddef>
#include <functional>

namespace vedette {

/// Calls work(i) for i in [0, count) from up to `threads` threads, in no order; returns when all are done. An exception
/// from work ends the rest early and is rethrown. The threads' log lines carry the caller's context.
void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace vedette
