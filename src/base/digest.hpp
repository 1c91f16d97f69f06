#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"

/// Hashes, authenticated encryption and random numbers; OpenSSL computes all of them. If a call of OpenSSL fails, the
/// machine is broken, and the function throws.
namespace vedette {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::span<const std::uint8_t> data);
Sha256 hmac_sha256(std::span<const std::uint8_t> key, std::string_view data);
/// Only for old signatures that demand it.
std::array<std::uint8_t, 20> hmac_sha1(std::span<const std::uint8_t> key, std::string_view data);
std::string sha256_hex(std::string_view data);

/// Computes one digest of data that arrives in pieces: SHA-256, MD5 (S3's ETag) or SHA-1 (a checksum that S3 clients
/// may choose). Not thread-safe.
class Hasher {
 public:
  enum class Algorithm { sha256, md5, sha1 };
  explicit Hasher(Algorithm algorithm);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void update(std::span<const std::uint8_t> data);
  /// Returns the digest. The hasher must not be used afterwards.
  Bytes finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Bytes random_bytes(std::size_t count);          ///< The bytes are cryptographically secure.
std::string random_id(std::size_t characters);  ///< The id has lower-case letters and digits, 5 random bits each.
std::string random_uuid();                      ///< The UUID is of version 4 (RFC 4122).

/// Encrypts text with AES-256-GCM and a fresh random nonce. Returns nonce ‖ ciphertext ‖ tag. The key has 32 bytes. The
/// context is authenticated but not stored: unseal() must be given the same.
Bytes seal(std::span<const std::uint8_t> key, std::string_view plain, std::string_view context);
/// Decrypts what seal() returned. Fails with internal if key, context and bytes do not belong together.
Result<std::string> unseal(std::span<const std::uint8_t> key, std::span<const std::uint8_t> sealed,
                           std::string_view context);

}  // namespace vedette
