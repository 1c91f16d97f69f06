#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "auth/authenticator.hpp"
#include "base/clock.hpp"
#include "base/digest.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// Keeps the access keys in the metadata, which are permanent, and makes temporary credentials of them, which are kept
/// nowhere (auth/session_token.hpp).
class KeyRing : public Authenticator {
 public:
  /// Reads the master key from the file, or makes the file (mode 0600) if it is missing and the installation has no
  /// master key yet. The metadata remember which key it is. Throws std::runtime_error if that fails, or if the file
  /// holds another key than the one that the installation has, because the right file is lost or this one belongs to
  /// another installation.
  KeyRing(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file);
  /// Returns whether the constructor would accept this file.
  static bool opens(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file);

  struct NewKey {
    std::string access_key_id, secret;
    Timestamp created;
  };
  /// Makes a key for the user. This is the only time that its secret is told. Fails with not_found USER.
  Result<NewKey> create_key(const std::string& account, const std::string& user);
  /// Draws a key, which is of no use until insert_key() has put it into the metadata. It is not told when it was made.
  [[nodiscard]] static NewKey draw_key();
  /// Gives the user a key in a transaction of the caller. Fails with not_found USER.
  Result<void> insert_key(UnitOfWork& work, const std::string& account, const std::string& user,
                          const NewKey& key) const;
  /// Has the metadata forget which master key the installation has, in a transaction of the caller.
  static void forget_master_key(UnitOfWork& work);

  struct TemporaryCredentials {
    std::string access_key_id, secret, session_token;
    Timestamp expires;
  };
  /// Makes temporary credentials of the caller, who has the same rights with them. They end after `duration`, and at
  /// once when the key that the caller signed with is revoked or the user is deleted. Fails with access_denied if the
  /// caller signed with temporary credentials.
  Result<TemporaryCredentials> create_session(const Caller& caller, std::chrono::seconds duration);

  /// Finds the owner of a key. Reads the store on every call, so that a revoked key or a changed policy takes effect at
  /// once, also for temporary credentials that came from the key.
  Result<Authenticated> authenticate(const Credential& credential) override;
  /// Returns a key for the purpose, which every server with the same master key derives alike.
  [[nodiscard]] Sha256 derive_key(std::string_view purpose) const { return hmac_sha256(master_key_, purpose); }

 private:
  /// Returns the owner of temporary credentials.
  Result<Authenticated> authenticate_session(const Credential& credential);

  MetadataStore& store_;
  const Clock& clock_;
  Bytes master_key_;
};

}  // namespace vedette
