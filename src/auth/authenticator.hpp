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
  /// Fails with unauthenticated and the code InvalidAccessKeyId if the key is unknown, or InvalidToken if the session
  /// token does not belong to the key.
  virtual Result<Authenticated> authenticate(const Credential& credential) = 0;
};

}  // namespace vedette
