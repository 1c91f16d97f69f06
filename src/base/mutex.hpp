#pragma once

#include <mutex>

/// A mutex that Clang's thread-safety analysis understands; it does not understand the std::mutex of GCC's library. A
/// member that a mutex protects is declared `T member_ GUARDED_BY(mutex_)`; with -Wthread-safety, clang then refuses
/// every use of the member without the lock. A function that expects its caller to hold the lock is declared with
/// REQUIRES(mutex_), and so is a lambda that waits for a condition. GCC ignores all of this. `./test.sh lint` runs the
/// analysis.
///
/// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#if defined(__clang__)
#define VEDETTE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define VEDETTE_THREAD_ATTRIBUTE(x)
#endif
#define GUARDED_BY(mutex) VEDETTE_THREAD_ATTRIBUTE(guarded_by(mutex))
#define REQUIRES(mutex) VEDETTE_THREAD_ATTRIBUTE(requires_capability(mutex))

namespace vedette {

class VEDETTE_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() VEDETTE_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() VEDETTE_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

/// Holds a mutex until the end of the block.
class VEDETTE_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VEDETTE_THREAD_ATTRIBUTE(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~MutexLock() VEDETTE_THREAD_ATTRIBUTE(release_capability()) = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  /// Releases the mutex before the end of the block; lock() takes it again.
  void unlock() VEDETTE_THREAD_ATTRIBUTE(release_capability()) { lock_.unlock(); }
  void lock() VEDETTE_THREAD_ATTRIBUTE(acquire_capability()) { lock_.lock(); }
  /// Returns the lock for std::condition_variable, which releases the mutex only while it waits.
  [[nodiscard]] std::unique_lock<std::mutex>& standard() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace vedette
