#include "http/pipeline.hpp"

#include <fmt/format.h>

#include <chrono>

#include "api/lookoutvision/messages.hpp"
#include "api/s3/messages.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "http/operations.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kJsonLimit = 1 << 20;
constexpr std::uint64_t kChangesLimit = 15 << 20;  // 10 MiB as base64, and the JSON around it
constexpr std::uint64_t kImageLimit = 8 << 20;
constexpr std::uint64_t kObjectLimit = 5ULL << 30;  // S3's largest single put
constexpr std::uint64_t kXmlLimit = 1 << 20;
constexpr const char* kUnsignedPayload = "UNSIGNED-PAYLOAD";

enum class Service { lookoutvision, s3, unknown };

Service service_named(std::string_view name) {
  if (name == "lookoutvision") return Service::lookoutvision;
  if (name == "s3") return Service::s3;
  return Service::unknown;
}

/// The dialect for errors of requests that are not signed well enough to say which service they mean.
Service service_by_path(std::string_view path) {
  return path.starts_with("/2020-11-20/") ? Service::lookoutvision : Service::s3;
}

}  // namespace

class PipelineExchange : public Exchange {
 public:
  PipelineExchange(Pipeline& pipeline, RequestHead head)
      : pipeline_(pipeline),
        head_(std::move(head)),
        request_id_(random_uuid()),
        start_(std::chrono::steady_clock::now()) {}

  std::optional<Response> begin() override {
    if (auto open_answer = answer_unsigned()) return done(std::move(*open_answer));
    service_ = service_by_path(head_.path);
    if (auto ok = check_head(); !ok) return done(refuse(ok.error()));
    return std::nullopt;
  }

  [[nodiscard]] std::uint64_t body_limit() const override { return body_limit_; }
  [[nodiscard]] bool accept_blocks() const override { return staged_ != nullptr; }

  Result<void> accept(std::span<const std::uint8_t> bytes) override {
    if (staged_) return staged_->write(bytes);
    body_.append(as_text(bytes));
    return {};
  }

  Response finish() override {
    std::string actual;
    if (staged_) {
      auto hash = staged_->finish();
      if (!hash) return done(refuse(hash.error()));
      actual = *hash;
    } else {
      actual = sha256_hex(body_);
    }
    if (!is_verified_) {
      if (!verify(authorization_, signable(), actual, secret_)) return done(refuse(wrong_signature()));
    } else if (declared_hash_ != kUnsignedPayload && !equal_in_constant_time(actual, declared_hash_)) {
      return done(refuse(fail(ErrorKind::invalid_input,
                              "The provided 'x-amz-content-sha256' header does not match what was computed.",
                              "XAmzContentSHA256Mismatch")));
    }
    const Scope scope{caller_.account, authorization_.credential.region};
    if (service_ == Service::s3) {
      auto response =
          run_s3(S3Call{pipeline_.objects_, caller_, scope, *s3_request_, head_.headers, std::move(staged_)});
      return done(response ? std::move(*response) : refuse(response.error()));
    }
    auto response =
        run_lookoutvision(LookoutVisionCall{pipeline_.lookout_vision_, caller_, scope, *route_, head_, body_});
    return done(response ? std::move(*response) : refuse(response.error()));
  }

  Response abort(const Error& error) override {
    // An image above the limit is invalid input to its operation; other bodies are simply too large.
    if (error.kind == ErrorKind::too_large && service_ == Service::lookoutvision && route_ &&
        route_->operation->has_payload())
      return done(refuse(invalid_input("The image exceeds 8 MB.")));
    return done(refuse(error));
  }

 private:
  SignableRequest signable() const { return {head_.method, head_.path, head_.query, head_.headers}; }

  static Error wrong_signature() {
    return fail(ErrorKind::unauthenticated,
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method.",
                "SignatureDoesNotMatch");
  }

  /// The reserved paths that need no signature.
  std::optional<Response> answer_unsigned() const {
    if (head_.method != "GET" && head_.method != "HEAD") return std::nullopt;
    Response r;
    r.headers.emplace_back("content-type", "text/plain; charset=utf-8");
    if (head_.path == "/healthz" || head_.path == "/readyz") {
      r.body = "ok\n";
      return r;
    }
    const bool is_signed = !header_value(head_.headers, "authorization").empty() ||
                           head_.query.find("X-Amz-Signature") != std::string::npos;
    if (head_.path == "/" && !is_signed) {
      r.body = "Vedette is running. Point an AWS client for lookoutvision and s3 at this address.\n";
      return r;
    }
    return std::nullopt;
  }

  Result<void> check_head() {
    auto authorization = parse_authorization(signable());
    if (!authorization) return authorization.error();
    authorization_ = std::move(*authorization);
    const auto named = service_named(authorization_.credential.service);
    if (named == Service::unknown)
      return fail(ErrorKind::unauthenticated,
                  "Credential should be scoped to one of the services of this server: lookoutvision, s3.",
                  "SignatureDoesNotMatch");
    service_ = named;
    if (auto ok = check_time(authorization_, pipeline_.clock_.now()); !ok) return ok;
    auto key = pipeline_.keys_.look_up(authorization_.credential.access_key_id);
    if (!key) return key.error();
    caller_ = std::move(key->caller);
    secret_ = std::move(key->secret);
    if (auto ok = check_payload_hash(); !ok) return ok;
    return service_ == Service::s3 ? begin_s3() : begin_lookoutvision();
  }

