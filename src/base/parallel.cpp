#include "base/parallel.hpp"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"

namespace vedette {

ThreadCount::ThreadCount(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(std::max(1, threads));
}

ThreadCount::~ThreadCount() {
  omp_set_num_threads(before_);
}

int ThreadCount::current() {
  return omp_get_max_threads();
}

void end_helping_threads() {
  omp_pause_resource(omp_pause_soft, omp_get_initial_device());
}

void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  struct {
    Mutex mutex;
    std::exception_ptr first GUARDED_BY(mutex);
  } failure;
  const auto context = log::Context::current();
  const auto run = [&] {
    const log::Scope scope(context);
    const ThreadCount one(1);
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const MutexLock lock(failure.mutex);
        if (!failure.first) failure.first = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> pool;
  try {
    for (int t = 0; t < threads && static_cast<std::size_t>(t) < count; ++t) pool.emplace_back(run);
  } catch (const std::system_error&) {
    // The system allows no further thread: those that there are do the work, or this one.
    if (pool.empty()) run();
  }
  for (auto& t : pool) t.join();
  const MutexLock lock(failure.mutex);
  if (failure.first) std::rethrow_exception(failure.first);
}

}  // namespace vedette
