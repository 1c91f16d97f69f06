#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"

/// Hashes, authenticated encryption and randomness, all OpenSSL's. A failing OpenSSL call means a broken machine and
/// throws.
namespace vedette {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::span<const std::uint8_t> data);
Sha256 hmac_sha256(std::span<const std::uint8_t> key, std::string_view data);
/// Only for old signatures that demand it.
std::array<std::uint8_t, 20> hmac_sha1(std::span<const std::uint8_t> key, std::string_view data);
std::string sha256_hex(std::string_view data);

/// Incremental digest: SHA-256, MD5 (S3's ETag) or SHA-1 (a checksum that S3 clients may choose). Not thread-safe.
class Hasher {
 public:
  enum class Algorithm { sha256, md5, sha1 };
  explicit Hasher(Algorithm algorithm);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void update(std::span<const std::uint8_t> data);
  /// The digest; the hasher must not be used afterwards.
  Bytes finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Bytes random_bytes(std::size_t count);          ///< cryptographically secure
std::string random_id(std::size_t characters);  ///< lower-case letters and digits, ≥ 5 bits each
std::string random_uuid();                      ///< RFC 4122 version 4

/// AES-256-GCM with a fresh random nonce: nonce ‖ ciphertext ‖ tag. `key` is 32 bytes; `context` is authenticated, not
/// stored.
Bytes seal(std::span<const std::uint8_t> key, std::string_view plain, std::string_view context);
/// Fails with internal if key, context or bytes do not belong together.
Result<std::string> unseal(std::span<const std::uint8_t> key, std::span<const std::uint8_t> sealed,
                           std::string_view context);

}  // namespace vedette
