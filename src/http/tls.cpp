#include "http/tls.hpp"

#include <sys/stat.h>

#include <boost/asio/ssl/context.hpp>
#include <stdexcept>

#include "base/log.hpp"

namespace vedette {
namespace ssl = boost::asio::ssl;

TlsFiles::TlsFiles(std::filesystem::path certificate, std::filesystem::path key)
    : certificate_(std::move(certificate)), key_(std::move(key)), stamp_(stamp()) {
  context_ = load();
}

std::shared_ptr<ssl::context> TlsFiles::current() const {
  const MutexLock lock(mutex_);
  return context_;
}

std::string TlsFiles::stamp() const {
  std::string out;
  for (const auto& path : {certificate_, key_}) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return out + "missing";
    out += std::to_string(s.st_ino) + "/" + std::to_string(s.st_size) + "/" + std::to_string(s.st_mtim.tv_sec) + "." +
           std::to_string(s.st_mtim.tv_nsec) + " ";
  }
  return out;
}

std::shared_ptr<ssl::context> TlsFiles::load() const {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                       ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | ssl::context::single_dh_use);
  // Accepts only suites of TLS 1.2 that have forward secrecy and authenticated encryption, and thus no CBC. All suites
  // of TLS 1.3 are so.
  if (SSL_CTX_set_cipher_list(context->native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
    throw std::runtime_error("OpenSSL offers none of the cipher suites that this server wants");
  try {
    context->use_certificate_chain_file(certificate_.string());
    context->use_private_key_file(key_.string(), ssl::context::pem);
  } catch (const std::exception& e) {
    throw std::runtime_error("the TLS certificate " + certificate_.string() + " or its key " + key_.string() +
                             " cannot be used: " + e.what());
  }
  // A private key that belongs to another certificate would make every handshake fail.
  if (SSL_CTX_check_private_key(context->native_handle()) != 1)
    throw std::runtime_error("the TLS key " + key_.string() + " does not belong to " + certificate_.string());
  return context;
}

void TlsFiles::reload_if_changed() {
  const auto now = stamp();
  if (now == stamp_) return;
  stamp_ = now;
  try {
    auto fresh = load();
    const MutexLock lock(mutex_);
    context_ = std::move(fresh);
    log::info("TLS certificate loaded", {{"file", certificate_.string()}});
  } catch (const std::exception& e) {
    log::warning("TLS certificate not reloaded", {{"reason", e.what()}});
  }
}

}  // namespace vedette
