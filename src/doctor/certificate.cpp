#include "doctor/certificate.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <vector>

#include <fmt/format.h>

namespace vedette::doctor {
namespace {

constexpr const char* kCheck = "TLS";
constexpr int kWarnDays = 30;
constexpr const char* kRenew = ". Put a new one in its place; the server takes it up by itself";

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using File = std::unique_ptr<std::FILE, Free<std::fclose>>;

std::vector<Certificate> read_certificates(const std::filesystem::path& path) {
  std::vector<Certificate> all;
  const File file(std::fopen(path.c_str(), "re"));
  while (file) {
    Certificate next(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    all.push_back(std::move(next));
  }
  ERR_clear_error();  // the end of the file is told as an error
  return all;
}

Key read_key(const std::filesystem::path& path) {
  const File file(std::fopen(path.c_str(), "re"));
  // A key with a password would make the start of the server wait for somebody who types it.
  Key key(file ? PEM_read_PrivateKey(
                     file.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr)
               : nullptr);
  ERR_clear_error();
  return key;
}

std::string name_of(X509& certificate) {
  char text[256] = "";
  X509_NAME_oneline(X509_get_subject_name(&certificate), text, sizeof text);
  return text;
}

/// The seconds from `now` to a time of a certificate.
std::int64_t seconds_until(const ASN1_TIME* time, Timestamp now) {
  const Timestamp epoch{};
  const std::unique_ptr<ASN1_TIME, Free<ASN1_TIME_free>> start(ASN1_TIME_set(nullptr, 0));
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, start.get(), time) != 1) return 0;
  return std::int64_t{days} * 86'400 + seconds - std::chrono::floor<std::chrono::seconds>(now - epoch).count();
}

void check_dates(const std::vector<Certificate>& all, Timestamp now, const Report& report) {
  Level worst = Level::ok;
  std::int64_t left = INT64_MAX;
  for (const auto& certificate : all) {
    const auto until_start = seconds_until(X509_get0_notBefore(certificate.get()), now);
    const auto until_end = seconds_until(X509_get0_notAfter(certificate.get()), now);
    left = std::min(left, until_end);
    const auto name = name_of(*certificate);
    if (until_end <= 0) {
      worst = Level::failed;
      report({kCheck, Level::failed,
              fmt::format("The certificate {} expired {} days ago, so that clients refuse the server{}", name,
                          -until_end / 86'400, kRenew)});
    } else if (until_start > 0) {
      worst = Level::failed;
      report({kCheck, Level::failed,
              fmt::format("The certificate {} is not valid yet: its time begins in {} hours. Look at the clock, or get "
                          "another one",
                          name, (until_start + 3599) / 3600)});
    } else if (until_end < std::int64_t{kWarnDays} * 86'400) {
      worst = worst == Level::ok ? Level::warning : worst;
      report({kCheck, Level::warning,
              fmt::format("The certificate {} expires in {} days{}", name, until_end / 86'400, kRenew)});
    }
  }
  if (worst == Level::ok)
    report({kCheck, Level::ok, fmt::format("The certificate is valid for {} days.", left / 86'400)});
}

void check_host(X509& certificate, const std::string& host, const Report& report) {
  if (host.empty()) return;
  if (X509_check_host(&certificate, host.c_str(), host.size(), 0, nullptr) == 1 ||
      X509_check_ip_asc(&certificate, host.c_str(), 0) == 1)
    return report({kCheck, Level::ok, fmt::format("The certificate is for {}.", host)});
  report({kCheck, Level::failed,
          fmt::format("The certificate is not for {}, under which others reach this server, so that they refuse it. "
                      "Get one that names "
                      "it (subjectAltName), or say another --node-address",
                      host)});
}

void check_chain(const std::vector<Certificate>& all, const CertificateFiles& files, Timestamp now,
                 const Report& report) {
  const std::unique_ptr<X509_STORE, Free<X509_STORE_free>> trusted(X509_STORE_new());
  X509_STORE_set_default_paths(trusted.get());
  if (!files.authorities.empty()) X509_STORE_load_file(trusted.get(), files.authorities.c_str());
  const std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  STACK_OF(X509)* rest = sk_X509_new_null();
  for (std::size_t i = 1; i < all.size(); ++i) sk_X509_push(rest, all[i].get());
  X509_STORE_CTX_init(context.get(), trusted.get(), all.front().get(), rest);
  X509_STORE_CTX_set_time(context.get(), 0, std::chrono::system_clock::to_time_t(now));
  const bool is_trusted = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  sk_X509_free(rest);
  ERR_clear_error();
  if (is_trusted) return report({kCheck, Level::ok, "The certificate leads to an authority that is trusted."});
  if (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID)
    return;  // that was reported already
  report({kCheck, Level::warning,
          fmt::format("This machine does not trust the certificate ({}). Put the certificates between it and its "
                      "authority into the same "
                      "file; if the authority is your own, give it to clients, and to nodes with --node-ca",
                      X509_verify_cert_error_string(error))});
}

}  // namespace

std::string host_of(const std::string& url) {
  const auto scheme = url.find("://");
  auto host = scheme == std::string::npos ? url : url.substr(scheme + 3);
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find_first_of(":/"));
}

void check_certificate(const CertificateFiles& files, Timestamp now, const Report& report) {
  const auto all = read_certificates(files.certificate);
  if (all.empty())
    return report(
        {kCheck, Level::failed,
         fmt::format(
             "{} cannot be read or holds no certificate. It must hold the server's certificate in PEM form, and after "
             "it those between it and its authority",
             files.certificate.string())});
  const auto key = read_key(files.key);
  if (!key)
    report({kCheck, Level::failed,
            fmt::format("{} cannot be read or holds no key. It must hold the certificate's private key in PEM form, "
                        "without a password",
                        files.key.string())});
  else if (X509_check_private_key(all.front().get(), key.get()) != 1)
    report({kCheck, Level::failed,
            fmt::format("The key in {} does not belong to the certificate in {}. Give the two that were made together",
                        files.key.string(), files.certificate.string())});
  else
    report({kCheck, Level::ok, "Certificate and key belong together."});
  ERR_clear_error();
  check_dates(all, now, report);
  check_host(*all.front(), files.host, report);
  check_chain(all, files, now, report);
}

}  // namespace vedette::doctor
