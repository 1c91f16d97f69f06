#include "auth/key_ring.hpp"

#include <optional>
#include <stdexcept>

#include "auth/identities.hpp"
#include "auth/session_token.hpp"
#include "base/files.hpp"
#include "base/storable_text.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

constexpr std::size_t kMasterKeyBytes = 32;
constexpr std::string_view kPermanent = "AKIA", kTemporary = "ASIA";

/// Returns an id as clients expect it: 20 characters, which are the prefix and then upper-case letters and digits.
std::string new_key_id(std::string_view prefix) {
  std::string id(prefix);
  for (char c : random_id(16)) id += static_cast<char>(c >= 'a' ? c - 32 : c);
  return id;
}

/// Returns a secret as clients expect it: 40 base64 characters.
std::string new_secret() {
  return to_base64(random_bytes(30));
}

/// The name under which the metadata hold a value that only the installation's master key opens.
constexpr const char* kMasterKeyCheck = "master_key_check";

Error unknown_key() {
  return fail(ErrorKind::unauthenticated, "The security token included in the request is invalid.",
              "InvalidAccessKeyId");
}

}  // namespace

KeyRing::KeyRing(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file)
    : store_(store), clock_(clock) {
  auto bytes = read_file(master_key_file, kMasterKeyBytes);
  // This is any active access key; the master key must be able to open it.
  std::optional<AccessKey> sealed;
  bool is_known = false;
  {
    auto work = store_.read();
    is_known = work->installation().find(kMasterKeyCheck).has_value();
    for (auto& key : work->users().list_keys(std::nullopt, std::nullopt))
      if (key.is_active) sealed = std::move(key);
  }
  constexpr auto kCure =
      ". Put back the file that belongs to the metadata: from a backup, or from another node, since all nodes share "
      "one (--master-key). If it is lost for good, start once with "
      "--accept-loss master-key: every access key stops working, and a new one of the administrator is written to "
      "admin-credentials";
  bool is_new = false;
  if (!bytes && bytes.error().kind == ErrorKind::not_found) {
    if (sealed || is_known)
      throw std::runtime_error("the master key file " + master_key_file.string() +
                               " is missing, but there are access keys that it sealed" + kCure);
    const auto fresh = random_bytes(kMasterKeyBytes);
    if (auto ok = write_file_atomically(master_key_file, as_text(fresh), 0600); !ok)
      throw std::runtime_error(ok.error().message);
    bytes = fresh;
    is_new = true;
  }
  if (!bytes) throw std::runtime_error(bytes.error().message);
  if (bytes->size() != kMasterKeyBytes)
    throw std::runtime_error("the master key file " + master_key_file.string() + " is damaged" + kCure);
  if (sealed && !unseal(*bytes, as_bytes(sealed->sealed_secret), sealed->access_key_id))
    throw std::runtime_error("the master key file " + master_key_file.string() +
                             " is not the one that sealed the access keys" + kCure);
  const auto mine = to_hex(seal(*bytes, "", kMasterKeyCheck));
  const bool is_right = store_.write([&](UnitOfWork& work) {
    if (const auto check = work.installation().find(kMasterKeyCheck)) {
      const auto theirs = from_hex(*check);
      return theirs && unseal(*bytes, *theirs, kMasterKeyCheck).has_value();
    }
    work.installation().put(kMasterKeyCheck, mine);
    return true;
  });
  if (!is_right) {
    // Another node was first, and made a key of its own.
    if (is_new) std::filesystem::remove(master_key_file);
    throw std::runtime_error("the master key file " + master_key_file.string() +
                             " is not the one of this installation" + kCure);
  }
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

KeyRing::NewKey KeyRing::draw_key() {
  return {new_key_id(kPermanent), new_secret(), {}};
}

Result<void> KeyRing::insert_key(UnitOfWork& work, const std::string& account, const std::string& user,
                                 const NewKey& key) const {
  if (!work.users().find(account, user)) return not_found("USER", user, "There is no user " + user + ".");
  const auto sealed = seal(master_key_, key.secret, key.access_key_id);
  work.users().insert_key({key.access_key_id, account, user, std::string(as_text(sealed)), true, work.now()});
  return {};
}

void KeyRing::forget_master_key(UnitOfWork& work) {
  work.installation().remove(kMasterKeyCheck);
}

Result<KeyRing::NewKey> KeyRing::create_key(const std::string& account, const std::string& user) {
  auto key = draw_key();
  return store_.write([&](UnitOfWork& work) -> Result<NewKey> {
    if (auto ok = insert_key(work, account, user, key); !ok) return ok.error();
    key.created = work.now();
    return key;
  });
}

Result<KeyRing::TemporaryCredentials> KeyRing::create_session(const Caller& caller, std::chrono::seconds duration) {
  if (!caller.source_key_id.empty())
    return fail(ErrorKind::access_denied, "Cannot call GetSessionToken with session credentials", "AccessDenied");
  TemporaryCredentials made{
      new_key_id(kTemporary), new_secret(), {}, std::chrono::floor<std::chrono::seconds>(clock_.now()) + duration};
  made.session_token = seal_session(master_key_, made.access_key_id, {caller.access_key_id, made.secret, made.expires});
  return made;
}

Result<Authenticated> KeyRing::authenticate_session(const Credential& credential) {
  auto session = open_session(master_key_, credential.access_key_id, credential.session_token);
  if (!session) return session.error();
  if (clock_.now() >= session->expires)
    return fail(ErrorKind::unauthenticated, "The security token included in the request is expired", "ExpiredToken");
  auto owner = authenticate({session->source_key_id});
  if (!owner) return owner.error();
  owner->caller.access_key_id = credential.access_key_id;
  owner->caller.source_key_id = std::move(session->source_key_id);
  owner->signing_secret = std::move(session->secret);
  return owner;
}

Result<Authenticated> KeyRing::authenticate(const Credential& credential) {
  if (credential.access_key_id.starts_with(kTemporary) && !credential.session_token.empty())
    return authenticate_session(credential);
  // Anything may stand in a presigned URL.
  if (!is_storable_text(credential.access_key_id)) return unknown_key();
  const auto owner = store_.look([&](UnitOfWork& view) { return view.users().find_owner(credential.access_key_id); });
  if (!owner) return unknown_key();
  const auto& key = owner->key;
  if (!credential.session_token.empty())
    return fail(
        ErrorKind::unauthenticated,
        "The security token included in the request is invalid: the access key is a permanent one, which has no "
        "session token. Is AWS_SESSION_TOKEN set from another key?",
        "InvalidToken");
  auto secret = unseal(master_key_, as_bytes(key.sealed_secret), credential.access_key_id);
  if (!secret) return secret.error();
  auto policies = std::make_shared<const std::vector<Policy>>(policies_of(*owner));
  return Authenticated{{key.account, key.user, credential.access_key_id, std::move(policies)}, std::move(*secret)};
}

}  // namespace vedette
