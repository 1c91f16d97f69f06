#include "auth/identities.hpp"

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
  return {};
}

Error no_user(const std::string& name) {
  return not_found("USER", name, "There is no user " + name + ".");
}
Error no_policy(const std::string& name) {
  return not_found("POLICY", name, "There is no policy " + name + ".");
}

}  // namespace

std::optional<std::string> managed_policy(std::string_view name) {
  const auto it = managed().find(name);
  return it == managed().end() ? std::nullopt : std::optional(it->second);
}

std::vector<Policy> policies_of(UserRepository& users, const User& user) {
  std::vector<Policy> out;
  for (const auto& name : user.policies) {
    auto document = managed_policy(name);
    if (!document)
      if (auto stored = users.find_policy(user.account, name)) document = std::move(stored->document);
    if (!document) continue;
    auto policy = Policy::parse(*document);
    // One that cannot be read may have denied something: then nothing is allowed.
    if (!policy) policy = Policy::parse(R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})");
    out.push_back(std::move(*policy));
  }
  return out;
}

Result<User> Identities::create_user(const std::string& account, const std::string& name) {
  if (auto ok = check_name("A user name", name, kLongestUserName); !ok) return ok.error();
  const User user{account, name, {}, clock_.now()};
  auto work = store_.write();
  if (!work->users().insert(user)) return conflict("USER", name, "The user " + name + " already exists.");
  work->commit();
  return user;
}

Result<User> Identities::find_user(const std::string& account, const std::string& name) {
  auto user = store_.read()->users().find(account, name);
  if (!user) return no_user(name);
  return *user;
}

std::vector<User> Identities::list_users(const std::string& account, const std::string& after, std::int64_t limit) {
  return store_.read()->users().list(account, after, limit);
}

Result<void> Identities::delete_user(const std::string& account, const std::string& name) {
  auto work = store_.write();
  if (!work->users().remove(account, name)) return no_user(name);
  work->commit();
  return {};
}

Result<void> Identities::put_policy(const std::string& account, const std::string& name, const std::string& document) {
  if (auto ok = check_name("A policy name", name, kLongestPolicyName); !ok) return ok;
  if (managed_policy(name))
    return conflict("POLICY", name, "The policy " + name + " is managed; it cannot be changed.");
  if (auto policy = Policy::parse(document); !policy) return policy.error();
  auto work = store_.write();
  work->users().put_policy({account, name, document, clock_.now()});
  work->commit();
  return {};
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
  auto work = store_.write();
  if (work->users().is_attached(account, name))
    return conflict("POLICY", name, "The policy " + name + " is attached to a user; detach it first.");
  if (!work->users().remove_policy(account, name)) return no_policy(name);
  work->commit();
  return {};
}

Result<void> Identities::attach(const std::string& account, const std::string& user, const std::string& policy) {
  auto work = store_.write();
  if (!work->users().find(account, user)) return no_user(user);
  if (!managed_policy(policy) && !work->users().find_policy(account, policy)) return no_policy(policy);
  work->users().attach(account, user, policy);
  work->commit();
  return {};
}

Result<void> Identities::detach(const std::string& account, const std::string& user, const std::string& policy) {
  auto work = store_.write();
  if (!work->users().find(account, user)) return no_user(user);
  if (!work->users().detach(account, user, policy)) return no_policy(policy);
  work->commit();
  return {};
}

Result<std::vector<AccessKey>> Identities::list_keys(const std::string& account, const std::string& user) {
  auto work = store_.read();
  if (!work->users().find(account, user)) return no_user(user);
  return work->users().list_keys(account, user);
}

Result<void> Identities::revoke_key(const std::string& account, const std::string& user,
                                    const std::string& access_key_id) {
  auto work = store_.write();
  const auto key = work->users().find_key(access_key_id);
  if (!key || key->account != account || key->user != user)
    return not_found("ACCESS_KEY", access_key_id, "The user " + user + " has no key " + access_key_id + ".");
  work->users().deactivate_key(access_key_id);
  work->commit();
  return {};
}

}  // namespace vedette
