#include "edge/agent/call_threads.hpp"

namespace vedette {

CallThreads::~CallThreads() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (auto& thread : threads) thread.join();
}

void CallThreads::run(std::function<void()> work) {
  {
    const MutexLock lock(mutex_);
    waiting_.push_back(std::move(work));
    if (waiting_.size() > idle_) {
      try {
        threads_.emplace_back([this] { loop(); });
      } catch (...) {
        waiting_.pop_back();  // Whoever calls answers otherwise, and what the work uses may be gone then.
        throw;
      }
    }
  }
  changed_.notify_one();
}

void CallThreads::loop() {
  MutexLock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock.standard(), [this]() REQUIRES(mutex_) { return stopping_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    const auto work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace vedette
