#include "auth/auth.hpp"

#include <stdexcept>

#include "auth/identities.hpp"
#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMasterKeyBytes = 32;
const std::string kServersBuckets = bucket_arn(".");

}  // namespace

Result<void> authorize(const Caller& caller, std::string_view action, std::string_view resource,
                       const TagContext& tags) {
  if (resource.starts_with(kServersBuckets))
    return fail(ErrorKind::access_denied,
                "User: " + caller.arn() + " is not authorized to perform: " + std::string(action) + " on resource: " +
                    std::string(resource) + " because buckets whose names begin with a dot are the server's own",
                "AccessDenied");
  const PolicyContext context{caller.account,        caller.user,       caller.source_ip, caller.is_secure,
                              caller.is_via_service, tags.request_tags, tags.untags,      tags.resource_tags};
  auto verdict = PolicyVerdict::not_allowed;
  if (caller.policies)
    for (const auto& policy : *caller.policies) {
      const auto d = policy.decide(action, resource, context);
      if (d == PolicyVerdict::explicitly_denied) {
        verdict = d;
        break;
      }
      if (d == PolicyVerdict::allowed) verdict = d;
    }
  if (verdict == PolicyVerdict::allowed) return {};
  return fail(ErrorKind::access_denied,
              "User: " + caller.arn() + " is not authorized to perform: " + std::string(action) +
                  " on resource: " + std::string(resource) +
                  (verdict == PolicyVerdict::explicitly_denied
                       ? " with an explicit deny in an identity-based policy"
                       : " because no identity-based policy allows the " + std::string(action) + " action"),
              "AccessDenied");
}

Result<Caller> caller_of_job(MetadataStore& store, const std::string& account, const std::string& name) {
  auto work = store.read();
  const auto user = work->users().find(account, name);
  if (!user) return invalid_input("The user " + name + ", who asked for this, no longer exists.");
  Caller caller{account, name, "", std::make_shared<const std::vector<Policy>>(policies_of(work->users(), *user))};
  caller.is_via_service = true;
  return caller;
}

KeyRing::KeyRing(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file)
    : store_(store), clock_(clock) {
  auto bytes = read_file(master_key_file, kMasterKeyBytes);
  // A key that it has to open: one that is active.
  std::optional<AccessKey> sealed;
  {
    auto work = store_.read();
    for (auto& key : work->users().list_keys(std::nullopt, std::nullopt))
      if (key.is_active) sealed = std::move(key);
  }
  constexpr auto kCure =
      ". Put back the file that belongs to metadata.sqlite, from a backup. If it is lost for good, start once with "
      "--accept-loss master-key: every access key stops working, and a new one of the administrator is written to "
      "admin-credentials";
  if (!bytes && bytes.error().kind == ErrorKind::not_found) {
    if (sealed)
      throw std::runtime_error("the master key file " + master_key_file.string() +
                               " is missing, but there are access keys that it sealed" + kCure);
    const auto fresh = random_bytes(kMasterKeyBytes);
    if (auto ok = write_file_atomically(master_key_file, as_text(fresh), 0600); !ok)
      throw std::runtime_error(ok.error().message);
    bytes = fresh;
  }
  if (!bytes) throw std::runtime_error(bytes.error().message);
  if (bytes->size() != kMasterKeyBytes)
    throw std::runtime_error("the master key file " + master_key_file.string() + " is damaged" + kCure);
  if (sealed && !unseal(*bytes, as_bytes(sealed->sealed_secret), sealed->access_key_id))
    throw std::runtime_error("the master key file " + master_key_file.string() +
                             " is not the one that sealed the access keys" + kCure);
  master_key_ = std::move(*bytes);
}

bool KeyRing::opens(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file) {
  try {
    const KeyRing ring(store, clock, master_key_file);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

Result<KeyRing::NewKey> KeyRing::create_key(const std::string& account, const std::string& user) {
  NewKey key;
  // The shapes clients know: 20 upper-case letters and digits beginning with AKIA; 40 base64 characters.
  key.access_key_id = "AKIA";
  for (char c : random_id(16)) key.access_key_id += static_cast<char>(c >= 'a' ? c - 32 : c);
  key.secret = to_base64(random_bytes(30));
  const auto sealed = seal(master_key_, key.secret, key.access_key_id);
  auto work = store_.write();
  if (!work->users().find(account, user)) return not_found("USER", user, "There is no user " + user + ".");
  key.created = clock_.now();
  work->users().insert_key({key.access_key_id, account, user, std::string(as_text(sealed)), true, key.created});
  work->commit();
  return key;
}

Result<KeyRing::KnownKey> KeyRing::look_up(const std::string& access_key_id) {
  const auto unknown = [] {
    return fail(ErrorKind::unauthenticated, "The security token included in the request is invalid.",
                "InvalidAccessKeyId");
  };
  auto work = store_.read();
  const auto key = work->users().find_key(access_key_id);
  if (!key || !key->is_active) return unknown();
  const auto user = work->users().find(key->account, key->user);
  if (!user) return unknown();
  auto secret = unseal(master_key_, as_bytes(key->sealed_secret), access_key_id);
  if (!secret) return secret.error();
  auto policies = std::make_shared<const std::vector<Policy>>(policies_of(work->users(), *user));
  return KnownKey{{key->account, key->user, access_key_id, std::move(policies)}, std::move(*secret)};
}

}  // namespace vedette
