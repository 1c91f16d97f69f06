#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "store/metadata/metadata.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

/// For tests only: the databases that the suites of this folder run against.
namespace vedette {

struct Backend {
  std::string name;
  /// Opens the store that belongs to a folder: an empty one for a new folder, and the same one for the same folder.
  std::function<std::unique_ptr<MetadataStore>(const std::filesystem::path& folder)> open;
};
inline void PrintTo(const Backend& backend, std::ostream* out) {
  *out << backend.name;
}

/// PostgreSQL, directly or through a pooler, is among them if tests/postgresql.py has started it. Each folder has a schema
/// of its own there.
inline std::vector<Backend> backends() {
  std::vector<Backend> found = {
      {"Sqlite", [](const std::filesystem::path& folder) { return open_sqlite_metadata(folder / "m.sqlite"); }}};
  for (const auto& [name, variable] :
       {std::pair{"Postgresql", "VEDETTE_TEST_POSTGRESQL"}, std::pair{"PgBouncer", "VEDETTE_TEST_PGBOUNCER"}})
    if (const char* server = std::getenv(variable))
      found.push_back({name, [url = std::string(server)](const std::filesystem::path& folder) {
                         return open_postgresql_metadata(url + (url.find('?') == std::string::npos ? "?" : "&") +
                                                         "schema=test_" + sha256_hex(folder.string()).substr(0, 20));
                       }});
  return found;
}

/// A suite over a store with the project `p`.
class MetadataSuite : public testing::TestWithParam<Backend> {
 protected:
  inline static const Scope kScope{"123456789012", "us-east-1"};
  static Timestamp at(int second) { return Timestamp{std::chrono::seconds(second)}; }

  void SetUp() override {
    store_ = GetParam().open(folder_.path());
    store_->write([](UnitOfWork& work) { work.projects().insert(kScope, {"p", at(1)}); });
  }
  TemporaryFolder folder_;
  std::unique_ptr<MetadataStore> store_;
};

}  // namespace vedette
