#pragma once

#include "http/wire_service.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

/// Buckets and objects, as far as clients of the original service need them. Thread-safe.
class S3Service : public WireService {
 public:
  /// Requests to <bucket>.<domain> name their bucket by the host; all others by the path. Empty: always by the path.
  S3Service(ObjectStore& objects, std::string domain) : objects_(objects), domain_(std::move(domain)) {}
  [[nodiscard]] std::string_view signing_name() const override { return "s3"; }
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) override;
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead& head,
                                      const std::string& request_id) const override;
  [[nodiscard]] std::string_view request_id_header() const override { return "x-amz-request-id"; }
  [[nodiscard]] bool has_s3_payloads() const override { return true; }

 private:
  ObjectStore& objects_;
  const std::string domain_;
};

}  // namespace vedette
