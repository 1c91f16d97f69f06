#include "http/s3_service.hpp"

#include <nlohmann/json.hpp>

#include "api/s3/archive.hpp"
#include "api/s3/messages.hpp"
#include "base/text.hpp"
#include "http/s3_operations.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kObjectLimit = 5ULL << 30;  // the largest single put of S3
constexpr std::uint64_t kXmlLimit = 4 << 20;        // room for 1,000 keys of 1,024 bytes, escaped

class S3PendingCall : public PendingCall {
 public:
  S3PendingCall(BucketStore& objects, s3::Request request, const RequestHead& head, const CallIdentity& identity)
      : objects_(objects), request_(std::move(request)), head_(head), identity_(identity) {
    operation = request_.action;
    body_limit = kXmlLimit;
  }
  Result<Response> run(std::string_view body, AuditEvent& audit) override {
    S3Call call{objects_, identity_.caller,   identity_.scope, request_, head_.path, head_.headers, trailers,
                body,     std::move(content), is_archive};
    auto response = run_s3(call);
    if (changes_bucket() || is_archive) {
      audit.name = request_.action.substr(request_.action.find(':') + 1);
      audit.source = "s3.amazonaws.com";
      audit.is_read_only = false;
      nlohmann::json parameters{{"bucketName", request_.bucket}};
      if (is_archive) parameters.update({{"key", request_.key}, {"unpackedObjects", call.unpacked}});
      audit.request_parameters = audit_parameters(parameters);
      if (!response) {
        audit.error_code = response.error().code;
        audit.error_message = response.error().message;
      }
    }
    return response;
  }

  bool is_archive = false;  ///< whether the content is an archive that is unpacked

 private:
  /// Returns whether the operation is one of CloudTrail's management events. Operations on objects are data events,
  /// which CloudTrail also leaves out unless asked. An archive, which makes many objects at once, has a line all the
  /// same.
  [[nodiscard]] bool changes_bucket() const {
    using Kind = s3::OperationKind;
    switch (request_.kind) {
      case Kind::create_bucket:
      case Kind::delete_bucket:
      case Kind::put_versioning:
      case Kind::put_setting:
      case Kind::delete_setting:
        return true;
      default:
        return false;
    }
  }
  BucketStore& objects_;
  const s3::Request request_;
  const RequestHead& head_;
  const CallIdentity& identity_;
};

/// Returns the bucket that a host names: "line7" for "line7.s3.plant.example:8420" under the domain "s3.plant.example".
/// Returns an empty text if the host names none.
std::string bucket_of_host(std::string_view host, std::string_view domain) {
  host = host.substr(0, host.rfind(':') == std::string_view::npos ? host.size() : host.rfind(':'));
  if (domain.empty() || host.size() <= domain.size() + 1) return {};
  const auto at = host.size() - domain.size();
  if (!equals_ignore_case(host.substr(at), domain) || host[at - 1] != '.') return {};
  return to_lower(host.substr(0, at - 1));
}

/// Returns the bucket that a path names: "line7" for "/line7/a/b".
std::string bucket_of_path(const std::string& path) {
  return path.starts_with('/') ? path.substr(1, path.find('/', 1) - 1) : std::string();
}

}  // namespace

