#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "auth/identities.hpp"
#include "server/data_folder.hpp"

namespace vedette {

struct IdentityOptions {
  std::string data = "./vedette-data", account = "123456789012";
  bool force = false;  ///< the last administrator may go, too
};

/// Users, keys and policies of a server's data folder; the server may be running, and sees every change at once.
struct IdentityStore {
  /// Throws std::runtime_error if the folder holds no server's data.
  explicit IdentityStore(const IdentityOptions& options);
  DataFolder folder;
  SystemClock clock;
  std::unique_ptr<MetadataStore> metadata;
  Identities identities;
};

/// Adds --data, --account and --force, for all subcommands.
std::shared_ptr<IdentityOptions> add_identity_options(CLI::App& command);

/// The value, or its error thrown for the user.
template <typename T>
T checked(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}
inline void checked(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

}  // namespace vedette
