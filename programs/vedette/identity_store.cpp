#include "identity_store.hpp"

#include <stdexcept>

#include "server/installation.hpp"
#include "store/metadata/postgresql/postgresql_metadata.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

std::unique_ptr<MetadataStore> open_existing(const DataFolder& folder, const std::string& url) {
  if (!url.empty()) {
    PostgresqlMetadataOptions options;
    options.migration = PostgresqlMetadataOptions::Migration::never;
    options.connections = 2;
    return open_postgresql_metadata(url, options);
  }
  if (!std::filesystem::exists(folder.metadata()))
    throw std::runtime_error("there is no Vedette data in " + folder.root.string());
  return open_sqlite_metadata(folder.metadata());
}

}  // namespace

IdentityStore::IdentityStore(const IdentityOptions& options)
    : folder{options.data},
      master_key(master_key_file(folder, options.master_key)),
      metadata(open_existing(folder, options.metadata)),
      identities(*metadata,
                 options.force ? Identities::LastAdministrator::may_go : Identities::LastAdministrator::stays) {}

std::shared_ptr<IdentityOptions> add_identity_options(CLI::App& command) {
  auto options = std::make_shared<IdentityOptions>();
  command.require_subcommand(1);
  command.add_option("--data", options->data, "The server's data folder")
      ->capture_default_str()
      ->envname("VEDETTE_DATA");
  command.add_option("--metadata", options->metadata, "postgresql://USER@HOST/DATABASE: the database of several nodes")
      ->envname("VEDETTE_METADATA");
  command
      .add_option("--master-key", options->master_key,
                  "File with the key that seals secrets; without it, the one in the data folder")
      ->envname("VEDETTE_MASTER_KEY");
  command.add_option("--account", options->account, "Number of the account, 12 digits")
      ->capture_default_str()
      ->envname("VEDETTE_ACCOUNT");
  command.add_flag("--force", options->force, "Make the change even if nobody is left who may manage users");
  command.fallthrough();
  return options;
}

}  // namespace vedette
