#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "store/metadata/metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

/// For tests only: the databases that the suites of this folder run against.
namespace vedette {

struct Backend {
  std::string name;
  /// Opens the store that belongs to a folder: an empty one for a new folder, and the same one for the same folder.
  std::unique_ptr<MetadataStore> (*open)(const std::filesystem::path& folder);
};
inline void PrintTo(const Backend& backend, std::ostream* out) {
  *out << backend.name;
}

inline std::vector<Backend> backends() {
  return {{"Sqlite", [](const std::filesystem::path& folder) { return open_sqlite_metadata(folder / "m.sqlite"); }}};
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
