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
  std::string session_token;         ///< Only temporary keys have a token.
  std::optional<Timestamp> expires;  ///< When temporary keys expire, if that is known.
};

/// Finds the keys of this user: in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, otherwise in a
/// profile of the credentials file (AWS_PROFILE or "default" in AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials).
/// Fails with invalid_input if there are none.
Result<ClientCredentials> find_credentials();
/// Reads one profile of a file that has the form of the AWS credentials file.
Result<ClientCredentials> read_credentials(const std::filesystem::path& file, std::string_view profile);

/// Returns AWS_REGION or AWS_DEFAULT_REGION, otherwise the profile's region in AWS_CONFIG_FILE or ~/.aws/config, or an
/// empty text if there is none.
std::string find_region();

/// Finds the keys that a process on this machine is meant to use, where AWS's SDKs look for them: those of
/// find_credentials(), otherwise those of a container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), otherwise
/// those of the instance's role (IMDSv2, unless AWS_EC2_METADATA_DISABLED is true). Temporary keys are fetched again
/// before they expire, and files are read again at each call. Thread-safe.
///   https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
class CredentialSource {
 public:
  explicit CredentialSource(const Clock& clock) : clock_(clock) {}
  /// Returns the keys. Fails with unavailable if there are none, and names where it looked.
  Result<ClientCredentials> get();

 private:
  const Clock& clock_;
  Mutex mutex_;
  std::optional<ClientCredentials> cached_ GUARDED_BY(mutex_);
};

}  // namespace vedette
