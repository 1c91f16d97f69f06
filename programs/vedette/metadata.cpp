#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>

#include "commands.hpp"
#include "server/data_folder.hpp"
#include "store/metadata/copy.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"
#include "store/sqlite/sqlite.hpp"

namespace vedette {
namespace {

// A large table may take its time.
constexpr std::chrono::hours kLongestCall{6};

struct MetadataOptions {
  std::string from, to;
};

bool is_url(const std::string& place) {
  return place.starts_with("postgresql://") || place.starts_with("postgres://");
}

/// The metadata of a data folder or of a PostgreSQL database. No server may use the folder meanwhile.
struct Place {
  std::string shown;
  std::optional<FolderLock> lock = {};
  std::unique_ptr<sql::Connection> connection = {};
};

void open_folder(Place& place, const DataFolder& folder, bool is_target) {
  if (!is_target && !std::filesystem::exists(folder.metadata()))
    throw std::runtime_error("there is no Vedette data in " + folder.root.string());
  if (is_target) std::filesystem::create_directories(folder.root);
  place.shown = folder.metadata().string();
  place.lock.emplace(folder.lock());
  if (is_target) (void)open_sqlite_metadata(folder.metadata());
  place.connection = std::make_unique<sqlite::Connection>(folder.metadata(), sqlite::Connection::Open::existing);
}

void open_url(Place& place, const std::string& url, bool is_target) {
  place.shown = shown_address(url);
  if (is_target) (void)open_postgresql_metadata(url);
  place.connection = connect_postgresql(url, kLongestCall);
}

void open(Place& place, const std::string& name, bool is_target) {
  if (is_url(name))
    open_url(place, name, is_target);
  else
    open_folder(place, DataFolder{name}, is_target);
}

void copy(const MetadataOptions& options) {
  Place from, to;
  open(from, options.from, false);
  open(to, options.to, true);
  std::int64_t rows = 0;
  for (const auto& table : metadata::copy_metadata(*from.connection, *to.connection)) {
    std::printf("%-20s %10lld rows  sha256 %s\n", table.name.c_str(), static_cast<long long>(table.rows),
                table.sha256.c_str());
    rows += table.rows;
  }
  std::printf("%lld rows were copied from %s to %s, read back and compared.\n", static_cast<long long>(rows),
              from.shown.c_str(), to.shown.c_str());
}

}  // namespace

void add_metadata(CLI::App& app, int& status) {
  auto* command = app.add_subcommand("metadata", "Move the metadata between a data folder and PostgreSQL");
  command->require_subcommand(1);
  auto* copying = command->add_subcommand(
      "copy", "Copy all projects, models, users and whatever else the metadata holds, and compare the copy row by row");
  auto options = std::make_shared<MetadataOptions>();
  const char* meaning = "A data folder, or postgresql://USER@HOST/DATABASE (the password belongs into ~/.pgpass)";
  copying->add_option("--from", options->from, meaning)->required();
  copying->add_option("--to", options->to, std::string(meaning) + "; it must hold no metadata yet")->required();
  copying->callback([options, &status] {
    copy(*options);
    status = 0;
  });
}

}  // namespace vedette
