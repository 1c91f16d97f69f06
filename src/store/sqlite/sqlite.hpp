#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "store/sql/sql.hpp"

struct sqlite3;

/// The driver for SQLite: connections to files, and what is done with whole files. A database that stays locked by
/// another process is told as sql::DatabaseUnavailable.
namespace vedette::sqlite {

class Command;

const Clock& system_clock();

/// One connection to a database. It is not thread-safe.
class Connection : public sql::Connection {
 public:
  /// With `existing`, opening fails if there is no file; with `or_create`, it makes one. A connection uses WAL,
  /// synchronous=FULL (a committed transaction survives a power cut) and foreign keys.
  enum class Open { or_create, existing };
  explicit Connection(const std::filesystem::path& path, Open open = Open::or_create);
  /// now() is what this clock says.
  Connection(const std::filesystem::path& path, Open open, const Clock& clock);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] sql::Dialect dialect() const override { return sql::Dialect::sqlite; }
  void execute(const std::string& script) override;
  void begin(sql::Access access) override;
  void commit() override;
  void roll_back() override;
  [[nodiscard]] Timestamp now() override { return now_; }
  [[nodiscard]] bool is_usable() const override;
  [[nodiscard]] std::string path() const;

 private:
  sql::Cursor& cursor(const char* sql) override;
  void set_query_only(bool is_query_only);

  sqlite3* database_ = nullptr;
  const Clock& clock_;
  Timestamp now_{};
  bool is_query_only_ = false;
  std::map<const char*, std::unique_ptr<Command>> commands_;
};

/// Applies the migrations that the file has not seen, each in one transaction, under the write lock of the database.
void migrate(Connection& connection, const std::vector<std::pair<int, std::string_view>>& migrations);

/// Reads the whole file and throws sql::DatabaseDamaged with the cure if it is damaged.
void check(Connection& connection);

/// Returns whether an operation of this process found that the file is damaged: it is not a database, or it is
/// malformed. Thread-safe.
bool is_damaged(const std::filesystem::path& path);

/// Opens the database that `path` names and reads the whole of it, as `check` does; returns whether it is damaged.
/// Throws sql::DatabaseError if it cannot be opened for another reason.
bool find_damage(const std::filesystem::path& path);

/// Renames a database that nobody has open, together with its -wal and -shm, to `<path>.lost-<UTC time>` and returns
/// that name. No file is deleted or overwritten, and SQLite still finds the three together. From then on is_damaged()
/// no longer counts the path as damaged, so that a new file may take its place.
std::filesystem::path set_aside(const std::filesystem::path& path, Timestamp now);

/// Keeps connections to one existing file.
class Pool : public sql::Pool {
 public:
  explicit Pool(const std::filesystem::path& path);
  Pool(const std::filesystem::path& path, const Clock& clock);
  [[nodiscard]] bool is_damaged() const { return sqlite::is_damaged(path_); }

 private:
  const std::filesystem::path path_;
};

/// Makes a consistent copy of a database that others may be writing. The copy takes the place of `to` once it is whole.
/// Throws sql::DatabaseError.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace vedette::sqlite