  /// If the client says what the body hashes to, the signature can be checked before the body is read.
  Result<void> check_payload_hash() {
    declared_hash_ = std::string(header_value(head_.headers, "x-amz-content-sha256"));
    if (authorization_.is_presigned) declared_hash_ = kUnsignedPayload;
    if (declared_hash_.starts_with("STREAMING-"))
      return fail(ErrorKind::unsupported,
                  "This server does not offer chunked signatures (aws-chunked); sign the whole payload.",
                  "NotImplemented");
    if (declared_hash_.empty()) {
      if (service_ == Service::s3)
        return fail(ErrorKind::invalid_input, "Missing required header for this request: x-amz-content-sha256",
                    "InvalidArgument");
      return {};
    }
    if (!verify(authorization_, signable(), declared_hash_, secret_)) return wrong_signature();
    declared_hash_ = declared_hash_ == kUnsignedPayload ? declared_hash_ : to_lower(declared_hash_);
    is_verified_ = true;
    return {};
  }

  Result<void> begin_lookoutvision() {
    auto route = lookoutvision::api_model().route(head_.method, head_.path);
    if (!route) return route.error();
    route_ = std::move(*route);
    const auto& name = route_->operation->name;
    body_limit_ = route_->operation->has_payload() ? kImageLimit
                  : name == "UpdateDatasetEntries" ? kChangesLimit
                                                   : kJsonLimit;
    return {};
  }

  Result<void> begin_s3() {
    const bool is_copy = !header_value(head_.headers, "x-amz-copy-source").empty();
    auto request = s3::parse_request(head_.method, head_.path, head_.query, is_copy);
    if (!request) return request.error();
    s3_request_ = std::move(*request);
    body_limit_ = kXmlLimit;
    const auto resource = s3_request_->key.empty() ? "arn:aws:s3:::" + s3_request_->bucket
                                                   : object_arn(s3_request_->bucket, s3_request_->key);
    if (auto ok = authorize(caller_, s3_request_->action, resource); !ok) return ok;
    if (s3_request_->kind == s3::OperationKind::put_object) {
      if (!pipeline_.objects_.has_bucket(s3_request_->bucket))
        return fail(ErrorKind::not_found, "The specified bucket does not exist", "NoSuchBucket");
      auto staged = pipeline_.objects_.stage();
      if (!staged) return staged.error();
      staged_ = std::move(*staged);
      body_limit_ = kObjectLimit;
    }
    return {};
  }

  Response refuse(Error error) const {
    Response r;
    if (error.kind == ErrorKind::internal) {
      // What went wrong inside (paths, the system's words) is for the log; the request id leads there.
      log::error("internal error", {{"request", request_id_}, {"reason", error.message}});
      error.message = "The server failed. Its log says more under the request id " + request_id_ + ".";
    }
    if (service_ == Service::s3) {
      auto wire = s3::encode_error(error, head_.path, request_id_);
      r.status = wire.status;
      r.headers.emplace_back("content-type", "application/xml");
      r.body = head_.method == "HEAD" ? "" : std::move(wire.body);
      return r;
    }
    auto wire = lookoutvision::encode_error(error);
    r.status = wire.status;
    r.headers.emplace_back("content-type", "application/json");
    r.headers.emplace_back("x-amzn-ErrorType", wire.name);
    if (wire.retry_after_seconds > 0) r.headers.emplace_back("retry-after", std::to_string(wire.retry_after_seconds));
    r.body = std::move(wire.body);
    return r;
  }

  /// Every answer passes here: request id, one log line.
  Response done(Response r) {
    if (service_ == Service::s3) {
      r.headers.emplace_back("x-amz-request-id", request_id_);
    } else {
      r.headers.emplace_back("x-amzn-RequestId", request_id_);
    }
    r.headers.emplace_back("date", to_http_date(pipeline_.clock_.now()));
    r.headers.emplace_back("server", "Vedette");
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_).count();
    const std::string operation = route_ ? route_->operation->name : s3_request_ ? s3_request_->action : "-";
    log::info("request", {{"id", request_id_},
                          {"operation", operation},
                          {"method", head_.method},
                          {"path", head_.path.substr(0, 300)},
                          {"status", std::to_string(r.status)},
                          {"ms", fmt::format("{:.2f}", static_cast<double>(us) / 1000)},
                          {"caller", caller_.user.empty() ? "-" : caller_.user},
                          {"remote", head_.remote_address}});
    return r;
  }

  Pipeline& pipeline_;
  const RequestHead head_;
  const std::string request_id_;
  const std::chrono::steady_clock::time_point start_;
  Service service_ = Service::unknown;
  Authorization authorization_;
  Caller caller_;
  std::string secret_, declared_hash_;
  bool is_verified_ = false;
  std::uint64_t body_limit_ = kJsonLimit;
  std::optional<ApiModel::Route> route_;
  std::optional<s3::Request> s3_request_;
  std::unique_ptr<StagedObject> staged_;
  std::string body_;
};

std::unique_ptr<Exchange> Pipeline::open(RequestHead head) {
  return std::make_unique<PipelineExchange>(*this, std::move(head));
}

}  // namespace vedette
