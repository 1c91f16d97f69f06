#include <cstdio>
#include <stdexcept>

#include "base/clock.hpp"
#include "commands.hpp"
#include "data_folder.hpp"
#include "store/metadata/sqlite/sqlite_metadata.hpp"

namespace vedette {
namespace {

/// The keys of a server's data folder; the server may be running, and sees every change at once.
struct OpenKeys {
  explicit OpenKeys(const std::string& data) : folder{data} {
    if (!std::filesystem::exists(folder.metadata())) throw std::runtime_error("there is no Vedette data in " + data);
    metadata = open_sqlite_metadata(folder.metadata());
  }
  DataFolder folder;
  SystemClock clock;
  std::unique_ptr<MetadataStore> metadata;
};

}  // namespace

void add_key(CLI::App& app, int&) {
  auto* command = app.add_subcommand("key", "Make, list and revoke access keys");
  command->require_subcommand(1);
  auto data = std::make_shared<std::string>("./vedette-data");
  command->add_option("--data", *data, "The server's data folder")->capture_default_str()->envname("VEDETTE_DATA");
  command->fallthrough();

  auto account = std::make_shared<std::string>("123456789012");
  auto user = std::make_shared<std::string>(kAdministrator);
  auto* create = command->add_subcommand("create", "Make a key and print it in the AWS credentials-file form");
  create->add_option("--account", *account, "Account number")->capture_default_str()->envname("VEDETTE_ACCOUNT");
  create->add_option("--user", *user, "User the key belongs to")->capture_default_str();
  create->callback([data, account, user] {
    OpenKeys open(*data);
    KeyRing keys(*open.metadata, open.clock, open.folder.master_key());
    const auto key = keys.create_key(*account, *user);
    if (!key) throw std::runtime_error(key.error().message);
    std::printf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key->access_key_id.c_str(),
                key->secret.c_str());
  });

  auto* list = command->add_subcommand("list", "List the keys, without their secrets");
  list->callback([data] {
    const OpenKeys open(*data);
    for (const auto& key : open.metadata->read()->users().list_keys())
      std::printf("%s  %-8s  %s/%s  %s\n", key.access_key_id.c_str(), key.is_active ? "active" : "revoked",
                  key.account.c_str(), key.user.c_str(), to_extended_iso8601(key.created).c_str());
  });

  auto id = std::make_shared<std::string>();
  auto* revoke = command->add_subcommand("revoke", "Revoke a key, at once");
  revoke->add_option("ACCESS_KEY_ID", *id, "The key to revoke")->required();
  revoke->callback([data, id] {
    OpenKeys open(*data);
    auto work = open.metadata->write();
    if (!work->users().deactivate_key(*id)) throw std::runtime_error("there is no key " + *id);
    work->commit();
  });
}

}  // namespace vedette
