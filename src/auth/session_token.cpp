#include "auth/session_token.hpp"

#include "base/digest.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

/// The master key itself seals the secrets of permanent keys; the label keeps both uses apart.
Sha256 key_of(std::span<const std::uint8_t> master_key, std::string_view access_key_id) {
  return hmac_sha256(master_key, "session token 1 " + std::string(access_key_id));
}

}  // namespace

std::string seal_session(std::span<const std::uint8_t> master_key, std::string_view access_key_id,
                         const Session& session) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(session.expires).time_since_epoch().count();
  return to_base64(seal(key_of(master_key, access_key_id),
                        std::to_string(seconds) + " " + session.source_key_id + " " + session.secret, access_key_id));
}

Result<Session> open_session(std::span<const std::uint8_t> master_key, std::string_view access_key_id,
                             std::string_view token) {
  const auto invalid = [] {
    return fail(ErrorKind::unauthenticated,
                "The security token included in the request is invalid: it was altered, or it belongs to another "
                "access key or another server.",
                "InvalidToken");
  };
  if (token.size() > kLongestSessionToken) return invalid();
  const auto sealed = from_base64(token);
  if (!sealed || to_base64(*sealed) != token) return invalid();  // base64 can spell the same bytes in several ways
  const auto plain = unseal(key_of(master_key, access_key_id), *sealed, access_key_id);
  if (!plain) return invalid();
  const auto parts = split(*plain, ' ');
  const auto seconds = parse_integer(parts[0]);
  if (parts.size() != 3 || !seconds) return invalid();
  return Session{std::string(parts[1]), std::string(parts[2]), Timestamp(std::chrono::seconds(*seconds))};
}

}  // namespace vedette
