// The tests that need a server take it from the environment, where tests/postgresql.py puts it. They do not exist
// without one.
#include "store/postgresql/postgresql.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <thread>

#include "store/postgresql/values.hpp"

namespace vedette::postgresql {
namespace {

using sql::Access;

TEST(PostgresqlAddress, EachServerHasItsOwnParameters) {
  const auto address = parse_address("postgresql://ann:se%40cret@db1:1,db2:2/metadata?sslmode=require&schema=line7");
  EXPECT_EQ(address.schema, "line7");
  EXPECT_EQ(address.shown, "postgresql://db1:1,db2:2/metadata");
  ASSERT_EQ(address.servers.size(), 2U);
  const std::map<std::string, std::string> second(address.servers[1].begin(), address.servers[1].end());
  EXPECT_EQ(second.at("host"), "db2");
  EXPECT_EQ(second.at("port"), "2");
  EXPECT_EQ(second.at("password"), "se@cret");
  EXPECT_EQ(second.at("sslmode"), "require");
  EXPECT_EQ(second.at("target_session_attrs"), "read-write");
  EXPECT_EQ(second.count("schema"), 0U);
}

TEST(PostgresqlAddress, AnAddressThatIsNotUnderstoodIsNotRepeated) {
  for (const char* url : {"postgresql://ann:hidden@db/x?no_such_parameter=1", "host=db password=hidden",
                          "mysql://ann:hidden@db/x", "postgresql://ann:a@hidden@db/x", "postgresql://ann:hidden/b@db/x",
                          "postgresql://ann:hidden@db/x?schema=a\"b", "postgresql://ann:hidden@db/x?schema=pg_x"}) {
    try {
      parse_address(url);
      ADD_FAILURE() << url;
    } catch (const sql::DatabaseError& e) {
      EXPECT_EQ(std::string(e.what()).find("hidden"), std::string::npos) << e.what();
    }
  }
}

TEST(PostgresqlValues, PlacesAreNumberedButForThoseInQuotationMarks) {
  EXPECT_EQ(with_numbered_places("SELECT '?' || ?, \"a?\" WHERE x = ?"), "SELECT '?' || $1, \"a?\" WHERE x = $2");
  EXPECT_EQ(with_numbered_places("SELECT ?2, ?1, ?2"), "SELECT $2, $1, $2");
}

struct Server {
  const char* name;
  const char* variable;
};

std::vector<Server> servers() {
  std::vector<Server> found;
  for (const Server& server : {Server{"Direct", "VEDETTE_TEST_POSTGRESQL"},
                               {"Tcp", "VEDETTE_TEST_POSTGRESQL_TCP"},
                               {"PgBouncer", "VEDETTE_TEST_PGBOUNCER"}})
    if (std::getenv(server.variable) != nullptr) found.push_back(server);
  return found;
}

/// Each test has a schema of its own with a table `counters` and the driver's table.
class Postgresql : public testing::TestWithParam<Server> {
 protected:
  void SetUp() override {
    Options options;
    options.purpose = Purpose::migration;  // which may write without a transaction
    admin_ = connect(address_of("VEDETTE_TEST_POSTGRESQL"), options, std::make_shared<CommitSlots>());
    admin_->execute(
        "DROP SCHEMA IF EXISTS driver CASCADE; CREATE SCHEMA driver; CREATE TABLE driver.counters (key "
        "TEXT COLLATE \"C\" PRIMARY KEY, value BIGINT NOT NULL); CREATE TABLE driver.commits (slot BIGINT "
        "PRIMARY KEY, number BIGINT NOT NULL, changed BIGINT NOT NULL); CREATE TABLE driver.anything (a "
        "BYTEA, b DOUBLE PRECISION, c BIGINT, d TEXT)");
    connection_ = make();
  }
  static std::shared_ptr<const Address> address_of(const char* variable) {
    std::string url = std::getenv(variable);
    url += url.find('?') == std::string::npos ? "?schema=driver" : "&schema=driver";
    return std::make_shared<const Address>(parse_address(url));
  }
  [[nodiscard]] std::unique_ptr<sql::Connection> make(const Options& options = {}) const {
    return connect(address_of(GetParam().variable), options, slots_);
  }
  static std::int64_t number(sql::Connection& connection, const char* statement) {
    auto q = connection.prepare(statement);
    return q.step() ? q.integer(0) : -1;
  }
  /// Reads a number in a view of its own.
  std::int64_t read(const char* statement) {
    admin_->begin(Access::read);
    const auto value = number(*admin_, statement);
    admin_->commit();
    return value;
  }
  /// Ends the server's process for the connection, which has begun a transaction, and waits until it is gone.
  void kill(std::int64_t process) {
    admin_->execute("SELECT pg_terminate_backend(" + std::to_string(process) + ", 10000)");
  }
  static void add(sql::Connection& connection, const std::string& key) {
    connection
        .prepare(
            "INSERT INTO counters (key, value) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = counters.value + "
            "1")
        .bind(key)
        .execute();
  }

