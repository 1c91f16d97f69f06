#pragma once

#include "http/wire_service.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

/// Buckets and objects, as far as clients of the original service need them. Thread-safe.
class S3Service : public WireService {
 public:
  explicit S3Service(ObjectStore& objects) : objects_(objects) {}
  [[nodiscard]] std::string_view signing_name() const override { return "s3"; }
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) override;
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead& head,
                                      const std::string& request_id) const override;
  [[nodiscard]] std::string_view request_id_header() const override { return "x-amz-request-id"; }
  [[nodiscard]] bool has_s3_payloads() const override { return true; }

 private:
  ObjectStore& objects_;
};

}  // namespace vedette
