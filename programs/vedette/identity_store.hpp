#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "auth/identities.hpp"
#include "server/data_folder.hpp"

namespace vedette {

struct IdentityOptions {
  std::string data = "./vedette-data", account = "123456789012";
  std::string metadata, master_key;  ///< as --metadata and --master-key of the server
  bool force = false;                ///< If set, even the last administrator may be removed.
};

/// Opens the users, keys and policies in a server's data folder, or in the database that several nodes share. Servers
/// may be running; they see every change at once.
struct IdentityStore {
  /// Throws std::runtime_error if the folder or the database does not hold a server's data.
  explicit IdentityStore(const IdentityOptions& options);
  DataFolder folder;
  std::filesystem::path master_key;
  SystemClock clock;
  std::unique_ptr<MetadataStore> metadata;
  Identities identities;
};

/// Adds --data, --metadata, --master-key, --account and --force to a command, for all of its subcommands.
std::shared_ptr<IdentityOptions> add_identity_options(CLI::App& command);

/// Returns the value of a result, or throws its error as a message for the user.
template <typename T>
T checked(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}
inline void checked(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

}  // namespace vedette