  std::shared_ptr<CommitSlots> slots_ = std::make_shared<CommitSlots>();
  std::unique_ptr<sql::Connection> admin_, connection_;
};

TEST_P(Postgresql, ValuesComeBackExactly) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const double values[] = {0.1, -0.0, 1e308, std::numeric_limits<double>::denorm_min(), 1.0 / 3};
  connection_->begin(Access::write);
  std::int64_t row = std::numeric_limits<std::int64_t>::min();
  for (const double value : values)
    connection_->prepare("INSERT INTO anything (a, b, c, d) VALUES (?, ?, ?, ?)")
        .bind_blob(bytes)
        .bind(value)
        .bind(row++)
        .bind("über")
        .send();
  connection_->prepare("INSERT INTO anything (a, b, c, d) VALUES (?, ?, ?, ?)")
      .bind_null()
      .bind(std::optional<double>())
      .bind(std::numeric_limits<std::int64_t>::max())
      .bind(std::optional<std::string>())
      .execute();
  connection_->commit();
  connection_->begin(Access::read);
  {
    auto q = connection_->prepare("SELECT a, b, c, d FROM anything ORDER BY c");
    row = std::numeric_limits<std::int64_t>::min();
    for (const double value : values) {
      ASSERT_TRUE(q.step());
      EXPECT_EQ(q.text(0), bytes);
      EXPECT_EQ(std::signbit(q.real(1)), std::signbit(value));
      EXPECT_EQ(q.real(1), value);
      EXPECT_EQ(q.integer(2), row++);
      EXPECT_EQ(q.text(3), "über");
    }
    ASSERT_TRUE(q.step());
    EXPECT_TRUE(q.is_null(0) && q.is_null(1) && q.is_null(3));
    EXPECT_EQ(q.integer(2), std::numeric_limits<std::int64_t>::max());
    EXPECT_FALSE(q.step());
  }
  EXPECT_EQ(number(*connection_, "SELECT SUM(length(d)) FROM anything"), 20);
  EXPECT_THROW((void)number(*connection_, "SELECT d FROM anything"), sql::DatabaseError);
  connection_->commit();
}

TEST_P(Postgresql, AViewSeesOneStateAndCannotWrite) {
  connection_->begin(Access::read);
  EXPECT_EQ(number(*connection_, "SELECT COUNT(*) FROM counters"), 0);
  const auto now = connection_->now();
  const auto other = make();
  other->begin(Access::write);
  add(*other, "a");
  EXPECT_GE(other->now(), now);
  other->commit();
  EXPECT_EQ(number(*connection_, "SELECT COUNT(*) FROM counters"), 0);
  EXPECT_EQ(connection_->now(), now);
  EXPECT_THROW(add(*connection_, "b"), sql::DatabaseError);
  connection_->roll_back();
  connection_->begin(Access::read);
  EXPECT_EQ(number(*connection_, "SELECT COUNT(*) FROM counters"), 1);
  connection_->commit();
}

TEST_P(Postgresql, OfTwoTransactionsThatReadWhatTheOtherWritesOneIsUndone) {
  const auto other = make();
  connection_->begin(Access::write);
  other->begin(Access::write);
  EXPECT_EQ(number(*connection_, "SELECT COUNT(*) FROM counters"), 0);
  EXPECT_EQ(number(*other, "SELECT COUNT(*) FROM counters"), 0);
  add(*connection_, "a");
  EXPECT_THROW(
      {
        add(*other, "b");
        connection_->commit();
        other->commit();
      },
      sql::SerializationConflict);
  other->roll_back();
  EXPECT_EQ(read("SELECT COUNT(*) FROM driver.counters"), 1);
}

TEST_P(Postgresql, AnErrorOfAStatementThatWasOnlySentIsToldByCommit) {
  connection_->begin(Access::write);
  add(*connection_, "a");
  connection_->prepare("INSERT INTO counters (key, value) VALUES (?, 1)").bind("a").send();
  EXPECT_THROW(connection_->commit(), sql::DatabaseError);
  EXPECT_TRUE(connection_->is_usable());
  connection_->begin(Access::write);
  add(*connection_, "b");
  connection_->commit();
  EXPECT_EQ(read("SELECT COUNT(*) FROM driver.counters"), 1);
}

TEST_P(Postgresql, AConnectionThatEndedBeforeATransactionIsReplaced) {
  connection_->begin(Access::read);
  const auto process = number(*connection_, "SELECT pg_backend_pid()");
  connection_->commit();
  kill(process);
  connection_->begin(Access::write);
  add(*connection_, "a");
  connection_->commit();
  EXPECT_EQ(read("SELECT value FROM driver.counters"), 1);
}

TEST_P(Postgresql, AConnectionThatEndsWithinATransactionUndoesIt) {
  for (const bool is_before_commit : {false, true}) {
    connection_->begin(Access::write);
    add(*connection_, "a");
    kill(number(*connection_, "SELECT pg_backend_pid()"));
    if (is_before_commit)
      EXPECT_THROW(connection_->commit(), sql::DatabaseUnavailable);
    else
      EXPECT_THROW(add(*connection_, "a"), sql::DatabaseUnavailable);
    connection_->roll_back();
  }
  EXPECT_EQ(read("SELECT COUNT(*) FROM driver.counters"), 0);
  connection_->begin(Access::write);
  add(*connection_, "a");
  connection_->commit();
  EXPECT_EQ(read("SELECT value FROM driver.counters"), 1);
}

TEST_P(Postgresql, ALockThatAnotherHoldsDoesNotHoldUpACallForLongerThanItsDeadline) {
  const auto other = make();
  other->begin(Access::write);
  add(*other, "a");
  Options options;
  options.deadline = std::chrono::milliseconds(300);
  const auto hasty = make(options);
  hasty->begin(Access::write);
  EXPECT_THROW(add(*hasty, "a"), sql::DatabaseUnavailable);
  hasty->roll_back();
  EXPECT_TRUE(hasty->is_usable());
  other->commit();
  EXPECT_EQ(read("SELECT value FROM driver.counters"), 1);
}

/// A transaction is run again until it is known to be committed, as MetadataStore::write does it.
void add_surely(sql::Connection& connection, const std::string& key) {
  for (;;) {
    try {
      connection.begin(Access::write);
      connection
          .prepare(
              "INSERT INTO counters (key, value) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET value = counters.value "
              "+ 1")
          .bind(key)
          .execute();
      connection.commit();
      return;
    } catch (const sql::DatabaseUnavailable&) {
      connection.roll_back();
    } catch (const sql::SerializationConflict&) {
      connection.roll_back();
    }
  }
}

// Connections are ended at any moment, also while the server commits, but every transaction takes place once.
TEST_P(Postgresql, NoTransactionIsLostOrDoneTwiceWhenConnectionsEnd) {
  constexpr int kWorkers = 4, kEach = 250, kAll = kWorkers * kEach;
  std::atomic<int> done = 0;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([&, worker] {
      const auto connection = make();
      for (int i = 0; i < kEach; ++i, ++done) add_surely(*connection, std::to_string(worker) + "/" + std::to_string(i));
    });
  int kills = 0;
  for (int before = 0; before < kAll - 10; ++kills) {
    admin_->execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = "
        "'vedette' ORDER BY random() LIMIT 1");
    while (done < std::min(before + 10, kAll)) std::this_thread::yield();
    before = done;
  }
  for (auto& worker : workers) worker.join();
  EXPECT_GT(kills, 10);
  EXPECT_EQ(read("SELECT COUNT(*) FROM driver.counters"), kAll);
  EXPECT_EQ(read("SELECT SUM(value) FROM driver.counters"), kAll);
}

