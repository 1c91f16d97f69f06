// Measures what reading the metadata costs in SQLite and in PostgreSQL: a look with one statement, and views with one
// statement and with three:
//
//   tests/postgresql.py --pgbouncer --durable build/release/bench/metadata
//
// All databases are measured in turns of a quarter of a second, so that whatever else the machine does meets all alike.
// Prints one JSON object per database and number of statements.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace {

using namespace vedette;
using Clock = std::chrono::steady_clock;

const Scope kScope{"123456789012", "us-east-1"};

struct Database {
  std::string name;
  std::unique_ptr<MetadataStore> store;
};

struct Measured {
  std::size_t database;
  bool is_look;
  int statements;
  std::vector<double> microseconds = {};
};

void prepare(MetadataStore& store) {
  store.write([](UnitOfWork& work) {
    for (int i = 0; i < 100; ++i) work.projects().insert(kScope, {"project" + std::to_string(i), {}});
  });
}

void read_once(MetadataStore& store, const Measured& measured) {
  const auto work = measured.is_look ? store.look() : store.read();
  for (int i = 0; i < measured.statements; ++i)
    if (!work->projects().find(kScope, "project" + std::to_string(i))) throw std::runtime_error("a project is missing");
}

void measure(const Database& database, Measured& measured) {
  const auto end = Clock::now() + std::chrono::milliseconds(250);
  for (auto now = Clock::now(); now < end;) {
    read_once(*database.store, measured);
    const auto after = Clock::now();
    measured.microseconds.push_back(std::chrono::duration<double, std::micro>(after - now).count());
    now = after;
  }
}

void run(int rounds) {
  TemporaryFolder folder;
  std::vector<Database> databases;
  databases.push_back({"sqlite", open_sqlite_metadata(folder.path() / "metadata.sqlite")});
  for (const auto& [name, variable] : {std::pair{"postgresql, unix socket", "VEDETTE_TEST_POSTGRESQL"},
                                       {"postgresql, tcp", "VEDETTE_TEST_POSTGRESQL_TCP"},
                                       {"pgbouncer, tcp", "VEDETTE_TEST_PGBOUNCER"}})
    if (const char* server = std::getenv(variable)) {
      const std::string url = server;
      databases.push_back({name, open_postgresql_metadata(url + (url.find('?') == std::string::npos ? "?" : "&") +
                                                          "schema=bench_" + random_id(8))});
    }
  std::vector<Measured> all;
  for (std::size_t i = 0; i < databases.size(); ++i) {
    prepare(*databases[i].store);
    all.push_back({i, true, 1});
    for (const int statements : {1, 3}) all.push_back({i, false, statements});
  }
  for (int round = 0; round < rounds; ++round)
    for (auto& measured : all) measure(databases[measured.database], measured);
  for (auto& measured : all) {
    auto& times = measured.microseconds;
    std::sort(times.begin(), times.end());
    std::printf("%s\n",
                nlohmann::json({{"database", databases[measured.database].name},
                                {"kind", measured.is_look ? "look" : "view"},
                                {"statements", measured.statements},
                                {"per_second", static_cast<int>(static_cast<double>(times.size()) / (rounds * 0.25))},
                                {"median_us", times[times.size() / 2]},
                                {"p99_us", times[times.size() * 99 / 100]}})
                    .dump()
                    .c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What a view of the metadata costs");
  int rounds = 20;
  app.add_option("--rounds", rounds, "Turns of a quarter of a second for each")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    run(rounds);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "metadata: %s\n", e.what());
    return 1;
  }
}
