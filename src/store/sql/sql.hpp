#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.hpp"
#include "base/disk_full.hpp"
#include "base/mutex.hpp"

/// What the databases have in common: connections, statements, transactions, a pool, and errors. A driver for each
/// database implements Connection and Cursor. SQL that is written over this interface is understood by every driver:
/// uniqueness is handled with ON CONFLICT, new numbers are read with RETURNING, and a parameter is `?` (the next one) or
/// `?3` (the third); a statement uses only one of the two forms.
namespace vedette::sql {

/// The database refused or failed. It is either a bug or one of the more special cases below.
struct DatabaseError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct DatabaseFull : DatabaseError, DiskFull {
  using DatabaseError::DatabaseError;
};
struct DatabaseDamaged : DatabaseError {
  using DatabaseError::DatabaseError;
};
/// The database cannot be reached, or did not answer in time. Whatever the transaction did is undone.
struct DatabaseUnavailable : DatabaseError, Away {
  using DatabaseError::DatabaseError;
};
/// Another transaction got in the way. Whatever this one did is undone, and it may be run again.
struct SerializationConflict : DatabaseError, Away {
  using DatabaseError::DatabaseError;
};
/// The connection was lost while a transaction was committed, and it could not be found out whether it was.
struct CommitInDoubt : DatabaseError, Away {
  using DatabaseError::DatabaseError;
  [[nodiscard]] bool is_undone() const override { return false; }
};

enum class Dialect { sqlite, postgresql };
/// `look`: each statement is a transaction of its own, which reads. It costs less than one that all of them share.
enum class Access { look, read, write };
/// What a parameter is. PostgreSQL wants to know it of NULL, too; `any` leaves it to the place where the parameter stands.
enum class Kind { any, text, integer, real };

/// One statement as a driver runs it. Parameters are numbered from 1 and columns from 0. After an error, only close()
/// may be called.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void bind_text(int place, std::string_view text) = 0;
  virtual void bind_blob(int place, std::string_view bytes) = 0;
  virtual void bind_integer(int place, std::int64_t value) = 0;
  virtual void bind_real(int place, double value) = 0;
  virtual void bind_null(int place, Kind kind) = 0;

  virtual bool step() = 0;                           ///< Goes to the next row. Returns false if there is none.
  [[nodiscard]] virtual std::int64_t changed() = 0;  ///< How many rows changed, once step() has returned false.
  /// Runs the statement, whose rows nobody wants. A driver may send it and wait for its outcome later; an error is then
  /// thrown by a later statement of the connection or by its commit().
  virtual void send() = 0;

  [[nodiscard]] virtual bool is_null(int column) const = 0;
  /// Returns a text or a blob, until the next step; nothing of a column that is NULL.
  [[nodiscard]] virtual std::string_view bytes(int column) const = 0;
  [[nodiscard]] virtual std::int64_t integer(int column) const = 0;
  [[nodiscard]] virtual double real(int column) const = 0;

  /// Forgets the parameters and the rows, so that the statement can be run again.
  virtual void close() noexcept = 0;
};

/// A statement in use. Parameters are bound in order; columns are numbered from 0. While it lives, the same statement
/// must not be prepared on the same connection again.
class Statement {
 public:
  explicit Statement(Cursor& cursor) : cursor_(cursor) {}
  ~Statement() { cursor_.close(); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text) { return cursor_.bind_text(next_++, text), *this; }
  Statement& bind(const char* text) { return bind(std::string_view(text)); }
  Statement& bind(const std::string& text) { return bind(std::string_view(text)); }
  Statement& bind(std::int64_t value) { return cursor_.bind_integer(next_++, value), *this; }
  Statement& bind(double value) { return cursor_.bind_real(next_++, value), *this; }
  Statement& bind_blob(std::string_view bytes) { return cursor_.bind_blob(next_++, bytes), *this; }
  Statement& bind_null(Kind kind = Kind::any) { return cursor_.bind_null(next_++, kind), *this; }
  template <typename T>
  Statement& bind(const std::optional<T>& value) {
    constexpr auto kKind = std::is_integral_v<T>         ? Kind::integer
                           : std::is_floating_point_v<T> ? Kind::real
                                                         : Kind::text;
    return value ? bind(*value) : bind_null(kKind);
  }

