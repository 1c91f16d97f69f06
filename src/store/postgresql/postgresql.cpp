#include "store/postgresql/postgresql.hpp"

#include <bit>
#include <charconv>
#include <cstring>
#include <deque>
#include <map>
#include <thread>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "store/postgresql/session.hpp"
#include "store/postgresql/values.hpp"

namespace vedette::postgresql {
namespace {

// So many statements may be on their way before their outcomes are looked at.
constexpr std::size_t kMostAwaited = 512;
constexpr std::chrono::milliseconds kFirstPause{20}, kLongestPause{500};

std::int64_t random_number() {
  std::int64_t number = 0;
  std::memcpy(&number, random_bytes(sizeof number).data(), sizeof number);
  return number;
}

/// Waits before the next try, longer after each, and by chance, so that many do not come back at the same time. Returns
/// false if there would be no time left after that.
class Pauses {
 public:
  explicit Pauses(Deadline deadline) : deadline_(deadline) {}
  bool wait() {
    const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(pause_ * random_.uniform(0.5, 1));
    if (std::chrono::steady_clock::now() + pause >= deadline_) return false;
    std::this_thread::sleep_for(pause);
    pause_ = std::min(pause_ * 2, kLongestPause);
    return true;
  }

 private:
  const Deadline deadline_;
  std::chrono::milliseconds pause_ = kFirstPause;
  Random random_{static_cast<std::uint64_t>(random_number())};
};

class Link;

/// A statement and its parameters.
class Command : public sql::Cursor {
 public:
  Command(Link& link, std::string_view sql) : link_(link), sql_(with_numbered_places(sql)) {}

  void bind_text(int place, std::string_view text) override { bind(place, kText, std::string(text)); }
  void bind_blob(int place, std::string_view bytes) override { bind(place, kBytes, std::string(bytes)); }
  void bind_integer(int place, std::int64_t value) override { bind(place, kInteger, encoded(value)); }
  void bind_real(int place, double value) override { bind(place, kReal, encoded(std::bit_cast<std::int64_t>(value))); }
  void bind_null(int place, sql::Kind kind) override {
    bind(place,
         kind == sql::Kind::text      ? kText
         : kind == sql::Kind::integer ? kInteger
         : kind == sql::Kind::real    ? kReal
                                      : 0,
         std::nullopt);
  }

  bool step() override;
  std::int64_t changed() override;
  void send() override;
  [[nodiscard]] bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  [[nodiscard]] std::string_view bytes(int column) const override { return decoded_bytes(*result_, row_, column); }
  [[nodiscard]] std::int64_t integer(int column) const override { return decoded_integer(*result_, row_, column); }
  [[nodiscard]] double real(int column) const override { return decoded_real(*result_, row_, column); }
  void close() noexcept override {
    types_.clear();
    values_.clear();
    result_.reset();
    row_ = -1;
  }

 private:
  friend class Link;
  /// The name under which a session has prepared the statement for these types.
  struct Prepared {
    std::string name;
    std::uint64_t session = 0;
  };
  void bind(int place, Oid type, std::optional<std::string> value) {
    if (const auto needed = static_cast<std::size_t>(place); values_.size() < needed) {
      values_.resize(needed);
      types_.resize(needed);
    }
    values_[static_cast<std::size_t>(place) - 1] = std::move(value);
    types_[static_cast<std::size_t>(place) - 1] = type;
  }

