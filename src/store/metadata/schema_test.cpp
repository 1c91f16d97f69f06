// The steps of the schema, and copies from one database into another.
#include "store/metadata/schema.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <thread>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "store/metadata/copy.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette::metadata {
namespace {

using sql::Access;

constexpr std::chrono::seconds kDeadline{60};

TEST(Schema, AScriptIsTakenApartAtItsSemicolons) {
  EXPECT_EQ(statements_of("-- a; b\nCREATE x; -- c\n INSERT ';' \"d;\" ;\n\n"),
            (std::vector<std::string>{"CREATE x", "INSERT ';' \"d;\" "}));
}

TEST(Schema, AProgramWorksWithADatabaseThatAllowsIt) {
  const std::vector<SchemaStep> steps = {{1, "a", "", 1, 1}, {2, "b", "", 1, 2}};
  EXPECT_EQ(pending_steps({1, 1, 1}, steps, Access::write).size(), 1U);
  EXPECT_TRUE(pending_steps({2, 1, 2}, steps, Access::write).empty());
  EXPECT_TRUE(pending_steps({5, 1, 2}, steps, Access::write).empty());
  EXPECT_TRUE(pending_steps({5, 2, 3}, steps, Access::read).empty());
  EXPECT_THROW((void)pending_steps({5, 2, 3}, steps, Access::write), sql::DatabaseError);
  EXPECT_THROW((void)pending_steps({5, 3, 3}, steps, Access::read), sql::DatabaseError);
}

TEST(Schema, SqliteRemembersWhatAStepAllows) {
  TemporaryFolder folder;
  sqlite::Connection connection(folder.path() / "m.sqlite");
  take_step(connection, {1, "a", "CREATE TABLE a (x)", 1, 1});
  take_step(connection, {1, "a", "CREATE TABLE a (x)", 1, 1});
  take_step(connection, {2, "b", "CREATE TABLE b (x)", 1, 2});
  take_step(connection, {3, "c", "CREATE TABLE c (x)", 1, 1});
  const auto state = schema_state(connection);
  EXPECT_EQ((std::vector{state.version, state.min_reader, state.min_writer}), (std::vector{3, 1, 2}));
  EXPECT_THROW(take_step(connection, {4, "d", "CREATE TABLE d (x); no SQL", 4, 4}), sql::DatabaseError);
  EXPECT_EQ(schema_state(connection).version, 3);
}

/// A schema of its own in the server that tests/postgresql.py has started.
std::string fresh_address(const char* server) {
  return std::string(server) + (std::string(server).find('?') == std::string::npos ? "?" : "&") + "schema=test_" +
         random_id(12);
}

/// Writes rows into all tables that the database lists. All columns of a row have the same value, so that each row finds
/// the rows that it refers to.
void fill(sqlite::Connection& connection, int rows) {
  connection.begin(Access::write);
  connection.execute("PRAGMA defer_foreign_keys=ON");
  std::vector<std::string> inserts;
  {
    auto q = connection.prepare(
        "SELECT 'INSERT INTO \"' || t.name || '\" (' || group_concat('\"' || c.name || '\"') || ') SELECT ' || "
        "group_concat(CASE c.type WHEN 'TEXT' THEN '''ü'' || n' WHEN "
        "'REAL' THEN 'n / 3.0' WHEN 'BLOB' THEN 'CAST(x''00ff27'' || n AS BLOB)' ELSE 'n' END) FROM sqlite_master t "
        "JOIN "
        "pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name <> 'schema' GROUP "
        "BY "
        "t.name");
    while (q.step()) inserts.push_back(q.text(0));
  }
  EXPECT_GT(inserts.size(), 20U);
  for (const auto& insert : inserts)
    connection.execute(insert + " FROM (WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < " +
                       std::to_string(rows) + ") SELECT n FROM r)");
  // A number that was given must not be given again.
  connection.execute("DELETE FROM jobs WHERE id = " + std::to_string(rows));
  connection.commit();
}

class Copies : public testing::TestWithParam<const char*> {};

TEST_P(Copies, AllRowsOfAllTablesGoToPostgresqlAndBack) {
  constexpr int kRows = 1'234;
  TemporaryFolder folder;
  const auto first = folder.path() / "first.sqlite", second = folder.path() / "second.sqlite";
  const auto url = fresh_address(GetParam());
  (void)open_sqlite_metadata(first), (void)open_sqlite_metadata(second), (void)open_postgresql_metadata(url);
  sqlite::Connection source(first), target(second);
  fill(source, kRows);
  const auto server = connect_postgresql(url, kDeadline);
  const auto there = copy_metadata(source, *server), back = copy_metadata(*server, target);
  ASSERT_EQ(there.size(), back.size());
  EXPECT_GT(there.size(), 20U);
  for (std::size_t i = 0; i < there.size(); ++i) {
    EXPECT_EQ(there[i].rows, there[i].name == "jobs" ? kRows - 1 : kRows) << there[i].name;
    EXPECT_EQ(there[i].name, back[i].name);
    EXPECT_EQ(there[i].sha256, back[i].sha256) << there[i].name;
  }
  EXPECT_THROW((void)copy_metadata(source, *server), sql::DatabaseError);
  for (sql::Connection* connection :
       {static_cast<sql::Connection*>(server.get()), static_cast<sql::Connection*>(&target)}) {
    connection->begin(Access::write);
    {
      auto q = connection->prepare("INSERT INTO jobs (kind, payload, ready) VALUES ('k', '{}', 0) RETURNING id");
      ASSERT_TRUE(q.step());
      EXPECT_EQ(q.integer(0), kRows + 1);
    }
    connection->roll_back();
  }
}

TEST_P(Copies, WhatPostgresqlCannotStoreIsNamedAndNothingIsCopied) {
  TemporaryFolder folder;
  const auto path = folder.path() / "m.sqlite";
  const auto url = fresh_address(GetParam());
  (void)open_sqlite_metadata(path), (void)open_postgresql_metadata(url);
  sqlite::Connection source(path);
  source.execute("INSERT INTO projects VALUES ('1', 'r', 'good', 1, 1)");
  source.execute("INSERT INTO users VALUES ('1', CAST(x'610062' AS TEXT), 1)");
  const auto server = connect_postgresql(url, kDeadline);
  try {
    (void)copy_metadata(source, *server);
    ADD_FAILURE();
  } catch (const sql::DatabaseError& e) {
    EXPECT_NE(std::string(e.what()).find("users"), std::string::npos) << e.what();
  }
  server->begin(Access::read);
  auto q = server->prepare("SELECT COUNT(*) FROM projects");
  ASSERT_TRUE(q.step());
  EXPECT_EQ(q.integer(0), 0);
}

TEST_P(Copies, SeveralNodesMayBringTheSchemaUpToDateAtTheSameTime) {
  const auto url = fresh_address(GetParam());
  EXPECT_EQ(plan_postgresql_migration(url).steps.size(), schema_steps(sql::Dialect::postgresql).size());
  std::vector<std::thread> nodes;
  for (int i = 0; i < 3; ++i) nodes.emplace_back([&] { (void)open_postgresql_metadata(url); });
  for (auto& node : nodes) node.join();
  EXPECT_TRUE(plan_postgresql_migration(url).steps.empty());

  // A later step runs outside of a transaction; a program that does not know it still works if the step allows that.
  auto steps = schema_steps(sql::Dialect::postgresql);
  const int known = steps.back().version;
  steps.push_back({known + 1, "an index", "CREATE INDEX CONCURRENTLY IF NOT EXISTS late ON @schema@.jobs (worker);",
                   known, known, false});
  migrate_postgresql(url, steps);
  EXPECT_NE(open_postgresql_metadata(url), nullptr);
  steps.push_back({known + 2, "a column", "ALTER TABLE jobs ADD COLUMN late TEXT;", known, known + 2});
  migrate_postgresql(url, steps);
  EXPECT_THROW((void)open_postgresql_metadata(url), sql::DatabaseError);
}

std::vector<const char*> servers() {
  std::vector<const char*> found;
  for (const char* variable : {"VEDETTE_TEST_POSTGRESQL", "VEDETTE_TEST_PGBOUNCER"})
    if (const char* server = std::getenv(variable)) found.push_back(server);
  return found;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Copies);
INSTANTIATE_TEST_SUITE_P(Servers, Copies, testing::ValuesIn(servers()), [](const auto& server) {
  return std::string(server.index == 0 ? "Postgresql" : "PgBouncer");
});

}  // namespace
}  // namespace vedette::metadata
