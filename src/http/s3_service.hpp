#pragma once

#include "http/wire_service.hpp"
#include "store/objects/buckets.hpp"

namespace vedette {

struct S3ServiceOptions {
  /// If a request's host is <bucket>.<domain>, the host names the bucket; otherwise the path does. If this is empty,
  /// the path always does.
  std::string domain;
  std::string region = "us-east-1";  ///< the region for callers that name none; every bucket exists in all regions
  bool accepts_presigned_v2 = true;
};

/// Serves S3's buckets and objects; docs/s3.md says which operations. It is thread-safe.
class S3Service : public WireService {
 public:
  /// If `objects` is null, another service keeps the objects, and every request gets an error that says so.
  S3Service(BucketStore* objects, S3ServiceOptions options) : objects_(objects), options_(std::move(options)) {}
  [[nodiscard]] std::string_view signing_name() const override { return "s3"; }
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) override;
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead& head,
                                      const std::string& request_id) const override;
  std::optional<Response> preflight(const RequestHead& head) override;
  void add_cors_headers(const RequestHead& head, Response& response) override;
  [[nodiscard]] std::string_view request_id_header() const override { return "x-amz-request-id"; }
  [[nodiscard]] bool has_s3_payloads() const override { return true; }
  [[nodiscard]] std::optional<std::string> presigned_v2_region() const override;
  [[nodiscard]] std::string signed_resource(const RequestHead& head) const override;
  [[nodiscard]] Error unsigned_error(const RequestHead& head, const Error& error) const override;

 private:
  [[nodiscard]] std::string bucket_and_key(const RequestHead& head) const;  ///< "/bucket/key", percent-encoded
  [[nodiscard]] std::string region_of(
      const RequestHead& head) const;  ///< the region that the caller signed for, or the default
  HeaderList cors_headers(const RequestHead& head, std::string_view method,
                          const std::optional<std::string>& requested_headers);
  BucketStore* objects_;
  const S3ServiceOptions options_;
};

}  // namespace vedette