Result<std::unique_ptr<PendingCall>> S3Service::open(const RequestHead& head, const CallIdentity& identity) {
  if (objects_ == nullptr)
    return fail(ErrorKind::unsupported,
                "This server keeps its objects in another S3 service (--objects): send S3 requests there.",
                "NotImplemented");
  const bool is_copy = !header_value(head.headers, "x-amz-copy-source").empty();
  auto request = s3::parse_request(head.method, bucket_and_key(head), head.query, is_copy);
  if (!request) return request.error();
  const auto resource = request->key.empty() ? bucket_arn(request->bucket) : object_arn(request->bucket, request->key);
  // The body of DeleteObjects names the keys, each of which is authorised by itself.
  if (request->kind != s3::OperationKind::delete_objects)
    if (auto ok = authorize(identity.caller, request->action, resource); !ok) return ok.error();
  for (const char* name : {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"})
    if (const auto owner = header_value(head.headers, name); !owner.empty() && owner != identity.caller.account)
      return fail(ErrorKind::access_denied, "Access Denied", "AccessDenied");
  if (!request->key.empty() && !header_value(head.headers, "x-amz-tagging").empty())
    if (auto ok = authorize(identity.caller, "s3:PutObjectTagging", resource); !ok) return ok.error();
  if (auto ok = check_conditions(request->kind, head.headers); !ok) return ok.error();
  const bool is_put = request->kind == s3::OperationKind::put_object || request->kind == s3::OperationKind::upload_part;
  if (is_put || request->kind == s3::OperationKind::copy_object ||
      request->kind == s3::OperationKind::create_multipart_upload)
    if (auto ok = check_put_headers(head.headers); !ok) return ok.error();
  const auto is_archive = is_archive_to_unpack(request->kind, head.headers);
  if (!is_archive) return is_archive.error();
  if (is_put) {
    const auto has = objects_->has_bucket(request->bucket);
    if (!has) return has.error();
    if (!*has) return fail(ErrorKind::not_found, "The specified bucket does not exist", "NoSuchBucket");
  }
  auto call = std::make_unique<S3PendingCall>(*objects_, std::move(*request), head, identity);
  if (is_put) {
    auto staged = *is_archive ? Result<std::unique_ptr<StagedObject>>(hold_archive()) : objects_->stage();
    if (!staged) return staged.error();
    if (const auto algorithm = announced_checksum(head.headers)) (*staged)->add_checksum(*algorithm);
    call->content = std::move(*staged);
    call->is_archive = *is_archive;
    call->body_limit = *is_archive ? s3::kLargestArchive : kObjectLimit;
  }
  return std::unique_ptr<PendingCall>(std::move(call));
}

std::string S3Service::bucket_and_key(const RequestHead& head) const {
  const auto bucket = bucket_of_host(header_value(head.headers, "host"), options_.domain);
  return bucket.empty() ? head.path : "/" + bucket + (head.path == "/" ? "" : head.path);
}

std::optional<std::string> S3Service::presigned_v2_region() const {
  return options_.accepts_presigned_v2 ? std::optional(options_.region) : std::nullopt;
}

std::string S3Service::signed_resource(const RequestHead& head) const {
  const auto bucket = bucket_of_host(header_value(head.headers, "host"), options_.domain);
  return bucket.empty() ? head.path : "/" + bucket + head.path;
}

Error S3Service::unsigned_error(const RequestHead& head, const Error& error) const {
  // The form of a browser carries its signature in the body, which this server does not accept.
  if (head.method == "POST" && header_value(head.headers, "content-type").starts_with("multipart/form-data"))
    return fail(ErrorKind::unsupported,
                "This server does not offer uploads by forms (POST with a policy): presign a PUT instead.",
                "NotImplemented");
  return error;
}

HeaderList S3Service::cors_headers(const RequestHead& head, std::string_view method,
                                   const std::optional<std::string>& requested_headers) {
  if (objects_ == nullptr) return {};
  const auto bucket = bucket_of_path(bucket_and_key(head));
  if (!s3::is_bucket_name(bucket)) return {};
  const auto document = objects_->setting(bucket, "cors");
  if (!document || !*document) return {};
  const auto rules = s3::parse_cors(**document);
  return rules ? s3::cors_headers(*rules, header_value(head.headers, "origin"), method, requested_headers)
               : HeaderList();
}

std::optional<Response> S3Service::preflight(const RequestHead& head) {
  const auto method = header_value(head.headers, "access-control-request-method");
  if (method.empty() || header_value(head.headers, "origin").empty())
    return encode_error(fail(ErrorKind::invalid_input,
                             "Insufficient information. Origin and Access-Control-Request-Method request headers "
                             "needed.",
                             "BadRequest"),
                        head, {});
  Response r;
  r.headers = cors_headers(head, method, std::string(header_value(head.headers, "access-control-request-headers")));
  if (r.headers.empty())
    return encode_error(fail(ErrorKind::access_denied,
                             "CORSResponse: This CORS request is not allowed. This is usually because the evalution of "
                             "Origin, request method / Access-Control-Request-Method or "
                             "Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
                             "AccessForbidden"),
                        head, {});
  return r;
}

void S3Service::add_cors_headers(const RequestHead& head, Response& response) {
  if (head.method == "OPTIONS") return;  // the preflight has these headers already
  for (auto& header : cors_headers(head, head.method, std::nullopt)) response.headers.push_back(std::move(header));
}

std::string S3Service::region_of(const RequestHead& head) const {
  const auto authorization = parse_authorization({head.method, head.path, head.query, head.headers});
  return authorization ? authorization->credential.region : options_.region;
}

Response S3Service::encode_error(const Error& error, const RequestHead& head, const std::string& request_id) const {
  auto wire = s3::encode_error(error, head.path, request_id);
  Response r;
  r.status = wire.status;
  r.headers.emplace_back("content-type", "application/xml");
  // Clients learn a bucket's region from the answer that refuses them; to ask for it they send a HEAD without a key.
  if ((r.status == 400 || r.status == 403) && s3::is_bucket_name(bucket_of_path(bucket_and_key(head))))
    r.headers.emplace_back("x-amz-bucket-region", region_of(head));
  r.body = head.method == "HEAD" ? "" : std::move(wire.body);
  return r;
}

}  // namespace vedette
