#include "store/sqlite/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <set>

#include "base/files.hpp"
#include "base/mutex.hpp"

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

sql::DatabaseDamaged damaged(const std::string& path, const std::string& reason) {
  {
    auto name = known_as(path);
    const MutexLock lock(damaged_mutex);
    damaged_files().insert(std::move(name));
  }
  return sql::DatabaseDamaged(
      "the database " + path + " is damaged (" + reason +
      "); put it back from a backup, with no -wal and -shm of its name beside it. Without a backup, "
      "start once with --accept-loss, which sets the damaged file aside (see vedette serve --help)");
}

/// Throws the exception for the last operation on the database, which failed.
[[noreturn]] void raise(sqlite3* database, int code) {
  const auto text = std::string("database: ") + sqlite3_errmsg(database);
  const int system = sqlite3_system_errno(database);
  if ((code & 0xff) == SQLITE_FULL || ((code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT)))
    throw sql::DatabaseFull(text);
  if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) {
    const char* path = sqlite3_db_filename(database, "main");
    throw damaged(path != nullptr ? path : "", sqlite3_errmsg(database));
  }
  if ((code & 0xff) == SQLITE_BUSY) throw sql::DatabaseUnavailable(text);
  throw sql::DatabaseError(text);
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

/// A prepared statement.
class Command : public sql::Cursor {
 public:
  Command(sqlite3* database, const char* sql) : database_(database) {
    if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK)
      raise(database, sqlite3_errcode(database));
  }
  ~Command() override { sqlite3_finalize(statement_); }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // A null pointer would bind NULL, but an empty text is something else.
  void bind_text(int place, std::string_view text) override {
    check(sqlite3_bind_text(statement_, place, text.data() ? text.data() : "", static_cast<int>(text.size()),
                            SQLITE_TRANSIENT));
  }
  void bind_blob(int place, std::string_view bytes) override {
    check(sqlite3_bind_blob(statement_, place, bytes.data() ? bytes.data() : "", static_cast<int>(bytes.size()),
                            SQLITE_TRANSIENT));
  }
  void bind_integer(int place, std::int64_t value) override { check(sqlite3_bind_int64(statement_, place, value)); }
  void bind_real(int place, double value) override { check(sqlite3_bind_double(statement_, place, value)); }
  void bind_null(int place, sql::Kind /*unused*/) override { check(sqlite3_bind_null(statement_, place)); }

  bool step() override {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) raise(database_, sqlite3_errcode(database_));
    return false;
  }
  std::int64_t changed() override { return sqlite3_changes64(database_); }
  void send() override {
    while (step()) {
    }
  }

  [[nodiscard]] bool is_null(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  [[nodiscard]] std::string_view bytes(int column) const override {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return bytes == nullptr
               ? std::string_view()
               : std::string_view(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  [[nodiscard]] std::int64_t integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] double real(int column) const override { return sqlite3_column_double(statement_, column); }

  void close() noexcept override {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK) raise(database_, code);
  }
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

Connection::Connection(const std::filesystem::path& path, Open open) : Connection(path, open, system_clock()) {}

Connection::Connection(const std::filesystem::path& path, Open open, const Clock& clock) : clock_(clock) {
  const int flags = SQLITE_OPEN_READWRITE | (open == Open::or_create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string message = database_ ? sqlite3_errmsg(database_) : "out of memory";
    sqlite3_close_v2(database_);
    throw sql::DatabaseError("cannot open " + path.string() + ": " + message);
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
  commands_.clear();
  sqlite3_close_v2(database_);
}

sql::Cursor& Connection::cursor(const char* sql) {
  auto& command = commands_[sql];
  if (command == nullptr) command = std::make_unique<Command>(database_, sql);
  return *command;
}

void Connection::execute(const std::string& script) {
  const int code = sqlite3_exec(database_, script.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) raise(database_, code);
}

void Connection::set_query_only(bool is_query_only) {
  if (is_query_only == is_query_only_) return;
  execute(is_query_only ? "PRAGMA query_only=ON" : "PRAGMA query_only=OFF");
  is_query_only_ = is_query_only;
}

void Connection::begin(sql::Access access) {
  set_query_only(access != sql::Access::write);
  // A write transaction takes its lock at once, because upgrading a read lock later could fail halfway.
  if (access == sql::Access::write)
    prepare("BEGIN IMMEDIATE").execute();
  else
    prepare("BEGIN").execute();
  now_ = clock_.now();
}

void Connection::commit() {
  try {
    prepare("COMMIT").execute();
  } catch (const sql::DatabaseError&) {
    if (!is_usable()) roll_back();
    throw;
  }
}

void Connection::roll_back() {
  // SQLite has rolled back by itself after some errors.
  if (!is_usable()) prepare("ROLLBACK").execute();
}

bool Connection::is_usable() const {
  return sqlite3_get_autocommit(database_) != 0;
}

std::string Connection::path() const {
  const char* path = sqlite3_db_filename(database_, "main");
  return path != nullptr ? path : "";
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
  } catch (const sql::DatabaseDamaged&) {
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
      throw sql::DatabaseError(
          "the database " + connection.path() +
          " was written by a newer version of Vedette: start that one, or use a backup made before");
    }
    if (version < number) {
      connection.execute(std::string(sql));
      connection.execute("PRAGMA user_version=" + std::to_string(number));
    }
    connection.execute("COMMIT");
  }
}

Pool::Pool(const std::filesystem::path& path) : Pool(path, system_clock()) {}

Pool::Pool(const std::filesystem::path& path, const Clock& clock)
    : sql::Pool([path, &clock] { return std::make_unique<Connection>(path, Connection::Open::existing, clock); }),
      path_(path) {}

void copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  auto unfinished = to;
  unfinished += ".new";
  std::filesystem::remove(unfinished);
  {
    Connection connection(from, Connection::Open::existing);
    connection.prepare("VACUUM INTO ?").bind(unfinished.string()).execute();
  }
  if (auto ok = sync_path(unfinished); !ok) throw sql::DatabaseError(ok.error().message);
  // The log of an older copy must not be applied to the new one.
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(to.string() + suffix);
  std::filesystem::rename(unfinished, to);
  if (auto ok = sync_path(to.parent_path()); !ok) throw sql::DatabaseError(ok.error().message);
}

}  // namespace vedette::sqlite
