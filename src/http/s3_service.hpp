#pragma once

#include "http/wire_service.hpp"
#include "store/objects/buckets.hpp"

namespace vedette {

struct S3ServiceOptions {
  /// Requests to <bucket>.<domain> name their bucket by the host; all others by the path. Empty: always by the path.
  std::string domain;
  std::string region = "us-east-1";  ///< told to callers that name none; buckets exist in every region
  bool accepts_presigned_v2 = true;
};

/// Buckets and objects; docs/s3.md says which operations. Thread-safe.
class S3Service : public WireService {
 public:
  /// No store: the objects are kept elsewhere, and every request is told so.
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
  [[nodiscard]] std::string bucket_and_key(const RequestHead& head) const;  ///< path-style, percent-encoded
  [[nodiscard]] std::string region_of(const RequestHead& head) const;       ///< that the caller signed for, if any
  HeaderList cors_headers(const RequestHead& head, std::string_view method,
                          const std::optional<std::string>& requested_headers);
  BucketStore* objects_;
  const S3ServiceOptions options_;
};

}  // namespace vedette
