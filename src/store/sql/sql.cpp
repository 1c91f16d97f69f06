#include "store/sql/sql.hpp"

#include <algorithm>
#include <random>
#include <thread>

namespace vedette::sql {

std::int64_t Statement::execute() {
  while (cursor_.step()) {
  }
  return cursor_.changed();
}
std::optional<std::string> Statement::optional_text(int column) const {
  return is_null(column) ? std::nullopt : std::optional(text(column));
}
std::optional<std::int64_t> Statement::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional(integer(column));
}
std::optional<double> Statement::optional_real(int column) const {
  return is_null(column) ? std::nullopt : std::optional(real(column));
}

std::unique_ptr<Connection> Pool::take() {
  {
    MutexLock lock(mutex_);
    if (!waiting_.empty() || taken_ >= limits_.connections) {
      const char place = 0;  // Its address tells this caller apart from the others.
      waiting_.push_back(&place);
      const auto is_our_turn = [&]() REQUIRES(mutex_) {
        return waiting_.front() == &place && taken_ < limits_.connections;
      };
      const bool has_come = changed_.wait_for(lock.standard(), limits_.wait, is_our_turn);
      std::erase(waiting_, &place);
      changed_.notify_all();  // The next one may have its turn, too.
      if (!has_come) throw DatabaseUnavailable("all connections to the database are in use");
    }
    ++taken_;
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  try {
    return connect_();
  } catch (...) {
    forget_one();
    throw;
  }
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  std::vector<std::unique_ptr<Connection>> closed;  // They are closed after the mutex is free again.
  const MutexLock lock(mutex_);
  if (connection->is_usable())
    idle_.push_back(std::move(connection));
  else
    closed.swap(idle_);
  --taken_;
  if (!waiting_.empty()) changed_.notify_all();
}

void Pool::forget_one() {
  const MutexLock lock(mutex_);
  --taken_;
  changed_.notify_all();
}

Transaction::Transaction(Pool& pool, Access access) : pool_(pool), connection_(pool.take()) {
  try {
    connection_->begin(access);
  } catch (...) {
    pool_.give_back(std::move(connection_));  // No destructor runs when a constructor throws.
    throw;
  }
}

Transaction::~Transaction() {
  if (is_open_) {
    try {
      connection_->roll_back();
    } catch (const DatabaseError&) {
      connection_.reset();  // It is in doubt, so it is not handed out again.
      pool_.forget_one();
      return;
    }
  }
  pool_.give_back(std::move(connection_));
}

void Transaction::commit() {
  is_open_ = false;  // Whatever commit() throws, it ends the transaction.
  connection_->commit();
}

void run_repeatedly(const std::function<void()>& attempt, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds kFirstPause{2'000}, kLongestPause{250'000};
  const auto deadline = Clock::now() + patience;
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    try {
      return attempt();
    } catch (const SerializationConflict&) {
      if (Clock::now() >= deadline) throw;
    } catch (const DatabaseUnavailable&) {
      if (Clock::now() >= deadline) throw;
    }
    // Without chance, those that got in each other's way would do so again.
    thread_local std::minstd_rand chance{std::random_device()()};
    std::this_thread::sleep_for(std::chrono::microseconds(
        std::uniform_int_distribution<std::int64_t>(pause.count() / 2, pause.count())(chance)));
  }
}

}  // namespace vedette::sql
