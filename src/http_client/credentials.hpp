#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
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

/// From the credential service of the container that this process runs in (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), else the
/// role of the instance (IMDSv2, unless AWS_EC2_METADATA_DISABLED is true). Blocks on the network; fails with unavailable.
Result<ClientCredentials> fetch_credentials();

/// The keys that a process on this machine is meant to use, where AWS's SDKs look: those of find_credentials(), else those of
/// fetch_credentials(). Files are read again when asked. Fetched keys are kept, and fetched again in the five minutes before they expire: by
/// one thread, while the others go on with the keys that still work. Thread-safe.
///   https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
class CredentialSource {
 public:
  using Fetch = std::function<Result<ClientCredentials>()>;
  explicit CredentialSource(const Clock& clock, Fetch fetch = fetch_credentials)
      : clock_(clock), fetch_(std::move(fetch)) {}
  /// Fails with unavailable if there are none, naming where was looked.
  Result<ClientCredentials> get();

 private:
  /// Whether the kept keys are good for so long; the mutex is held.
  [[nodiscard]] bool work_for(Timestamp::duration time) const;

  const Clock& clock_;
  const Fetch fetch_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable fetched_;
  bool is_fetching_ = false;
  std::optional<ClientCredentials> cached_;
};

}  // namespace vedette
