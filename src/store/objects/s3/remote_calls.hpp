#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.hpp"
#include "http_client/http_client.hpp"
#include "store/objects/s3/s3_objects.hpp"

namespace vedette {

/// Sends signed requests to an S3 service. It takes care of connections, retries, the regions of buckets, and errors.
/// Thread-safe.
class RemoteCalls {
 public:
  RemoteCalls(const S3StoreOptions& options, const Clock& clock) : options_(options), credentials_(clock) {}

  struct Request {
    std::string method = {};
    std::string bucket = {}, key = {};  ///< An empty key means the bucket itself.
    std::vector<std::pair<std::string, std::string>> query = {};
    HeaderList headers = {};
    std::string_view body = {};
    std::uint64_t largest_answer = 64 << 20;
  };
  /// Returns an answer with a status below 300, or 304. Every other status is an error with S3's code.
  Result<HttpResponse> send(const Request& request);

 private:
  Result<HttpResponse> send_once(const Request& request, ServiceClient& client);
  std::unique_ptr<ServiceClient> take();
  void give_back(std::unique_ptr<ServiceClient> client);
  std::string region_of(const std::string& bucket);
  bool learn_region(const std::string& bucket, const HttpResponse& answer);
  /// Waits. Returns false if the wait was cut short.
  [[nodiscard]] bool wait(std::chrono::milliseconds time) const;
  [[nodiscard]] bool is_cancelled() const { return options_.cancelled != nullptr && *options_.cancelled; }

  const S3StoreOptions& options_;
  CredentialSource credentials_;
  Mutex mutex_;
  std::vector<std::unique_ptr<ServiceClient>> idle_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> regions_
      GUARDED_BY(mutex_);  // The regions of buckets that are not in options_.region.
};

/// Returns the error that an answer means.
Error error_of(const HttpResponse& answer, const RemoteCalls::Request& request);

/// One page of an answer to ListObjectsV2.
struct RemotePage {
  std::vector<ObjectInfo> objects;
  bool is_truncated = false;
};
Result<RemotePage> parse_listing(std::string_view xml);
/// Returns the text of one element below the root, or an empty text if there is no such element.
std::string element_text(std::string_view xml, const char* name);

}  // namespace vedette
