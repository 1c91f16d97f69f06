#pragma once

#include <string>

#include "auth/auth.hpp"
#include "base/result.hpp"

namespace vedette {

/// Holds what a request shows about its sender. Whoever has seen a request of a user can copy this; only the signature
/// proves who sent it.
struct Credential {
  std::string access_key_id;
  std::string session_token = {};  ///< belongs to temporary keys; empty if none was sent
};

/// Says to whom a credential belongs, and holds the secret with which that user signs.
struct Authenticated {
  Caller caller;
  std::string signing_secret;
};

/// Finds the owner of a credential. It is thread-safe and may block on a database.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// Fails with unauthenticated and the code InvalidAccessKeyId if the key is unknown or revoked, or if the credentials
  /// are temporary and came from such a key; with InvalidToken if the session token does not belong to the key; and
  /// with ExpiredToken if the temporary credentials have expired.
  virtual Result<Authenticated> authenticate(const Credential& credential) = 0;
};

}  // namespace vedette
