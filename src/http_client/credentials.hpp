#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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

/// Fetches keys from the credential service of the container that this process runs in
/// (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), otherwise those of the instance's role (IMDSv2, unless
/// AWS_EC2_METADATA_DISABLED is true). The call blocks on the network. It fails with unavailable.
Result<ClientCredentials> fetch_credentials();

/// Finds the keys that a process on this machine is meant to use, where AWS's SDKs look for them: those of
/// find_credentials(), otherwise those of fetch_credentials(). Files are read again at each call. Fetched keys are kept,
/// and fetched again in the five minutes before they expire: by one thread, while the others go on with the keys that
/// still work. Thread-safe.
///   https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
class CredentialSource {
 public:
  using Fetch = std::function<Result<ClientCredentials>()>;
  explicit CredentialSource(const Clock& clock, Fetch fetch = fetch_credentials)
      : clock_(clock), fetch_(std::move(fetch)) {}
  /// Returns the keys. Fails with unavailable if there are none, and names where it looked.
  Result<ClientCredentials> get();

 private:
  /// Whether the kept keys are good for so long.
  [[nodiscard]] bool work_for(Timestamp::duration time) const REQUIRES(mutex_);

  const Clock& clock_;
  const Fetch fetch_;
  Mutex mutex_;
  std::condition_variable fetched_;
  bool is_fetching_ GUARDED_BY(mutex_) = false;
  std::optional<ClientCredentials> cached_ GUARDED_BY(mutex_);
};

}  // namespace vedette
