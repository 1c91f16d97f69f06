#include "identity_store.hpp"

#include <stdexcept>

#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

std::unique_ptr<MetadataStore> open_existing(const DataFolder& folder) {
  if (!std::filesystem::exists(folder.metadata()))
    throw std::runtime_error("there is no Vedette data in " + folder.root.string());
  return open_sqlite_metadata(folder.metadata());
}

}  // namespace

IdentityStore::IdentityStore(const IdentityOptions& options)
    : folder{options.data},
      metadata(open_existing(folder)),
      identities(*metadata,
                 options.force ? Identities::LastAdministrator::may_go : Identities::LastAdministrator::stays) {}

std::shared_ptr<IdentityOptions> add_identity_options(CLI::App& command) {
  auto options = std::make_shared<IdentityOptions>();
  command.require_subcommand(1);
  command.add_option("--data", options->data, "The server's data folder")
      ->capture_default_str()
      ->envname("VEDETTE_DATA");
  command.add_option("--account", options->account, "Number of the account, 12 digits")
      ->capture_default_str()
      ->envname("VEDETTE_ACCOUNT");
  command.add_flag("--force", options->force, "Make the change even if nobody is left who may manage users");
  command.fallthrough();
  return options;
}

}  // namespace vedette
