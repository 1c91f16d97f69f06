#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/disk_full.hpp"
#include "base/mutex.hpp"

struct sqlite3;
struct sqlite3_stmt;

/// Is a thin layer over SQLite: connections, cached statements, transactions and migrations. If the database fails
/// (full disk, damage), functions throw DatabaseError. A violated uniqueness constraint is an ordinary outcome and is
/// returned.
namespace vedette::sqlite {

struct DatabaseError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct DatabaseFull : DatabaseError, DiskFull {
  using DatabaseError::DatabaseError;
};
struct DatabaseDamaged : DatabaseError {
  using DatabaseError::DatabaseError;
};

/// A prepared statement in use. Parameters are bound in order; columns are numbered from 0. The statement is reset when
/// this object is destroyed.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text);
  Statement& bind(const char* text) { return bind(std::string_view(text)); }
  Statement& bind(const std::string& text) { return bind(std::string_view(text)); }
  Statement& bind(std::int64_t value);
  Statement& bind(double value);
  Statement& bind_blob(std::string_view bytes);
  Statement& bind_null();
  template <typename T>
  Statement& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  /// Goes to the next row. Returns false if there is none.
  bool step();
  /// Runs the statement to its end. Returns how many rows changed.
  std::int64_t execute();
  /// Runs the statement as execute() does. Returns false if a uniqueness constraint refused it.
  bool execute_unless_exists();

  [[nodiscard]] std::string text(int column) const;  ///< returns a column's text or the bytes of a blob
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::optional<std::string> optional_text(int column) const;
  [[nodiscard]] std::optional<std::int64_t> optional_integer(int column) const;

 private:
  [[noreturn]] void fail() const;
  sqlite3_stmt* statement_;
  int next_ = 1;
};

/// One connection to a database. It is not thread-safe.
class Connection {
 public:
  /// With `existing`, opening fails if there is no file; with `or_create`, it makes one. A connection uses WAL,
  /// synchronous=FULL (a committed transaction survives a power cut) and foreign keys.
  enum class Open { or_create, existing };
  explicit Connection(const std::filesystem::path& path, Open open = Open::or_create);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Returns a statement from the cache, or prepares it. `sql` must be a string literal, because its address is the key
  /// of the cache.
  Statement prepare(const char* sql);
  void execute(const std::string& sql);
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] std::string path() const;

 private:
  sqlite3* database_ = nullptr;
  std::map<const char*, sqlite3_stmt*> cache_;
};

/// Applies the migrations that the file has not seen, each in one transaction, under the write lock of the database.
void migrate(Connection& connection, const std::vector<std::pair<int, std::string_view>>& migrations);

/// Reads the whole file and throws DatabaseDamaged with the cure if it is damaged.
void check(Connection& connection);

/// Returns whether an operation of this process found that the file is damaged: it is not a database, or it is
/// malformed. Thread-safe.
bool is_damaged(const std::filesystem::path& path);

/// Opens the database that `path` names and reads the whole of it, as `check` does; returns whether it is damaged.
/// Throws DatabaseError if it cannot be opened for another reason.
bool find_damage(const std::filesystem::path& path);

/// Renames a database that nobody has open, together with its -wal and -shm, to `<path>.lost-<UTC time>` and returns
/// that name. No file is deleted or overwritten, and SQLite still finds the three together. From then on is_damaged()
/// no longer counts the path as damaged, so that a new file may take its place.
std::filesystem::path set_aside(const std::filesystem::path& path, Timestamp now);

/// Keeps connections to one existing file, each of which is given to one caller at a time. Thread-safe.
class Pool {
 public:
  explicit Pool(std::filesystem::path path) : path_(std::move(path)) {}
  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection);
  [[nodiscard]] bool is_damaged() const { return sqlite::is_damaged(path_); }

 private:
  std::filesystem::path path_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);
};

/// A transaction on a connection of the pool. It is rolled back unless commit() is called.
class Transaction {
 public:
  enum class Access { read, write };
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

/// Makes a consistent copy of a database that others may be writing. The copy takes the place of `to` once it is whole.
/// Throws DatabaseError.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace vedette::sqlite
