#include "doctor/certificate.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/files.hpp"

namespace vedette::doctor {
namespace {

constexpr long kDay = 86'400;

/// A folder with a key and a certificate that the key signed itself, for the host `node-1` and the address 10.0.0.5.
class Files {
 public:
  explicit Files(long begins = -kDay, long ends = 90 * kDay + 3600) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* own = X509_new();
    X509_set_version(own, 2);
    X509_gmtime_adj(X509_getm_notBefore(own), begins);
    X509_gmtime_adj(X509_getm_notAfter(own), ends);
    X509_set_pubkey(own, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(own), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("node-1"), -1, -1, 0);
    X509_set_issuer_name(own, X509_get_subject_name(own));
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:node-1,IP:10.0.0.5");
    X509_add_ext(own, names, -1);
    X509_sign(own, key, EVP_sha256());
    std::FILE* file = std::fopen(certificate().c_str(), "w");
    PEM_write_X509(file, own);
    std::fclose(file);
    file = std::fopen(this->key().c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_EXTENSION_free(names);
    X509_free(own);
    EVP_PKEY_free(key);
  }
  [[nodiscard]] std::filesystem::path certificate() const { return folder_.path() / "certificate.pem"; }
  [[nodiscard]] std::filesystem::path key() const { return folder_.path() / "key.pem"; }

 private:
  TemporaryFolder folder_;
};

std::vector<Finding> findings(const CertificateFiles& files) {
  std::vector<Finding> all;
  check_certificate(files, SystemClock().now(), [&](const Finding& finding) { all.push_back(finding); });
  return all;
}

/// Returns whether there is such a finding, and no worse one.
bool ends_with(const std::vector<Finding>& all, Level worst, const std::string& words) {
  return std::ranges::max(all, {}, &Finding::level).level == worst && std::ranges::any_of(all, [&](const Finding& f) {
           return f.level == worst && f.message.find(words) != std::string::npos;
         });
}

TEST(Certificate, ThatIsTrustedAndForTheHostIsWell) {
  const Files files;
  for (const char* host : {"node-1", "10.0.0.5", ""}) {
    const auto all = findings({files.certificate(), files.key(), files.certificate(), host});
    EXPECT_TRUE(ends_with(all, Level::ok, "is valid for 90 days")) << all.back().message;
  }
}

TEST(Certificate, ThatNobodyKnowsIsAWarning) {
  const Files files;
  EXPECT_TRUE(ends_with(findings({files.certificate(), files.key(), "", "node-1"}), Level::warning, "--node-ca"));
}

TEST(Certificate, TellsItsDates) {
  const Files expired(-30 * kDay, -2 * kDay - 60), soon(-kDay, 5 * kDay + 3600), later(2 * kDay, 9 * kDay);
  const auto of = [](const Files& files) {
    return findings({files.certificate(), files.key(), files.certificate(), "node-1"});
  };
  EXPECT_TRUE(ends_with(of(expired), Level::failed, "expired 2 days ago"));
  EXPECT_TRUE(ends_with(of(soon), Level::warning, "expires in 5 days"));
  EXPECT_TRUE(ends_with(of(later), Level::failed, "is not valid yet"));
}

TEST(Certificate, ForAnotherHostOrKeyFails) {
  const Files files, other;
  EXPECT_TRUE(ends_with(findings({files.certificate(), files.key(), files.certificate(), "node-2"}), Level::failed,
                        "is not for node-2"));
  EXPECT_TRUE(ends_with(findings({files.certificate(), other.key(), files.certificate(), "node-1"}), Level::failed,
                        "does not belong to"));
}

TEST(Certificate, FilesThatHoldNoneFail) {
  const Files files;
  EXPECT_TRUE(ends_with(findings({files.key(), files.key(), "", ""}), Level::failed, "holds no certificate"));
  EXPECT_TRUE(ends_with(findings({files.certificate(), files.certificate(), files.certificate(), ""}), Level::failed,
                        "holds no key"));
  EXPECT_TRUE(ends_with(findings({"/nowhere", "/nowhere", "", ""}), Level::failed, "cannot be read"));
}

TEST(Certificate, HostsOfUrls) {
  EXPECT_EQ(host_of("https://node-1:8420"), "node-1");
  EXPECT_EQ(host_of("https://node-1/"), "node-1");
  EXPECT_EQ(host_of("https://[fd00::5]:8420"), "fd00::5");
}

}  // namespace
}  // namespace vedette::doctor
