#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

/// The session token of temporary credentials holds everything that a server must know about them, encrypted. So nothing
/// is stored when they are made, and every node that has the master key accepts them. The functions are pure.
namespace vedette {

/// The most characters that a session token can have. Longer ones are refused unread.
inline constexpr std::size_t kLongestSessionToken = 1024;

struct Session {
  std::string source_key_id;  ///< the permanent access key that asked for the credentials
  std::string secret;         ///< what requests of the session are signed with
  Timestamp expires;          ///< in whole seconds
};

/// Returns the session token of the temporary key `access_key_id`: AES-256-GCM in base64, under a key that is made from
/// the master key and `access_key_id` by HMAC-SHA256, so that each temporary key has an encryption key of its own.
std::string seal_session(std::span<const std::uint8_t> master_key, std::string_view access_key_id,
                         const Session& session);

/// Reads what seal_session() returned. Fails with unauthenticated and the code InvalidToken if the token was altered or
/// belongs to another key or another server.
Result<Session> open_session(std::span<const std::uint8_t> master_key, std::string_view access_key_id,
                             std::string_view token);

}  // namespace vedette
