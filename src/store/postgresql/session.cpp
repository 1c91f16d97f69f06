#include "store/postgresql/session.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace vedette::postgresql {
namespace {

constexpr int kOldestServer = 150'000;

/// libpq's messages end with a line break and may have several lines; the first says what happened.
std::string first_line(const char* message) {
  std::string text = message == nullptr ? "" : message;
  text.erase(std::min(text.find('\n'), text.size()));
  return text.empty() ? "the connection was lost" : text;
}

void ignore_notice(void* /*unused*/, const PGresult* /*unused*/) {}

std::string quoted(const std::string& text) {
  return "'" + text + "'";  // for names and numbers only, which hold no quotation mark
}

}  // namespace

void raise(const PGresult& result, sql::Access access) {
  const auto field = [&](int code) {
    const char* value = PQresultErrorField(&result, code);
    return std::string(value == nullptr ? "" : value);
  };
  const auto state = field(PG_DIAG_SQLSTATE), severity = field(PG_DIAG_SEVERITY_NONLOCALIZED);
  const auto text = "database: " + (state.empty() ? first_line(PQresultErrorMessage(&result))
                                                  : field(PG_DIAG_MESSAGE_PRIMARY) + " (" + state + ")");
  // A server that became a standby refuses to write; the address may name the one that took over. What was prepared may
  // be gone or outdated when the schema has changed.
  const bool is_demoted = state == "25006" && access == sql::Access::write;
  if (severity == "FATAL" || severity == "PANIC" || state.empty() || state.starts_with("08") ||
      state.starts_with("57P0") || is_demoted || state == "0A000" || state == "26000")
    throw LostConnection(text);
  if (state == "40001" || state == "40P01") throw sql::SerializationConflict(text);
  if (state == "53100") throw sql::DatabaseFull(text);
  if (state.starts_with("53") || state == "57014" || state == "55P03") throw sql::DatabaseUnavailable(text);
  if (state == "XX001" || state == "XX002") throw sql::DatabaseDamaged(text);
  throw sql::DatabaseError(text);
}

std::string settings_expression(const Address& address, const Options& options, bool is_local) {
  const auto milliseconds = std::to_string(options.deadline.count());
  const auto set = [&](const char* name, const std::string& value) {
    return std::string("set_config('") + name + "', " + quoted(value) + (is_local ? ", true)" : ", false)");
  };
  auto text = set("search_path", address.schema + ", pg_temp");
  if (options.purpose == Purpose::migration) return text + " || " + set("lock_timeout", "2000");
  // A statement without a transaction may only read; transactions that write say so. Through a pooler there are none.
  if (!is_local) text += " || " + set("default_transaction_read_only", "on");
  // A process that is frozen in the middle of a transaction must not keep others out. And SERIALIZABLE locks every table
  // that is read from end to end, which is how PostgreSQL likes to read small ones.
  return text + " || " + set("statement_timeout", milliseconds) + " || " +
         set("idle_in_transaction_session_timeout", milliseconds) + " || " + set("enable_seqscan", "off");
}

Session::Session(const Address& address, std::size_t server, const Options& options, Deadline deadline) {
  std::vector<const char*> names, values;
  for (const auto& [name, value] : address.servers[server]) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_ = PQconnectStartParams(names.data(), values.data(), 0);
  if (connection_ == nullptr) throw std::bad_alloc();
  PQsetNoticeReceiver(connection_, ignore_notice, nullptr);
  try {
    connect(deadline);
    set_up(address, options, deadline);
  } catch (const LostConnection&) {
    PQfinish(connection_);  // No destructor runs when a constructor throws.
    throw;
  } catch (const sql::DatabaseError& e) {
    PQfinish(connection_);
    throw LostConnection(e.what());
  }
}

Session::~Session() {
  PQfinish(connection_);
}

void Session::wait(short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) throw sql::DatabaseUnavailable("the database did not answer in time");
    pollfd waiting{PQsocket(connection_), events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 1 << 30)));
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) throw LostConnection(std::string("poll: ") + std::strerror(errno));
  }
}

void Session::connect(Deadline deadline) {
  auto state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (PQstatus(connection_) == CONNECTION_BAD || state == PGRES_POLLING_FAILED)
      throw LostConnection(first_line(PQerrorMessage(connection_)));
    wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    state = PQconnectPoll(connection_);
  }
  if (PQsetnonblocking(connection_, 1) != 0) throw LostConnection(first_line(PQerrorMessage(connection_)));
}

void Session::set_up(const Address& address, const Options& options, Deadline deadline) {
  if (PQserverVersion(connection_) < kOldestServer)
    throw LostConnection("PostgreSQL 15 or newer is needed, but the server is older");
  const char* encoding = PQparameterStatus(connection_, "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8")
    throw LostConnection("the database must have the encoding UTF8 (CREATE DATABASE … ENCODING 'UTF8')");
  // A pooler gives its clients process numbers of its own.
  const auto query = "SELECT CASE WHEN pg_backend_pid() = " + std::to_string(PQbackendPID(connection_)) + " THEN " +
                     settings_expression(address, options, false) + " END";
  if (PQsendQuery(connection_, query.c_str()) == 0) throw LostConnection(first_line(PQerrorMessage(connection_)));
  while (const auto result = next(deadline)) {
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) raise(*result, sql::Access::read);
    is_pooled_ = PQgetisnull(result.get(), 0, 0) != 0;
  }
  if (PQenterPipelineMode(connection_) != 1) throw LostConnection(first_line(PQerrorMessage(connection_)));
}

void Session::begin_flush() {
  if (PQflush(connection_) < 0) throw LostConnection(first_line(PQerrorMessage(connection_)));
}

ResultPointer Session::next(Deadline deadline) {
  // The server may be waiting until we read, while we wait until it reads: both directions are served.
  for (bool is_first = true;; is_first = false) {
    const int unsent = PQflush(connection_);
    if (unsent < 0) throw LostConnection(first_line(PQerrorMessage(connection_)));
    if (unsent == 0 && PQisBusy(connection_) == 0) break;
    if (!is_first) wait(static_cast<short>(unsent == 0 ? POLLIN : POLLIN | POLLOUT), deadline);
    if (PQconsumeInput(connection_) == 0) throw LostConnection(first_line(PQerrorMessage(connection_)));
  }
  return ResultPointer(PQgetResult(connection_));
}

void Session::run_script(const std::string& script, sql::Access access, Deadline deadline) {
  if (PQexitPipelineMode(connection_) != 1 || PQsendQuery(connection_, script.c_str()) == 0)
    throw LostConnection(first_line(PQerrorMessage(connection_)));
  ResultPointer failed;
  while (auto result = next(deadline))
    if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !failed) failed = std::move(result);
  if (PQstatus(connection_) == CONNECTION_BAD) throw LostConnection(first_line(PQerrorMessage(connection_)));
  if (PQenterPipelineMode(connection_) != 1) throw LostConnection(first_line(PQerrorMessage(connection_)));
  if (failed) raise(*failed, access);
}

}  // namespace vedette::postgresql
