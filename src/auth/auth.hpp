#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "signing/signing.hpp"
#include "store/metadata/metadata.hpp"

/// Who is calling, and what they may do. Thread-safe.
namespace vedette {

/// An IAM-style policy document: statements of Effect, Action or NotAction, Resource, with * and ? as wildcards. An
/// explicit deny wins; what nothing allows is denied. Condition is not offered yet: a document with one is refused.
class Policy {
 public:
  /// Fails with invalid_input naming what is wrong.
  static Result<Policy> parse(std::string_view json);
  [[nodiscard]] bool allows(std::string_view action, std::string_view resource) const;

 private:
  struct Statement {
    bool is_allow, is_not_action;
    std::vector<std::string> actions, resources;
  };
  std::vector<Statement> statements_;
};

struct Caller {
  std::string account, user, access_key_id;
  std::shared_ptr<const Policy> policy;
  [[nodiscard]] std::string arn() const { return "arn:aws:iam::" + account + ":user/" + user; }
};

/// Fails with access_denied, worded as AWS does.
Result<void> authorize(const Caller& caller, std::string_view action, std::string_view resource);

/// Allows everything: the first user's policy.
extern const char* const kAdministratorPolicy;

class KeyRing {
 public:
  /// Reads the master key from the file, making it (mode 0600) if missing. Throws std::runtime_error if that fails.
  KeyRing(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file);

  struct NewKey {
    std::string access_key_id, secret;
  };
  /// The secret is told only here.
  Result<NewKey> create_key(const std::string& account, const std::string& user);

  struct KnownKey {
    Caller caller;
    std::string secret;
  };
  /// Reads the store on every call, so that a revocation works at once. Fails with unauthenticated
  /// (InvalidAccessKeyId).
  Result<KnownKey> look_up(const std::string& access_key_id);

 private:
  MetadataStore& store_;
  const Clock& clock_;
  Bytes master_key_;
};

}  // namespace vedette
