#include <cstdio>
#include <stdexcept>

#include "commands.hpp"
#include "identity_store.hpp"

namespace vedette {

void add_key(CLI::App& app, int&) {
  auto* command = app.add_subcommand("key", "Make, list and revoke access keys");
  const auto options = add_identity_options(*command);

  auto user = std::make_shared<std::string>(kAdministrator);
  auto* create = command->add_subcommand("create", "Make a key and print it in the AWS credentials-file form");
  create->add_option("--user", *user, "User the key belongs to")->capture_default_str();
  create->callback([options, user] {
    IdentityStore store(*options);
    KeyRing keys(*store.metadata, store.clock, store.master_key);
    const auto key = checked(keys.create_key(options->account, *user));
    std::printf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.access_key_id.c_str(),
                key.secret.c_str());
  });

  auto* list = command->add_subcommand("list", "List the keys, without their secrets");
  list->callback([options] {
    const IdentityStore store(*options);
    for (const auto& key : store.metadata->read()->users().list_keys(std::nullopt, std::nullopt))
      std::printf("%s  %-8s  %s/%s  %s\n", key.access_key_id.c_str(), key.is_active ? "active" : "revoked",
                  key.account.c_str(), key.user.c_str(), to_extended_iso8601(key.created).c_str());
  });

  auto id = std::make_shared<std::string>();
  auto* revoke = command->add_subcommand("revoke", "Revoke a key, at once and for good");
  revoke->add_option("ACCESS_KEY_ID", *id, "The key to revoke")->required();
  revoke->callback([options, id] {
    IdentityStore store(*options);
    const auto key = store.metadata->read()->users().find_key(*id);
    if (!key) throw std::runtime_error("there is no key " + *id);
    checked(store.identities.revoke_key(key->account, key->user, *id));
  });
}

}  // namespace vedette
