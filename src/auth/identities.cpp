#include "auth/identities.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace vedette::embedded {
extern const std::string_view managed_policies;
}

namespace vedette {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestUserName = 64, kLongestPolicyName = 128;

const std::map<std::string, std::string, std::less<>>& managed() {
  static const auto policies = [] {
    std::map<std::string, std::string, std::less<>> out;
    const Json all = Json::parse(embedded::managed_policies);
    for (const auto& [name, document] : all.items()) out[name] = document.dump();
    return out;
  }();
  return policies;
}

Result<void> check_name(const char* what, const std::string& name, std::size_t longest) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-";
  if (name.empty() || name.size() > longest || name.find_first_not_of(kAlphabet) != std::string::npos)
    return invalid_input(std::string(what) + " has 1 to " + std::to_string(longest) +
                         " letters, digits and characters of +=,.@_-");
  // Clients write both names into the path of a URL, where "." and ".." mean other folders (RFC 3986, 5.2.4).
  if (name == "." || name == "..") return invalid_input(std::string(what) + " may not be \"" + name + "\".");
  return {};
}

Error no_user(const std::string& name) {
  return not_found("USER", name, "There is no user " + name + ".");
}
Error no_policy(const std::string& name) {
  return not_found("POLICY", name, "There is no policy " + name + ".");
}

/// Reads the policies of these names. `find` returns the document of a policy that belongs to the account.
template <typename Find>
std::vector<Policy> parse_all(const std::vector<std::string>& names, Find find) {
  std::vector<Policy> out;
  for (const auto& name : names) {
    auto document = managed_policy(name);
    if (!document) document = find(name);
    if (!document) continue;
    auto policy = Policy::parse(*document);
    // If a policy cannot be read, it may have denied something; so the user is allowed nothing.
    if (!policy) policy = Policy::parse(R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})");
    out.push_back(std::move(*policy));
  }
  return out;
}

/// Returns whether the user has an active key and may give any right to anybody, including themselves.
bool is_administrator(UserRepository& users, const User& user) {
  const auto keys = users.list_keys(user.account, user.name);
  if (std::none_of(keys.begin(), keys.end(), [](const AccessKey& key) { return key.is_active; })) return false;
  PolicyContext context;
  context.account = user.account;
  context.username = user.name;
  const auto policies = policies_of(users, user);
  // The name "*" stands for all users: whoever may do this only to some users is not an administrator.
  const auto anybody = user_arn(user.account, "*");
  for (const char* action : {"vedette:AttachUserPolicy", "vedette:CreateAccessKey"}) {
    auto verdict = PolicyVerdict::not_allowed;
    for (const auto& policy : policies) {
      const auto d = policy.decide_at_best(action, anybody, context);
      if (d == PolicyVerdict::explicitly_denied) return false;
      if (d == PolicyVerdict::allowed) verdict = d;
    }
    if (verdict != PolicyVerdict::allowed) return false;
  }
  return true;
}

/// Returns the first administrator by name, or nothing if there is none.
std::optional<std::string> find_administrator(UserRepository& users, const std::string& account) {
  constexpr std::int64_t kPage = 100;
  std::string after;
  while (true) {
    const auto page = users.list(account, after, kPage);
    for (const auto& user : page)
      if (is_administrator(users, user)) return user.name;
    if (static_cast<std::int64_t>(page.size()) < kPage) return std::nullopt;
    after = page.back().name;
  }
}

}  // namespace

std::optional<std::string> managed_policy(std::string_view name) {
  const auto it = managed().find(name);
  return it == managed().end() ? std::nullopt : std::optional(it->second);
}

std::vector<Policy> policies_of(UserRepository& users, const User& user) {
  return parse_all(user.policies, [&](const std::string& name) -> std::optional<std::string> {
    auto stored = users.find_policy(user.account, name);
    return stored ? std::optional(std::move(stored->document)) : std::nullopt;
  });
}

std::vector<Policy> policies_of(const KeyOwner& owner) {
  return parse_all(owner.policies, [&](const std::string& name) -> std::optional<std::string> {
    for (const auto& stored : owner.stored_policies)
      if (stored.name == name) return stored.document;
    return std::nullopt;
  });
}

Result<User> Identities::create_user(const std::string& account, const std::string& name) {
  if (auto ok = check_name("A user name", name, kLongestUserName); !ok) return ok.error();
  return store_.write([&](UnitOfWork& work) -> Result<User> {
    User user{account, name, {}, work.now()};
    if (!work.users().insert(user)) return conflict("USER", name, "The user " + name + " already exists.");
    return user;
  });
}

