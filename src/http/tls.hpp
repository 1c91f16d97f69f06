#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/mutex.hpp"

namespace boost::asio::ssl {
class context;
}

namespace vedette {

/// Holds the certificate and the key of a TLS server (1.2 and newer). It reads them again when their files change, so
/// that a renewed certificate needs no restart. It is thread-safe.
class TlsFiles {
 public:
  /// Reads PEM files: the certificate with its chain, and the private key. Throws std::runtime_error if they cannot be
  /// used.
  TlsFiles(std::filesystem::path certificate, std::filesystem::path key);
  /// Returns the context for a new connection; existing connections keep theirs.
  std::shared_ptr<boost::asio::ssl::context> current() const;
  /// Looks whether the files have changed. If they have and cannot be used, the old certificate stays and the log says
  /// why.
  void reload_if_changed();

 private:
  std::string stamp() const;
  std::shared_ptr<boost::asio::ssl::context> load() const;

  const std::filesystem::path certificate_, key_;
  mutable Mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> context_ GUARDED_BY(mutex_);
  std::string stamp_;  // describes the files that were read last; used by the reloading thread only
};

}  // namespace vedette