TEST_P(Postgresql, NoTransactionIsLostOrDoneTwiceWhenTheServerIsStartedAgain) {
  const char* restart = std::getenv("VEDETTE_TEST_POSTGRESQL_RESTART");
  ASSERT_NE(restart, nullptr);
  constexpr int kWorkers = 2, kEach = 500;
  Options patient;
  patient.deadline = std::chrono::minutes(2);  // The server may take its time, and nothing may stay in doubt.
  std::atomic<int> done = 0;
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([&, worker] {
      const auto connection = make(patient);
      for (int i = 0; i < kEach; ++i, ++done) add_surely(*connection, std::to_string(worker) + "/" + std::to_string(i));
    });
  for (const char* how : {" fast", " immediate"}) {
    const int before = done;
    while (done < before + kEach / 10) std::this_thread::yield();
    ASSERT_EQ(std::system((std::string(restart) + how + " >/dev/null 2>&1").c_str()), 0);
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(read("SELECT COUNT(*) FROM driver.counters"), kWorkers * kEach);
  EXPECT_EQ(read("SELECT SUM(value) FROM driver.counters"), kWorkers * kEach);
}

TEST_P(Postgresql, APoolGivesNoMoreConnectionsThanItMay) {
  sql::Pool pool([&] { return make(); }, {1, std::chrono::milliseconds(50)});
  auto first = pool.take();
  EXPECT_THROW((void)pool.take(), sql::DatabaseUnavailable);
  std::thread other([&] { pool.give_back(std::move(first)); });
  other.join();
  EXPECT_NE(pool.take(), nullptr);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Postgresql);
INSTANTIATE_TEST_SUITE_P(Servers, Postgresql, testing::ValuesIn(servers()),
                         [](const auto& server) { return std::string(server.param.name); });

}  // namespace
}  // namespace vedette::postgresql
