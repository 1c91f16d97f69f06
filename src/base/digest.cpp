#include "base/digest.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace vedette {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

void require(int ok, const char* what) {
  if (ok != 1) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

/// `out` has room for the method's digest.
void hmac(const EVP_MD* method, std::span<const std::uint8_t> key, std::string_view data, std::uint8_t* out) {
  unsigned length = 0;
  if (!HMAC(method, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
            data.size(), out, &length))
    throw std::runtime_error("OpenSSL failed: hmac");
}

struct CipherDeleter {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherDeleter>;

}  // namespace

Sha256 sha256(std::span<const std::uint8_t> data) {
  Sha256 out{};
  require(EVP_Digest(data.data(), data.size(), out.data(), nullptr, EVP_sha256(), nullptr), "sha256");
  return out;
}

Sha256 hmac_sha256(std::span<const std::uint8_t> key, std::string_view data) {
  Sha256 out{};
  hmac(EVP_sha256(), key, data, out.data());
  return out;
}

std::array<std::uint8_t, 20> hmac_sha1(std::span<const std::uint8_t> key, std::string_view data) {
  std::array<std::uint8_t, 20> out{};
  hmac(EVP_sha1(), key, data, out.data());
  return out;
}

std::string sha256_hex(std::string_view data) {
  return to_hex(sha256(as_bytes(data)));
}

struct Hasher::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(md); }
};

Hasher::Hasher(Algorithm algorithm) : context_(std::make_unique<Context>()) {
  const auto* method = algorithm == Algorithm::sha256 ? EVP_sha256()
                       : algorithm == Algorithm::md5  ? EVP_md5()
                                                      : EVP_sha1();
  require(EVP_DigestInit_ex(context_->md, method, nullptr), "digest");
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::uint8_t> data) {
  require(EVP_DigestUpdate(context_->md, data.data(), data.size()), "digest");
}

Bytes Hasher::finish() {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned length = 0;
  require(EVP_DigestFinal_ex(context_->md, out.data(), &length), "digest");
  out.resize(length);
  return out;
}

Bytes random_bytes(std::size_t count) {
  Bytes out(count);
  require(RAND_bytes(out.data(), static_cast<int>(count)), "random");
  return out;
}

std::string random_id(std::size_t characters) {
  // The alphabet has 32 of the 36 letters and digits, so that each character is equally likely.
  constexpr std::string_view alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  std::string out;
  for (auto b : random_bytes(characters)) out += alphabet[b % alphabet.size()];
  return out;
}

std::string random_uuid() {
  auto b = random_bytes(16);
  b[6] = static_cast<std::uint8_t>((b[6] & 0x0F) | 0x40);
  b[8] = static_cast<std::uint8_t>((b[8] & 0x3F) | 0x80);
  const auto h = to_hex(b);
  return fmt::format("{}-{}-{}-{}-{}", h.substr(0, 8), h.substr(8, 4), h.substr(12, 4), h.substr(16, 4), h.substr(20));
}

Bytes seal(std::span<const std::uint8_t> key, std::string_view plain, std::string_view context) {
  if (key.size() != 32) throw std::logic_error("seal: the key must have 32 bytes");
  Bytes out = random_bytes(kNonceBytes);
  out.resize(kNonceBytes + plain.size() + kTagBytes);
  Cipher cipher(EVP_CIPHER_CTX_new());
  int n = 0;
  require(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), out.data()), "encrypt");
  require(EVP_EncryptUpdate(cipher.get(), nullptr, &n, as_bytes(context).data(), static_cast<int>(context.size())),
          "encrypt");
  require(EVP_EncryptUpdate(cipher.get(), out.data() + kNonceBytes, &n, as_bytes(plain).data(),
                            static_cast<int>(plain.size())),
          "encrypt");
  require(EVP_EncryptFinal_ex(cipher.get(), out.data() + kNonceBytes + n, &n), "encrypt");
  require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out.data() + kNonceBytes + plain.size()),
          "encrypt");
  return out;
}

Result<std::string> unseal(std::span<const std::uint8_t> key, std::span<const std::uint8_t> sealed,
                           std::string_view context) {
  const auto broken = [] {
    return internal_error("A stored secret cannot be decrypted; is the master key the right one?");
  };
  if (key.size() != 32 || sealed.size() < kNonceBytes + kTagBytes) return broken();
  const std::size_t length = sealed.size() - kNonceBytes - kTagBytes;
  std::string out(length, '\0');
  Bytes tag(sealed.end() - kTagBytes, sealed.end());
  Cipher cipher(EVP_CIPHER_CTX_new());
  int n = 0;
  auto* target = reinterpret_cast<unsigned char*>(out.data());
  if (EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), sealed.data()) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &n, as_bytes(context).data(), static_cast<int>(context.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), target, &n, sealed.data() + kNonceBytes, static_cast<int>(length)) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(cipher.get(), target + n, &n) != 1)
    return broken();
  return out;
}

}  // namespace vedette
