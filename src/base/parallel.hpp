#pragma once

#include <cstddef>
#include <functional>

/// How many threads work uses. Parallel loops (OpenMP) and the products of oneDNN take the number of their threads from a hidden variable of
/// the thread that starts them. This is the one place in the tree that reads and writes it; tools/check_layers.py
/// holds the others to that. (LibTorch keeps a number of its own as well, which vision/decoder and vision/pretrain give it.)
namespace vedette {

/// While it lives, the parallel loops and products that this thread starts use at most so many threads, this one among them. The end
/// restores the number that was in force before, so such objects may be nested. Other threads are not affected: a new thread begins with
/// as many as the machine has cores (or as OMP_NUM_THREADS says), whatever the thread that started it was limited to.
class ThreadCount {
 public:
  /// `threads`: fewer than one are taken for one.
  explicit ThreadCount(int threads);
  ~ThreadCount();
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  /// The number that is in force for the calling thread.
  static int current();

 private:
  const int before_;
};

/// Ends the threads that have helped the calling thread. OpenMP keeps them for its next parallel loop, and makes all threads of the
/// process wait less keenly for each other (slower by a fifth) once there are more of them than cores: a thread that seldom has such work
/// calls this after it.
void end_helping_threads();

/// Calls work(i) for each i in [0, count) from up to `threads` new threads, in no order, and returns when all calls are done. Each call
/// runs under a ThreadCount of one: the loops within it start no further threads. An exception from `work` ends the rest early and is
/// rethrown here. The log lines of the threads carry the context of the caller.
void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace vedette
