#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

struct S3StoreOptions {
  std::string endpoint;  ///< "https://s3.plant.example:9000", path-style; empty: AWS's of the bucket's region
  std::string region = "us-east-1";
  std::string system_bucket;    ///< which bucket holds the server's own objects (kSystemBucket) …
  std::string system_prefix;    ///< … and below which prefix; empty or ending in '/'
  std::filesystem::path spool;  ///< folder for content on its way out
  std::string ca_file;          ///< of certificate authorities to trust instead of the system's
  std::chrono::seconds connect_timeout{5}, idle_timeout{20};
  int attempts = 6;                              ///< of each request, with exponential backoff between them
  const std::atomic<bool>* cancelled = nullptr;  ///< if it turns true, calls end soon, with unavailable
};

/// Buckets of any service that speaks S3. Requests are signed with the keys of CredentialSource; connections are kept;
/// failures that may pass (no answer, 5xx, 429) are retried. Large objects are read in ranges and written in parts.
/// Conditional puts are retried, too: one whose first answer was lost fails with PreconditionFailed.
/// What lies in the system bucket below its prefix is reached as kSystemBucket only: under its real name it is refused
/// (access_denied).
/// Contents that a killed process left in the spool are removed. Throws std::filesystem::filesystem_error if the spool
/// cannot be used.
std::unique_ptr<ObjectStore> open_s3_objects(S3StoreOptions options, const Clock& clock);

}  // namespace vedette
