#include "store/sqlite/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <set>

#include "base/files.hpp"

namespace vedette::sqlite {
namespace {

constexpr int kBusyMilliseconds = 15'000;

Mutex damaged_mutex;
std::set<std::filesystem::path>& damaged_files() REQUIRES(damaged_mutex) {
  static std::set<std::filesystem::path> files;
  return files;
}

std::filesystem::path known_as(const std::filesystem::path& path) {
  std::error_code none;
  auto real = std::filesystem::weakly_canonical(path, none);
  return none ? path : real;
}

DatabaseDamaged damaged(const std::string& path, const std::string& reason) {
  {
    auto name = known_as(path);
    const MutexLock lock(damaged_mutex);
    damaged_files().insert(std::move(name));
  }
  return DatabaseDamaged("the database " + path + " is damaged (" + reason +
                         "); put it back from a backup, with no -wal and -shm of its name beside it. Without a backup, "
                         "start once with --accept-loss, which sets the damaged file aside (see vedette serve --help)");
}

/// Throws the exception for the last operation on the database, which failed.
[[noreturn]] void raise(sqlite3* database, int code) {
  const auto text = std::string("database: ") + sqlite3_errmsg(database);
  const int system = sqlite3_system_errno(database);
  if ((code & 0xff) == SQLITE_FULL || ((code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT)))
    throw DatabaseFull(text);
  if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
    const char* path = sqlite3_db_filename(database, "main");
    throw damaged(path != nullptr ? path : "", sqlite3_errmsg(database));
  }
  throw DatabaseError(text);
}

}  // namespace

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Statement::fail() const {
  auto* database = sqlite3_db_handle(statement_);
  raise(database, sqlite3_errcode(database));
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL, but an empty text is something else.
  if (sqlite3_bind_text(statement_, next_++, text.data() ? text.data() : "", static_cast<int>(text.size()),
                        SQLITE_TRANSIENT) != SQLITE_OK)
    fail();
  return *this;
}
Statement& Statement::bind(std::int64_t value) {
  if (sqlite3_bind_int64(statement_, next_++, value) != SQLITE_OK) fail();
  return *this;
}
Statement& Statement::bind(double value) {
  if (sqlite3_bind_double(statement_, next_++, value) != SQLITE_OK) fail();
  return *this;
}
Statement& Statement::bind_blob(std::string_view bytes) {
  if (sqlite3_bind_blob(statement_, next_++, bytes.data() ? bytes.data() : "", static_cast<int>(bytes.size()),
                        SQLITE_TRANSIENT) != SQLITE_OK)
    fail();
  return *this;
}
Statement& Statement::bind_null() {
  if (sqlite3_bind_null(statement_, next_++) != SQLITE_OK) fail();
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) fail();
  return false;
}

std::int64_t Statement::execute() {
  while (step()) {
  }
  return sqlite3_changes64(sqlite3_db_handle(statement_));
}

bool Statement::execute_unless_exists() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_CONSTRAINT) {
    const int extended = sqlite3_extended_errcode(sqlite3_db_handle(statement_));
    if (extended == SQLITE_CONSTRAINT_PRIMARYKEY || extended == SQLITE_CONSTRAINT_UNIQUE) return false;
  }
  if (code != SQLITE_DONE && code != SQLITE_ROW) fail();
  return true;
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? std::string()
                          : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}
std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
double Statement::real(int column) const {
  return sqlite3_column_double(statement_, column);
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
std::optional<std::string> Statement::optional_text(int column) const {
  return is_null(column) ? std::nullopt : std::optional(text(column));
}
std::optional<std::int64_t> Statement::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional(integer(column));
}

Connection::Connection(const std::filesystem::path& path, Open open) {
  const int flags = SQLITE_OPEN_READWRITE | (open == Open::or_create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string message = database_ ? sqlite3_errmsg(database_) : "out of memory";
    sqlite3_close_v2(database_);
    throw DatabaseError("cannot open " + path.string() + ": " + message);
  }
  sqlite3_extended_result_codes(database_, 0);
  sqlite3_busy_timeout(database_, kBusyMilliseconds);
  try {
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=FULL");
    execute("PRAGMA foreign_keys=ON");
    execute("PRAGMA trusted_schema=OFF");
  } catch (...) {
    sqlite3_close_v2(database_);  // No destructor runs when a constructor throws.
    throw;
  }
}

