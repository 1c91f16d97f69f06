#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <string>

#include "store/postgresql/postgresql.hpp"

/// One connection of libpq, on which nothing waits longer than its deadline. Internal to the driver.
namespace vedette::postgresql {

using Deadline = std::chrono::steady_clock::time_point;

/// The connection is gone, and with it the transaction that was open.
struct LostConnection : sql::DatabaseUnavailable {
  using DatabaseUnavailable::DatabaseUnavailable;
};

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPointer = std::unique_ptr<PGresult, ClearResult>;

/// Throws the neutral error for a result that is an error. Neither the statement nor its values are part of its text.
[[noreturn]] void raise(const PGresult& result, sql::Access access);

class Session {
 public:
  /// Connects to one of the servers. Throws LostConnection if that fails or the deadline passes.
  Session(const Address& address, std::size_t server, const Options& options, Deadline deadline);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] PGconn* get() const { return connection_; }
  /// Returns whether a pooler stands between us and the server, so that each transaction may have another connection to
  /// it: what is set or prepared for longer than a transaction would meet strangers.
  [[nodiscard]] bool is_pooled() const { return is_pooled_; }

  /// Sends what libpq has gathered as far as that is possible without waiting.
  void begin_flush();
  /// Returns the next result, or nothing at the end of a statement's results. Throws LostConnection, or
  /// DatabaseUnavailable if the deadline passes.
  ResultPointer next(Deadline deadline);
  /// Runs statements without parameters in one go. `access` is for raise().
  void run_script(const std::string& script, sql::Access access, Deadline deadline);

 private:
  void wait(short events, Deadline deadline);
  void connect(Deadline deadline);
  void set_up(const Address& address, const Options& options, Deadline deadline);
  PGconn* connection_ = nullptr;
  bool is_pooled_ = false;
};

/// The parameters of the server that a session, or behind a pooler each transaction, works with: an expression of SQL
/// that sets them.
std::string settings_expression(const Address& address, const Options& options, bool is_local);

}  // namespace vedette::postgresql
