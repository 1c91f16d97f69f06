#pragma once

#include <string>

#include "auth/auth.hpp"
#include "base/result.hpp"

namespace vedette {

/// What a request shows of who sends it. Whoever has seen a request of the same user can show the same: only the
/// signature proves it.
struct Credential {
  std::string access_key_id;
  std::string session_token = {};  ///< comes with temporary keys; empty: none was sent
};

/// Whom a credential belongs to, and what their signatures are made with.
struct Authenticated {
  Caller caller;
  std::string signing_secret;
};

/// Finds the holder of a credential. Thread-safe; may block on a database.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// Fails with unauthenticated and the code InvalidAccessKeyId if the key is unknown, or InvalidToken if the session
  /// token does not belong to the key.
  virtual Result<Authenticated> authenticate(const Credential& credential) = 0;
};

}  // namespace vedette
