#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

struct S3StoreOptions {
  /// "https://s3.plant.example:9000", path-style; empty: the AWS endpoint of the bucket's region.
  std::string endpoint;
  std::string region = "us-east-1";
  std::string system_bucket;    ///< The bucket that holds the server's own objects (kSystemBucket).
  std::string system_prefix;    ///< The prefix of their keys in that bucket; empty or ending in '/'.
  std::filesystem::path spool;  ///< The folder for content that waits to be sent.
  std::string ca_file;          ///< The file of certificate authorities to trust in the place of the system's.
  std::chrono::seconds connect_timeout{5}, idle_timeout{20};
  /// How often each request is tried; the waits between the attempts grow exponentially.
  int attempts = 6;
  const std::atomic<bool>* cancelled = nullptr;  ///< If it turns true, calls end soon and fail with unavailable.
};

/// Buckets of any service that speaks S3. Requests are signed with the keys of CredentialSource, and connections are
/// kept. Failures that may pass (no answer, 5xx, 429) are retried. Large objects are read in ranges and written in
/// parts. Conditional puts are retried, too: a put whose first answer was lost fails with PreconditionFailed.
/// What lies in the system bucket below its prefix is reached as kSystemBucket only; under its real name it is refused
/// (access_denied).
/// Contents that a killed process left in the spool are removed. Throws std::filesystem::filesystem_error if the spool
/// cannot be used.
std::unique_ptr<ObjectStore> open_s3_objects(S3StoreOptions options, const Clock& clock);

}  // namespace vedette
