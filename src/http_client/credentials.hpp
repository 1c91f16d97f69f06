#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "base/result.hpp"

namespace vedette {

struct ClientCredentials {
  std::string access_key_id, secret_access_key;
  std::string session_token;         ///< of temporary keys
  std::optional<Timestamp> expires;  ///< of temporary keys, if it is known
};

/// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else a profile of the credentials file (AWS_PROFILE
/// or "default" in AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials). Fails with invalid_input if there are none.
Result<ClientCredentials> find_credentials();
/// Reads one profile of a file in the AWS credentials-file form.
Result<ClientCredentials> read_credentials(const std::filesystem::path& file, std::string_view profile);

/// AWS_REGION or AWS_DEFAULT_REGION, else the profile's region in AWS_CONFIG_FILE or ~/.aws/config; empty if none.
std::string find_region();

/// The keys that a process on this machine is meant to use, where AWS's SDKs look: those of find_credentials(), else a
/// container's (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), else the instance's role (IMDSv2, unless
/// AWS_EC2_METADATA_DISABLED is true). Temporary ones are fetched again before they expire, files read again when asked.
/// Thread-safe.
///   https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
class CredentialSource {
 public:
  explicit CredentialSource(const Clock& clock) : clock_(clock) {}
  /// Fails with unavailable if there are none, naming where was looked.
  Result<ClientCredentials> get();

 private:
  const Clock& clock_;
  Mutex mutex_;
  std::optional<ClientCredentials> cached_ GUARDED_BY(mutex_);
};

}  // namespace vedette
