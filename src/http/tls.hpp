#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace vedette {

/// Certificate and key of a TLS server (1.2 and newer), read again when their files change: certificates are renewed
/// without a restart. Thread-safe.
class TlsFiles {
 public:
  /// PEM files: the certificate with its chain, and the private key. Throws std::runtime_error if they cannot be used.
  TlsFiles(std::filesystem::path certificate, std::filesystem::path key);
  /// For a new connection; those under way keep theirs.
  std::shared_ptr<boost::asio::ssl::context> current() const;
  /// Looks at the files. If they changed and cannot be used, the old certificate stays and the log says why.
  void reload_if_changed();

 private:
  std::string stamp() const;
  std::shared_ptr<boost::asio::ssl::context> load() const;

  const std::filesystem::path certificate_, key_;
  mutable std::mutex mutex_;  // guards context_
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::string stamp_;  // of what was read last; used by the reloading thread only
};

}  // namespace vedette
