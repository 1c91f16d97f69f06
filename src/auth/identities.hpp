#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/auth.hpp"

/// Users, their policies and their keys: what `vedette user | key | policy` and the service `vedette` offer.
/// Thread-safe.
namespace vedette {

/// The managed policy that is attached to the first user; it allows everything.
inline constexpr const char* kAdministratorAccess = "AdministratorAccess";

struct PolicyDescription {
  std::string name;
  std::string document;  ///< JSON
  bool is_managed = false;
};

/// Returns a policy that is part of the program, by its name: the four of the original service, and roles of our own.
std::optional<std::string> managed_policy(std::string_view name);

/// Returns the policies that are attached to a user. A name that no longer exists grants nothing.
std::vector<Policy> policies_of(UserRepository& users, const User& user);
std::vector<Policy> policies_of(const KeyOwner& owner);

/// Makes and changes users, policies and keys. An administrator is a user who has an active key and who may, under some
/// condition at least, give any user any policy and key. No change here removes the last administrator of an account
/// (conflict USER). Whether another one is left is decided in the transaction that makes the change, so that two
/// administrators cannot remove each other.
class Identities {
 public:
  enum class LastAdministrator { stays, may_go };
  explicit Identities(MetadataStore& store, LastAdministrator last = LastAdministrator::stays)
      : store_(store), last_(last) {}

  /// Makes a user. A name has 1 … 64 letters, digits and +=,.@_-, but is not "." or "..", which no client can have in a
  /// URL. Fails with conflict USER if the name is taken.
  Result<User> create_user(const std::string& account, const std::string& name);
  Result<User> find_user(const std::string& account, const std::string& name);
  std::vector<User> list_users(const std::string& account, const std::string& after, std::int64_t limit);
  /// Deletes the user and the user's keys.
  Result<void> delete_user(const std::string& account, const std::string& name);

  /// Checks a document and stores it under a name of 1 … 128 such characters. Fails with conflict POLICY if a managed
  /// policy has that name.
  Result<void> put_policy(const std::string& account, const std::string& name, const std::string& document);
  Result<PolicyDescription> find_policy(const std::string& account, const std::string& name);
  std::vector<PolicyDescription> list_policies(const std::string& account);  ///< Managed policies come first.
  /// Fails with conflict POLICY if the policy is attached to anybody, or is managed.
  Result<void> delete_policy(const std::string& account, const std::string& name);
  Result<void> attach(const std::string& account, const std::string& user, const std::string& policy);
  Result<void> detach(const std::string& account, const std::string& user, const std::string& policy);

  Result<std::vector<AccessKey>> list_keys(const std::string& account, const std::string& user);
  /// Revokes a key for good. Fails with not_found ACCESS_KEY if the user has no such key.
  Result<void> revoke_key(const std::string& account, const std::string& user, const std::string& access_key_id);

 private:
  /// Runs the change and commits it, unless it fails or removes the last administrator.
  template <typename Change>
  Result<void> change(const std::string& account, Change change);

  MetadataStore& store_;
  const LastAdministrator last_;
};

}  // namespace vedette
