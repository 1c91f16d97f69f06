#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.hpp"

namespace vedette {

/// Threads that wait in place of calls. There are as many as calls were ever under way at once, and whoever adds work
/// bounds that. Any thread may call it.
class CallThreads {
 public:
  CallThreads() = default;
  ~CallThreads();  ///< returns when all work is done
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;
  /// Has the work, which must not throw, done by a thread that has nothing else to do. Throws
  /// std::system_error or std::bad_alloc if the system has no thread left; then the work is not done.
  void run(std::function<void()> work);

 private:
  void loop();
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  std::size_t idle_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace vedette