  Link& link_;
  const std::string sql_;
  std::vector<Oid> types_;
  std::vector<std::optional<std::string>> values_;
  std::map<std::vector<Oid>, Prepared> prepared_;
  ResultPointer result_;
  int row_ = -1;
};

/// A connection in the sense of sql::Connection: it outlives the sessions with the server that it works through.
class Link : public sql::Connection {
 public:
  Link(std::shared_ptr<const Address> address, const Options& options, std::shared_ptr<CommitSlots> slots)
      : address_(std::move(address)), options_(options), slots_(std::move(slots)), slot_(slots_->take()) {}
  ~Link() override { slots_->give_back(slot_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] sql::Dialect dialect() const override { return sql::Dialect::postgresql; }
  void execute(const std::string& script) override;
  void begin(sql::Access access) override;
  void commit() override;
  void roll_back() override;
  Timestamp now() override;
  [[nodiscard]] bool is_usable() const override { return state_ == State::none; }

  /// Runs a statement and gives it its result.
  void run(Command& command);
  /// Runs a statement whose result nobody wants, if possible without waiting for it.
  void send(Command& command);

 protected:
  sql::Cursor& cursor(const char* sql) override {
    auto& command = commands_[sql];
    if (command == nullptr) command = std::make_unique<Command>(*this, sql);
    return *command;
  }

 private:
  /// `wanted`: there is a transaction, but the server does not know of it yet. `lost`: it went with its session.
  enum class State { none, wanted, begun, lost };
  enum class Awaited { nothing, prepared, outcome, end };
  struct Expected {
    Awaited what;
    Command* command;  ///< which gets the result; null: nobody wants it
  };

  [[nodiscard]] Deadline deadline() const { return std::chrono::steady_clock::now() + options_.deadline; }
  void connect(Deadline deadline);
  void drop();
  /// Hands a statement to libpq. The result goes to the command if `wants_result`.
  void enqueue(Command& command, bool wants_result = false);
  void enqueue_begin();
  void enqueue_end();
  /// Sends what is enqueued and reads all results. Throws the first error among them.
  void collect(Deadline deadline);
  /// Does `work` in a session. If the session is lost before the server has done anything in this transaction, it is
  /// done again in a new one, until the deadline.
  template <typename Work>
  void in_session(Work work);
  void end_without_waiting(Command& end);
  /// Finds out whether the transaction that went with its session was committed.
  bool was_committed(std::int64_t number);

  const std::shared_ptr<const Address> address_;
  const Options options_;
  const std::shared_ptr<CommitSlots> slots_;
  CommitSlots::Slot slot_;

  std::unique_ptr<Session> session_;
  std::uint64_t session_number_ = 0;
  std::size_t server_ = 0;  ///< which of the servers was the right one last time
  std::uint64_t prepared_ = 0;
  std::deque<Expected> expected_;
  std::vector<Command::Prepared*> preparing_;

  State state_ = State::none;
  sql::Access access_ = sql::Access::read;
  bool has_written_ = false;
  std::optional<Timestamp> now_;

  std::map<const char*, std::unique_ptr<Command>> commands_;
  Command begin_read_{*this, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
  Command begin_write_{*this, options_.purpose == Purpose::work ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
                                                                : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"};
  Command begin_lookup_{*this, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"};
  Command settings_{*this, "SELECT " + settings_expression(*address_, options_, true)};
  Command commit_{*this, "COMMIT"}, roll_back_{*this, "ROLLBACK"};
  Command now_command_{*this, "SELECT CAST(floor(EXTRACT(EPOCH FROM now()) * 1000) AS BIGINT)"};
  // A COMMIT that waits for a standby must not be cut off by the time limit, because the server would then call it a
  // success.
  Command mark_{
      *this,
      "INSERT INTO commits (slot, number, changed) VALUES (?, ?, CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)) ON "
      "CONFLICT (slot) DO UPDATE SET number = excluded.number, changed = excluded.changed RETURNING "
      "set_config('statement_timeout', '0', true)"};
  Command refuse_{*this,
                  "INSERT INTO commits AS c (slot, number, changed) VALUES (?1, ?2 + 1, CAST(EXTRACT(EPOCH FROM now()) "
                  "AS BIGINT)) ON CONFLICT (slot) DO UPDATE SET number = excluded.number WHERE c.number < ?2"};
  Command look_up_{*this, "SELECT number FROM commits WHERE slot = ?"};
};

bool Command::step() {
  if (!result_) link_.run(*this);
  if (row_ + 1 >= PQntuples(result_.get())) return false;
  ++row_;
  return true;
}
std::int64_t Command::changed() {
  if (!result_) return 0;
  const std::string_view count = PQcmdTuples(result_.get());
  std::int64_t value = 0;
  std::from_chars(count.data(), count.data() + count.size(), value);
  return value;
}
void Command::send() {
  link_.send(*this);
}

void Link::connect(Deadline until) {
  if (session_) return;
  Pauses pauses(until);
  for (;;) {
    std::string reason;
    for (std::size_t i = 0; i < address_->servers.size(); ++i) {
      const auto server = (server_ + i) % address_->servers.size();
      try {
        session_ = std::make_unique<Session>(
            *address_, server, options_, std::min(until, std::chrono::steady_clock::now() + options_.connect_deadline));
        server_ = server;
        ++session_number_;
        return;
      } catch (const LostConnection& e) {
        reason += (reason.empty() ? "" : "; ") + std::string(e.what());
      }
    }
    if (!pauses.wait()) throw sql::DatabaseUnavailable("cannot reach " + address_->shown + ": " + reason);
  }
}

void Link::drop() {
  session_.reset();
  expected_.clear();
  preparing_.clear();
}

void Link::enqueue(Command& command, bool wants_result) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(command.values_.size(), 1);
  for (const auto& value : command.values_) {
    values.push_back(value ? value->data() : nullptr);
    lengths.push_back(value ? static_cast<int>(value->size()) : 0);
  }
  const int count = static_cast<int>(values.size());
  auto* connection = session_->get();
  bool is_sent = true;
  if (session_->is_pooled()) {
    is_sent = PQsendQueryParams(connection, command.sql_.c_str(), count, command.types_.data(), values.data(),
                                lengths.data(), formats.data(), 1) == 1;
  } else {
    auto& prepared = command.prepared_[command.types_];
    if (prepared.session != session_number_) {
      prepared.name = "s" + std::to_string(++prepared_);
      prepared.session = session_number_;
      is_sent =
          PQsendPrepare(connection, prepared.name.c_str(), command.sql_.c_str(), count, command.types_.data()) == 1;
      preparing_.push_back(&prepared);
      expected_.push_back({Awaited::prepared, nullptr});
    }
    is_sent = is_sent && PQsendQueryPrepared(connection, prepared.name.c_str(), count, values.data(), lengths.data(),
                                             formats.data(), 1) == 1;
  }
  if (!is_sent) throw LostConnection("the connection was lost");
  expected_.push_back({wants_result ? Awaited::outcome : Awaited::nothing, &command});
}

void Link::enqueue_begin() {
  enqueue(access_ == sql::Access::write ? begin_write_ : begin_read_);
  if (session_->is_pooled()) enqueue(settings_);
}

void Link::enqueue_end() {
  if (PQpipelineSync(session_->get()) != 1) throw LostConnection("the connection was lost");
  expected_.push_back({Awaited::end, nullptr});
}

void Link::collect(Deadline until) {
  ResultPointer failed;
  while (!expected_.empty()) {
    const auto expected = expected_.front();
    auto result = session_->next(until);
    if (!result) throw LostConnection("the connection was lost");
    const auto status = PQresultStatus(result.get());
    if (PQstatus(session_->get()) == CONNECTION_BAD) {
      // The server's last word says why; without one, the connection simply ended.
      raise(failed ? *failed : *result, access_);
    }
    expected_.pop_front();
    if (expected.what == Awaited::end) {
      if (status != PGRES_PIPELINE_SYNC) throw LostConnection("the connection is out of step");
      continue;
    }
    if (status == PGRES_FATAL_ERROR && !failed) {
      failed = std::move(result);
    } else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      // A statement that changed nothing leaves nothing that could be lost.
      if (*PQcmdTuples(result.get()) != '\0' && std::strcmp(PQcmdTuples(result.get()), "0") != 0 &&
          std::strncmp(PQcmdStatus(result.get()), "SELECT", 6) != 0)
        has_written_ = true;
      if (expected.what == Awaited::outcome) expected.command->result_ = std::move(result);
    }
    if (session_->next(until)) throw LostConnection("the connection is out of step");
  }
  if (failed) {
    // Whether these were prepared is not known, so they get new names.
    for (auto* prepared : preparing_) prepared->session = 0;
    preparing_.clear();
    raise(*failed, access_);
  }
  preparing_.clear();
}

template <typename Work>
void Link::in_session(Work work) {
  const auto until = deadline();
  Pauses pauses(until);
  if (state_ == State::lost) throw sql::DatabaseUnavailable("the transaction went with its connection");
  for (;;) {
    const bool is_first = state_ != State::begun;
    std::string reason;
    try {
      connect(until);
      if (is_first) {
        try {
          collect(until);  // what nobody waited for at the end of the transaction before
        } catch (const sql::DatabaseUnavailable&) {
          throw;
        } catch (const sql::DatabaseError&) {  // NOLINT(bugprone-empty-catch): that transaction was over anyway
        }
      }
      work(until);
      if (state_ == State::wanted) state_ = State::begun;
      return;
    } catch (const LostConnection& e) {
      drop();
      if (!is_first || !pauses.wait()) {
        if (state_ != State::none) state_ = State::lost;
        throw;
      }
    } catch (const sql::DatabaseUnavailable&) {
      // The deadline has passed, or the server's own limit has: nobody knows what it still does.
      drop();
      if (state_ != State::none) state_ = State::lost;
      throw;
    } catch (const sql::DatabaseError&) {
      if (state_ == State::wanted) state_ = State::begun;
      throw;
    }
  }
}

void Link::run(Command& command) {
  in_session([&](Deadline until) {
    // Through a pooler the settings last for one transaction, so even a single statement needs one.
    const bool is_wrapped = state_ == State::none && session_->is_pooled();
    if (is_wrapped && access_ != sql::Access::look)
      throw sql::DatabaseError("database: statements outside of transactions are not possible through a pooler");
    if (state_ == State::wanted || is_wrapped) enqueue_begin();
    enqueue(command, true);
    enqueue_end();
    if (is_wrapped) {
      // After an error the server skips what follows up to the next end, and this must not be skipped.
      enqueue(commit_);
      enqueue_end();
    }
    collect(until);
  });
}

void Link::send(Command& command) {
  if (state_ != State::begun || expected_.size() >= kMostAwaited) return run(command);
  in_session([&](Deadline /*unused*/) {
    enqueue(command);
    has_written_ = true;
  });
}

void Link::execute(const std::string& script) {
  in_session([&](Deadline until) {
    if (state_ == State::wanted) {
      enqueue_begin();
      enqueue_end();
    } else if (!expected_.empty()) {
      enqueue_end();
    }
    collect(until);
    has_written_ = true;
    session_->run_script(script, access_, until);
  });
}

void Link::begin(sql::Access access) {
  access_ = access;
  state_ = access == sql::Access::look ? State::none : State::wanted;
  has_written_ = false;
  now_.reset();
}

Timestamp Link::now() {
  if (!now_) {
    now_command_.close();
    run(now_command_);
    now_command_.row_ = 0;
    now_ = Timestamp{std::chrono::milliseconds{now_command_.integer(0)}};
  }
  return *now_;
}

void Link::end_without_waiting(Command& end) {
  const bool is_begun = state_ == State::begun;
  state_ = State::none;
  if (!is_begun || !session_) return;
  try {
    if (!expected_.empty()) enqueue_end();  // An error among these must not keep the server from ending it.
    enqueue(end);
    enqueue_end();
    session_->begin_flush();
  } catch (const LostConnection&) {
    drop();
  }
}

void Link::roll_back() {
  end_without_waiting(roll_back_);
}

void Link::commit() {
  if (state_ == State::lost) {
    state_ = State::none;
    throw sql::DatabaseUnavailable("the transaction went with its connection");
  }
  if (access_ != sql::Access::write) return end_without_waiting(commit_);
  if (state_ != State::begun) {
    state_ = State::none;
    return;
  }
  const auto number = slot_.number + 2;
  // A transaction that wrote nothing needs no entry, and does not wait for the disk.
  const bool is_marked = has_written_ && options_.purpose == Purpose::work;
  try {
    if (is_marked) {
      mark_.close();
      mark_.bind_integer(1, slot_.id);
      mark_.bind_integer(2, number);
      enqueue(mark_);
    }
    commit_.close();
    enqueue(commit_, true);
    enqueue_end();
    collect(deadline());
    state_ = State::none;
    slot_.number = number;
    if (std::strcmp(PQcmdStatus(commit_.result_.get()), "COMMIT") != 0)
      throw sql::DatabaseError("database: the transaction had failed before it was committed");
  } catch (const sql::DatabaseUnavailable& e) {
    drop();
    state_ = State::none;
    if (!is_marked) throw;
    if (!was_committed(number)) throw sql::DatabaseUnavailable(e.what());
  } catch (const sql::DatabaseError&) {
    slot_.number = number;
    if (session_ && PQtransactionStatus(session_->get()) != PQTRANS_IDLE)
      end_without_waiting(roll_back_);
    else
      state_ = State::none;
    throw;
  }
}

/// Asks for the entry of the transaction in `commits`, and writes there that it is refused if it is not there. If the
/// transaction is still under way, this waits for its end; if it has not come so far yet, it will fail, since its state
/// of the database is older than the refusal.
bool Link::was_committed(std::int64_t number) {
  const auto until = deadline();
  slot_.number = number + 2;
  Pauses pauses(until);
  do {
    try {
      connect(until);
      refuse_.close();
      refuse_.bind_integer(1, slot_.id);
      refuse_.bind_integer(2, number);
      look_up_.close();
      look_up_.bind_integer(1, slot_.id);
      enqueue(begin_lookup_);
      if (session_->is_pooled()) enqueue(settings_);
      enqueue(refuse_);
      enqueue(look_up_, true);
      enqueue(commit_);
      enqueue_end();
      collect(until);
      look_up_.row_ = 0;
      return look_up_.integer(0) == number;
    } catch (const sql::DatabaseError&) {
      drop();
    }
  } while (pauses.wait());
  throw sql::CommitInDoubt(
      "the connection to the database was lost while a change was committed, and it cannot be found out whether it "
      "was");
}

}  // namespace

CommitSlots::Slot CommitSlots::take() {
  const MutexLock lock(mutex_);
  if (free_.empty()) return {random_number(), 0};
  const auto slot = free_.back();
  free_.pop_back();
  return slot;
}
void CommitSlots::give_back(Slot slot) {
  const MutexLock lock(mutex_);
  free_.push_back(slot);
}

std::unique_ptr<sql::Connection> connect(std::shared_ptr<const Address> address, const Options& options,
                                         std::shared_ptr<CommitSlots> slots) {
  return std::make_unique<Link>(std::move(address), options, std::move(slots));
}

}  // namespace vedette::postgresql
