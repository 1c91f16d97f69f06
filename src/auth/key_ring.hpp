#pragma once

#include <filesystem>
#include <string>

#include "auth/authenticator.hpp"
#include "base/clock.hpp"
#include "base/digest.hpp"
#include "store/metadata/metadata.hpp"

namespace vedette {

/// The access keys in the metadata. They are permanent: none has a session token.
class KeyRing : public Authenticator {
 public:
  /// Reads the master key from the file, making it (mode 0600) if missing. Throws std::runtime_error if that fails, and
  /// if there are active access keys that the file does not open: it is lost, or another one's.
  KeyRing(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file);
  /// Whether the constructor would take this file.
  static bool opens(MetadataStore& store, const Clock& clock, const std::filesystem::path& master_key_file);

  struct NewKey {
    std::string access_key_id, secret;
    Timestamp created;
  };
  /// The secret is told only here. Fails with not_found USER.
  Result<NewKey> create_key(const std::string& account, const std::string& user);

  /// Reads the store on every call, so that a revocation or a changed policy works at once.
  Result<Authenticated> authenticate(const Credential& credential) override;

 private:
  MetadataStore& store_;
  const Clock& clock_;
  Bytes master_key_;
};

}  // namespace vedette