Connection::~Connection() {
  for (const auto& [sql, statement] : cache_) sqlite3_finalize(statement);
  sqlite3_close_v2(database_);
}

Statement Connection::prepare(const char* sql) {
  auto& statement = cache_[sql];
  if (statement == nullptr &&
      sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    raise(database_, sqlite3_errcode(database_));
  return Statement(statement);
}

void Connection::execute(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) raise(database_, code);
}

std::string Connection::path() const {
  const char* path = sqlite3_db_filename(database_, "main");
  return path != nullptr ? path : "";
}

std::int64_t Connection::last_insert_id() const {
  return sqlite3_last_insert_rowid(database_);
}

void check(Connection& connection) {
  auto q = connection.prepare("PRAGMA quick_check(1)");
  if (const auto found = q.step() ? q.text(0) : "no answer"; found != "ok") throw damaged(connection.path(), found);
}

bool is_damaged(const std::filesystem::path& path) {
  const auto name = known_as(path);
  const MutexLock lock(damaged_mutex);
  return damaged_files().contains(name);
}

bool find_damage(const std::filesystem::path& path) {
  try {
    Connection connection(path, Connection::Open::existing);
    check(connection);
    return false;
  } catch (const DatabaseDamaged&) {
    return true;
  }
}

std::filesystem::path set_aside(const std::filesystem::path& path, Timestamp now) {
  namespace fs = std::filesystem;
  const auto free = [](const std::string& name) {
    return !fs::exists(name) && !fs::exists(name + "-wal") && !fs::exists(name + "-shm");
  };
  const auto wanted = path.string() + ".lost-" + to_basic_iso8601(now);
  auto aside = wanted;
  for (int number = 2; !free(aside); ++number) aside = wanted + "-" + std::to_string(number);
  for (const char* suffix : {"", "-wal", "-shm"})
    if (fs::exists(path.string() + suffix)) fs::rename(path.string() + suffix, aside + suffix);
  const MutexLock lock(damaged_mutex);
  damaged_files().erase(known_as(path));
  return aside;
}

void migrate(Connection& connection, const std::vector<std::pair<int, std::string_view>>& migrations) {
  for (const auto& [number, sql] : migrations) {
    connection.execute("BEGIN IMMEDIATE");
    int version = 0;
    {
      auto statement = connection.prepare("PRAGMA user_version");
      if (statement.step()) version = static_cast<int>(statement.integer(0));
    }
    if (version > migrations.back().first) {
      connection.execute("ROLLBACK");
      throw DatabaseError("the database " + connection.path() +
                          " was written by a newer version of Vedette: start that one, or use a backup made before");
    }
    if (version < number) {
      connection.execute(std::string(sql));
      connection.execute("PRAGMA user_version=" + std::to_string(number));
    }
    connection.execute("COMMIT");
  }
}

std::unique_ptr<Connection> Pool::take() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return std::make_unique<Connection>(path_, Connection::Open::existing);
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(connection));
}

Transaction::Transaction(Pool& pool, Access access) : pool_(pool), connection_(pool.take()) {
  // A write transaction takes its lock at once, because upgrading a read lock later could fail halfway.
  connection_->execute(access == Access::write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  if (is_open_) {
    try {
      connection_->execute("ROLLBACK");
    } catch (const DatabaseError&) {
      return;  // The connection is in doubt, so it is dropped and not handed out again.
    }
  }
  pool_.give_back(std::move(connection_));
}

void Transaction::commit() {
  connection_->execute("COMMIT");
  is_open_ = false;
}

void copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  auto unfinished = to;
  unfinished += ".new";
  std::filesystem::remove(unfinished);
  {
    Connection connection(from, Connection::Open::existing);
    connection.prepare("VACUUM INTO ?").bind(unfinished.string()).execute();
  }
  if (auto ok = sync_path(unfinished); !ok) throw DatabaseError(ok.error().message);
  // The log of an older copy must not be applied to the new one.
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(to.string() + suffix);
  std::filesystem::rename(unfinished, to);
  if (auto ok = sync_path(to.parent_path()); !ok) throw DatabaseError(ok.error().message);
}

}  // namespace vedette::sqlite