Result<User> Identities::find_user(const std::string& account, const std::string& name) {
  auto user = store_.read()->users().find(account, name);
  if (!user) return no_user(name);
  return *user;
}

std::vector<User> Identities::list_users(const std::string& account, const std::string& after, std::int64_t limit) {
  return store_.read()->users().list(account, after, limit);
}

template <typename Change>
Result<void> Identities::change(const std::string& account, Change change) {
  return store_.write([&](UnitOfWork& work) -> Result<void> {
    auto& users = work.users();
    const auto before = last_ == LastAdministrator::stays ? find_administrator(users, account) : std::nullopt;
    if (auto ok = change(work); !ok) return ok;
    if (before && !find_administrator(users, account))
      return conflict("USER", *before,
                      "Nobody would be left who may manage users, since " + *before + " is the last administrator.");
    return {};
  });
}

Result<void> Identities::delete_user(const std::string& account, const std::string& name) {
  return change(account,
                [&](UnitOfWork& work) { return work.users().remove(account, name) ? Result<void>() : no_user(name); });
}

Result<void> Identities::put_policy(const std::string& account, const std::string& name, const std::string& document) {
  if (auto ok = check_name("A policy name", name, kLongestPolicyName); !ok) return ok;
  if (managed_policy(name))
    return conflict("POLICY", name, "The policy " + name + " is managed; it cannot be changed.");
  if (auto policy = Policy::parse(document); !policy) return policy.error();
  return change(account, [&](UnitOfWork& work) {
    work.users().put_policy({account, name, document, work.now()});
    return Result<void>();
  });
}

Result<PolicyDescription> Identities::find_policy(const std::string& account, const std::string& name) {
  if (auto document = managed_policy(name)) return PolicyDescription{name, std::move(*document), true};
  auto stored = store_.read()->users().find_policy(account, name);
  if (!stored) return no_policy(name);
  return PolicyDescription{name, std::move(stored->document), false};
}

std::vector<PolicyDescription> Identities::list_policies(const std::string& account) {
  std::vector<PolicyDescription> out;
  for (const auto& [name, document] : managed()) out.push_back({name, document, true});
  for (auto& stored : store_.read()->users().list_policies(account))
    out.push_back({std::move(stored.name), std::move(stored.document), false});
  return out;
}

Result<void> Identities::delete_policy(const std::string& account, const std::string& name) {
  if (managed_policy(name))
    return conflict("POLICY", name, "The policy " + name + " is managed; it cannot be deleted.");
  return store_.write([&](UnitOfWork& work) -> Result<void> {
    if (work.users().is_attached(account, name))
      return conflict("POLICY", name, "The policy " + name + " is attached to a user; detach it first.");
    if (!work.users().remove_policy(account, name)) return no_policy(name);
    return {};
  });
}

Result<void> Identities::attach(const std::string& account, const std::string& user, const std::string& policy) {
  return change(account, [&](UnitOfWork& work) -> Result<void> {
    auto& users = work.users();
    if (!users.find(account, user)) return no_user(user);
    if (!managed_policy(policy) && !users.find_policy(account, policy)) return no_policy(policy);
    users.attach(account, user, policy);
    return {};
  });
}

Result<void> Identities::detach(const std::string& account, const std::string& user, const std::string& policy) {
  return change(account, [&](UnitOfWork& work) -> Result<void> {
    auto& users = work.users();
    if (!users.find(account, user)) return no_user(user);
    if (!users.detach(account, user, policy)) return no_policy(policy);
    return {};
  });
}

Result<std::vector<AccessKey>> Identities::list_keys(const std::string& account, const std::string& user) {
  auto work = store_.read();
  if (!work->users().find(account, user)) return no_user(user);
  return work->users().list_keys(account, user);
}

Result<void> Identities::revoke_key(const std::string& account, const std::string& user,
                                    const std::string& access_key_id) {
  return change(account, [&](UnitOfWork& work) -> Result<void> {
    auto& users = work.users();
    const auto key = users.find_key(access_key_id);
    if (!key || key->account != account || key->user != user)
      return not_found("ACCESS_KEY", access_key_id, "The user " + user + " has no key " + access_key_id + ".");
    users.deactivate_key(access_key_id);
    return {};
  });
}

}  // namespace vedette