  /// Goes to the next row. Returns false if there is none.
  bool step() { return cursor_.step(); }
  /// Runs the statement to its end. Returns how many rows changed.
  std::int64_t execute();
  /// Runs the statement without waiting for its outcome (see Cursor::send). Use it where many rows are written.
  void send() { cursor_.send(); }

  [[nodiscard]] std::string text(int column) const { return std::string(cursor_.bytes(column)); }  ///< text or a blob
  [[nodiscard]] std::int64_t integer(int column) const { return cursor_.integer(column); }
  [[nodiscard]] double real(int column) const { return cursor_.real(column); }
  [[nodiscard]] bool is_null(int column) const { return cursor_.is_null(column); }
  [[nodiscard]] std::optional<std::string> optional_text(int column) const;
  [[nodiscard]] std::optional<std::int64_t> optional_integer(int column) const;
  [[nodiscard]] std::optional<double> optional_real(int column) const;

 private:
  Cursor& cursor_;
  int next_ = 1;
};

/// A statement that the databases want written differently.
struct PerDialect {
  const char* sqlite;
  const char* postgresql;
};

/// One connection to a database. It is not thread-safe.
class Connection {
 public:
  virtual ~Connection() = default;
  [[nodiscard]] virtual Dialect dialect() const = 0;

  /// `sql` must be a string literal, because its address is the key of the drivers' caches.
  Statement prepare(const char* sql) { return Statement(cursor(sql)); }
  Statement prepare(const PerDialect& sql) {
    return prepare(dialect() == Dialect::sqlite ? sql.sqlite : sql.postgresql);
  }
  /// Runs statements without parameters, whose rows nobody wants.
  virtual void execute(const std::string& script) = 0;

  /// A transaction sees one state of the database from its beginning to its end. Two that write are as if one had run
  /// after the other. A transaction that writes without Access::write fails with DatabaseError.
  virtual void begin(Access access) = 0;
  /// Throws SerializationConflict or DatabaseUnavailable if the transaction was undone, and CommitInDoubt if that is
  /// not known. It is over in each case.
  virtual void commit() = 0;
  virtual void roll_back() = 0;
  /// Returns the database's time at the beginning of the transaction.
  [[nodiscard]] virtual Timestamp now() = 0;
  /// Returns whether the connection may be used for another transaction.
  [[nodiscard]] virtual bool is_usable() const { return true; }

 protected:
  /// The cursor belongs to the connection.
  virtual Cursor& cursor(const char* sql) = 0;
};

/// Keeps connections to one database, each of which is given to one caller at a time. Thread-safe.
class Pool {
 public:
  using Connect = std::function<std::unique_ptr<Connection>()>;
  struct Limits {
    std::size_t connections = std::numeric_limits<std::size_t>::max();
    std::chrono::milliseconds wait{10'000};  ///< how long a caller waits when all are in use
  };
  explicit Pool(Connect connect) : Pool(std::move(connect), Limits()) {}
  Pool(Connect connect, Limits limits) : connect_(std::move(connect)), limits_(limits) {}
  virtual ~Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  /// Makes a connection if none is idle; throws what `connect` throws. When all are in use, callers get one in the order
  /// in which they came. Throws DatabaseUnavailable if none comes free in time.
  std::unique_ptr<Connection> take();
  /// A connection that is not usable is closed, and with it the idle ones, because they go the same way.
  void give_back(std::unique_ptr<Connection> connection);
  /// Says that a connection, which take() gave, is gone.
  void forget_one();

 private:
  const Connect connect_;
  const Limits limits_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);
  std::size_t taken_ GUARDED_BY(mutex_) = 0;
  std::deque<const void*> waiting_ GUARDED_BY(mutex_);
};

/// A transaction on a connection of the pool. It is rolled back unless commit() is called.
class Transaction {
 public:
  Transaction(Pool& pool, Access access);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Connection& connection() { return *connection_; }
  void commit();

 private:
  Pool& pool_;
  std::unique_ptr<Connection> connection_;
  bool is_open_ = true;
};

/// Runs an attempt at a transaction until it ends without SerializationConflict or DatabaseUnavailable. Between two
/// attempts it waits for a random time that grows. Once `patience` has passed, the error of the last attempt is thrown.
void run_repeatedly(const std::function<void()>& attempt,
                    std::chrono::milliseconds patience = std::chrono::seconds(10));

}  // namespace vedette::sql
