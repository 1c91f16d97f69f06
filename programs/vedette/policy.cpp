#include <cstdio>

#include "base/files.hpp"
#include "commands.hpp"
#include "identity_store.hpp"

namespace vedette {

void add_policy(CLI::App& app, int&) {
  auto* command = app.add_subcommand("policy", "Write, list, attach and detach policies");
  const auto options = add_identity_options(*command);
  auto name = std::make_shared<std::string>();
  auto user = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  const auto with_name = [&](const char* verb, const char* text) {
    auto* sub = command->add_subcommand(verb, text);
    sub->add_option("NAME", *name, "Name of the policy")->required();
    return sub;
  };

  command->add_subcommand("list", "List the policies")->callback([options] {
    IdentityStore store(*options);
    for (const auto& policy : store.identities.list_policies(options->account))
      std::printf("%-44s  %s\n", policy.name.c_str(), policy.is_managed ? "managed" : "own");
  });

  with_name("show", "Print a policy's document")->callback([options, name] {
    IdentityStore store(*options);
    std::printf("%s\n", checked(store.identities.find_policy(options->account, *name)).document.c_str());
  });

  auto* put = with_name("put", "Store a document under a name, or replace it");
  put->add_option("FILE", *file, "JSON file with the policy document")->required()->check(CLI::ExistingFile);
  put->callback([options, name, file] {
    IdentityStore store(*options);
    const auto bytes = checked(read_file(*file, Policy::kLongestDocument));
    checked(store.identities.put_policy(options->account, *name, std::string(as_text(bytes))));
  });

  with_name("delete", "Delete a policy that is attached to nobody")->callback([options, name] {
    IdentityStore store(*options);
    checked(store.identities.delete_policy(options->account, *name));
  });

  auto* attach = with_name("attach", "Give a user the rights of a policy, at once");
  attach->add_option("--user", *user, "Name of the user")->required();
  attach->callback([options, name, user] {
    IdentityStore store(*options);
    checked(store.identities.attach(options->account, *user, *name));
  });

  auto* detach = with_name("detach", "Take the rights of a policy from a user, at once");
  detach->add_option("--user", *user, "Name of the user")->required();
  detach->callback([options, name, user] {
    IdentityStore store(*options);
    checked(store.identities.detach(options->account, *user, *name));
  });
}

}  // namespace vedette
