#include <cstdio>

#include "commands.hpp"
#include "identity_store.hpp"

namespace vedette {
namespace {

constexpr std::int64_t kPage = 1000;

void print(const User& user) {
  std::string policies;
  for (const auto& policy : user.policies) policies += (policies.empty() ? "" : ", ") + policy;
  std::printf("%-24s  %s  %s\n", user.name.c_str(), to_extended_iso8601(user.created).c_str(),
              policies.empty() ? "(no policy: may do nothing)" : policies.c_str());
}

}  // namespace

void add_user(CLI::App& app, int&) {
  auto* command = app.add_subcommand("user", "Make, list and delete users");
  const auto options = add_identity_options(*command);
  auto name = std::make_shared<std::string>();
  auto policies = std::make_shared<std::vector<std::string>>();

  auto* create = command->add_subcommand("create", "Make a user");
  create->add_option("NAME", *name, "Name of the user")->required();
  create->add_option("--policy", *policies, "Policy to attach; may be given several times");
  create->callback([options, name, policies] {
    IdentityStore store(*options);
    for (const auto& policy : *policies) checked(store.identities.find_policy(options->account, policy));
    checked(store.identities.create_user(options->account, *name));
    for (const auto& policy : *policies) checked(store.identities.attach(options->account, *name, policy));
    print(checked(store.identities.find_user(options->account, *name)));
  });

  auto* list = command->add_subcommand("list", "List the users and their policies");
  list->callback([options] {
    IdentityStore store(*options);
    std::string after;
    while (true) {
      const auto users = store.identities.list_users(options->account, after, kPage);
      if (users.empty()) return;
      for (const auto& user : users) print(user);
      after = users.back().name;
    }
  });

  auto* remove = command->add_subcommand("delete", "Delete a user and the user's keys, at once");
  remove->add_option("NAME", *name, "Name of the user")->required();
  remove->callback([options, name] {
    IdentityStore store(*options);
    checked(store.identities.delete_user(options->account, *name));
  });
}

}  // namespace vedette
