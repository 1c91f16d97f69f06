#pragma once

#include <cstddef>
#include <functional>

/// Says how many threads work uses. Parallel loops (OpenMP) and the products of oneDNN take their number of threads
/// from a hidden variable of the thread that starts them. Only this file and parallel.cpp read and write that variable;
/// tools/check_layers.py keeps all others from it. (LibTorch also has a number of its own, which vision/decoder and
/// vision/pretrain set.)
namespace vedette {

/// Limits threads: as long as it lives, the parallel loops and products that this thread starts use at most `threads`
/// threads, including this one. Its end restores the number that was in force before, so such objects may be nested.
/// Other threads are not affected: a new thread begins with as many as the machine has cores (or as OMP_NUM_THREADS
/// says), whatever the limit of the thread that started it.
class ThreadCount {
 public:
  /// If `threads` is less than 1, it counts as 1.
  explicit ThreadCount(int threads);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  /// Returns the number that is in force for the calling thread.
  static int current();

 private:
  const int before_;
};

/// Ends the threads that have helped the calling thread. OpenMP keeps them for its next parallel loop. Once there are
/// more such threads than cores, OpenMP makes all threads of the process wait less keenly for each other, which makes
/// them slower by a fifth. So a thread that seldom has parallel work calls this after it.
void end_helping_threads();

/// Calls work(i) for each i in [0, count) from up to `threads` new threads, in no particular order, and returns when
/// all calls are done. Each call runs under a ThreadCount of one, so that loops within it start no further threads. If
/// `work` throws, the calls that have not begun are skipped and the exception is rethrown here. The log lines of the
/// threads carry the context of the caller.
void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace vedette
