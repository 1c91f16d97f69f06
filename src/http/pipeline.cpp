#include "http/pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <utility>

#include "base/digest.hpp"
#include "base/disk_full.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "http/peer_address.hpp"
#include "http/response_headers.hpp"
#include "signing/chunked.hpp"
#include "signing/presigned_headers.hpp"
#include "signing/signature_v2.hpp"

namespace vedette {
namespace {

constexpr const char* kUnsignedPayload = "UNSIGNED-PAYLOAD";
constexpr std::size_t kLongestUserAgent = 1024;
constexpr std::uint64_t kChunkedOverhead = 64 << 10;
/// The time before a client is told that its call was throttled. During this time only a timer waits for it. Without
/// the pause, clients that call again at once, as many do, would take the machine from those whose calls were admitted.
constexpr std::chrono::milliseconds kThrottledHold{500};
constexpr int kThrottledStatus = 429;

/// Divides the time of a request into stages. Every moment belongs to exactly one stage, so that together they make up
/// the whole time.
class StageClock {
 public:
  enum Stage { body, wait, verify, work };
  /// Adds the time since the last call of this function, or since the clock was made, to the stage.
  void spent_in(Stage stage) {
    const auto now = Clock::now();
    spent_[stage] += now - last_;
    last_ = now;
  }
  [[nodiscard]] double ms(Stage stage) const { return spent_[stage].count(); }
  [[nodiscard]] double total_ms() const {
    return std::accumulate(spent_.begin(), spent_.end(), Milliseconds{}).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  Clock::time_point last_ = Clock::now();
  std::array<Milliseconds, 4> spent_{};
};

/// Writes the stages as the header Server-Timing has them (W3C Server Timing).
std::string to_server_timing(const Stages& stages) {
  std::string out;
  for (const auto& [name, ms] : stages) out += fmt::format("{}{};dur={:.3f}", out.empty() ? "" : ", ", name, ms);
  return out;
}

/// Returns the service whose form errors have if the request is not signed well enough to say which service it means.
std::string_view service_by_path(const RequestHead& head) {
  if (head.path.starts_with("/2020-11-20/")) return "lookoutvision";
  if (head.path.starts_with("/2026-11-01/")) return "vedette";
  const bool is_form = header_value(head.headers, "content-type").starts_with("multipart/form-data");
  if (head.path == "/" && head.method == "POST" && !is_form) return "sts";
  return "s3";
}

Error wrong_signature_error() {
  return fail(ErrorKind::unauthenticated,
              "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
              "Access Key and signing method.",
              "SignatureDoesNotMatch");
}

}  // namespace

class PipelineExchange : public Exchange {
 public:
  PipelineExchange(Pipeline& pipeline, RequestHead head) : pipeline_(pipeline), head_(std::move(head)) {
    identity_.request_id = random_uuid();
    if (const auto client = pipeline.relay_ ? pipeline.relay_->client_of(head_) : std::nullopt) {
      passed_on_by_ = std::exchange(head_.remote_address, client->address);
      head_.is_secure = client->is_secure;
      head_.is_body_protected = client->is_body_protected;
      identity_.is_passed_on = true;
    }
    identity_.abandoned = head_.abandoned;
    context_ = log::Context{{"request", identity_.request_id}};
  }
  ~PipelineExchange() override {
    const log::Scope scope(context_);
    call_.reset();  // the call may give up what it has staged
  }

  void hand_over() override {
    times_.spent_in(StageClock::body);
    is_handed_over_ = true;
  }
  [[nodiscard]] log::Context log_context() const override { return context_; }

  std::optional<Response> begin() override {
    const log::Scope scope(context_);
    arrive();
    if (auto answer = pipeline_.open_paths_.answer(head_)) return done(std::move(*answer));
    service_ = pipeline_.service_named(service_by_path(head_));
    Result<void> ok;
    try {
      if (head_.method == "OPTIONS")
        if (auto answer = service_->preflight(head_)) return done(std::move(*answer));
      ok = check_head();
    } catch (const std::exception& e) {
      ok = error_of(e);
    }
    times_.spent_in(StageClock::verify);
    if (!ok) return done(refuse(ok.error()));
    return std::nullopt;
  }

  [[nodiscard]] std::uint64_t body_limit() const override {
    // The coding adds a line to each chunk.
    return chunked_ ? call_->body_limit + call_->body_limit / 64 + kChunkedOverhead : call_->body_limit;
  }
  [[nodiscard]] bool is_verified() const override { return is_verified_; }
  [[nodiscard]] bool accept_blocks() const override { return call_->content != nullptr; }
  [[nodiscard]] bool waits_for_model() const override {
    return pipeline_.service_named(service_by_path(head_))->waits_for_model(head_);
  }

  Result<void> accept(std::span<const std::uint8_t> bytes) override {
    const log::Scope scope(context_);
    const auto take = [this](std::span<const std::uint8_t> content) -> Result<void> {
      if (call_->content) return call_->content->write(content);
      body_.append(as_text(content));
      return {};
    };
    return chunked_ ? chunked_->feed(bytes, take) : take(bytes);
  }

  Response finish() override {
    const log::Scope scope(context_);
    arrive();
    std::string actual;
    if (chunked_) {
      if (auto ok = chunked_->finish(); !ok) return done(refuse(ok.error()));
      call_->trailers = chunked_->trailers();
    }
    if (call_->content) {
      auto hash = call_->content->finish();
      if (!hash) return done(refuse(hash.error()));
      actual = *hash;
    }
    times_.spent_in(StageClock::body);
    if (!call_->content) actual = sha256_hex(body_);
    if (!is_verified_) {
      if (!verify(authorization_, signable(), actual, secret_)) return done(refuse(wrong_signature()));
      is_verified_ = true;
    } else if (!chunked_ && declared_hash_ != kUnsignedPayload && !equal_in_constant_time(actual, declared_hash_)) {
      return done(refuse(fail(ErrorKind::invalid_input,
                              "The provided 'x-amz-content-sha256' header does not match what was computed.",
                              "XAmzContentSHA256Mismatch")));
    }
    times_.spent_in(StageClock::verify);
    AuditEvent event;
    auto response = run(event);
    if (!event.name.empty()) write_audit(event);
    return done(response ? std::move(*response) : refuse(response.error()));
  }

  Response abort(const Error& error) override {
    const log::Scope scope(context_);
    arrive();
    return done(refuse(error.kind == ErrorKind::too_large && call_->oversize_error ? *call_->oversize_error : error));
  }

 private:
  /// Notes that a thread of the pool has begun to work on the request.
  void arrive() { times_.spent_in(std::exchange(is_handed_over_, false) ? StageClock::wait : StageClock::body); }

  SignableRequest signable() const {
    return {head_.method, head_.path, head_.query, head_.headers,
            authorization_.is_version_2 ? service_->signed_resource(head_) : std::string()};
  }

  Result<Authorization> read_authorization() const {
    if (!header_value(head_.headers, "authorization").empty() || !is_presigned_v2(head_.query)) {
      auto authorization = parse_authorization(signable());
      if (!authorization && authorization.error().code == "MissingAuthenticationToken")
        return service_->unsigned_error(head_, authorization.error());
      return authorization;
    }
    const auto region = service_->presigned_v2_region();
    if (!region)
      return fail(ErrorKind::unauthenticated,
                  std::string("Presigned URLs of Signature Version 2 are not accepted here. ") + kHowToSignWithVersion4,
                  "InvalidRequest");
    auto authorization = parse_presigned_v2(head_.query);
    if (authorization) authorization->credential.region = *region;
    return authorization;
  }

  /// Takes the query parameters of a presigned S3 URL that stand for headers into the headers. All later steps read
  /// them there.
  Result<void> take_presigned_headers() {
    if (!authorization_.is_presigned || !service_->has_s3_payloads()) return {};
    auto headers = presigned_headers(head_.query, head_.headers);
    std::erase_if(headers, [](const auto& header) { return is_presigned_checksum(header.first); });
    if (!are_sendable(headers))
      return fail(ErrorKind::invalid_input, "The URL stands for a header that no request could have.",
                  "InvalidArgument");
    for (auto& header : headers) head_.headers.push_back(std::move(header));
    return {};
  }

  Error wrong_signature() { return failed_signature(wrong_signature_error()); }

  /// Returns the error, or that the key has had too many errors: errors are counted for each key in each network of
  /// callers, and all keys that do not exist share one count per network. Temporary keys count as the key that they came
  /// from. Wrong signatures never delay right ones.
  Error failed_signature(Error error) {
    const auto& caller = identity_.caller;
    const auto key = (caller.source_key_id.empty() ? caller.access_key_id : caller.source_key_id) + "@" +
                     network_of(head_.remote_address);
    const auto ok = pipeline_.failures_.admit(key, std::chrono::steady_clock::now());
    if (ok) return error;
    auto slow = ok.error();
    slow.message = "Too many requests with wrong signatures. Correct the credentials, and try again later.";
    if (service_->has_s3_payloads()) slow.code = "SlowDown";
    return slow;
  }

  Result<void> check_head() {
    auto authorization = read_authorization();
    if (!authorization) return authorization.error();
    authorization_ = std::move(*authorization);
    auto* named = pipeline_.service_named(authorization_.credential.service);
    if (named == nullptr)
      return fail(ErrorKind::unauthenticated, "Credential should be scoped to one of the services of this server.",
                  "SignatureDoesNotMatch");
    service_ = named;
    if (auto ok = check_time(authorization_, pipeline_.clock_.now()); !ok) return ok;
    if (auto ok = check_signed_headers(authorization_, head_.headers); !ok) return ok;
    if (auto ok = take_presigned_headers(); !ok) return ok;
    auto known =
        pipeline_.authenticator_.authenticate({authorization_.credential.access_key_id, session_token(signable())});
    if (!known)
      return known.error().kind == ErrorKind::unauthenticated ? failed_signature(known.error()) : known.error();
    identity_.caller = std::move(known->caller);
    identity_.caller.source_ip = head_.remote_address;
    identity_.caller.is_secure = head_.is_secure;
    identity_.scope = {identity_.caller.account, authorization_.credential.region};
    secret_ = std::move(known->signing_secret);
    if (auto ok = check_payload_hash(); !ok) return ok;
    const auto& regions = pipeline_.regions_;
    if (!regions.empty() && std::find(regions.begin(), regions.end(), identity_.scope.region) == regions.end())
      return fail(ErrorKind::unauthenticated, "Credential should be scoped to a valid region.",
                  "SignatureDoesNotMatch");
    auto call = service_->open(head_, identity_);
    if (!call) return call.error();
    call_ = std::move(*call);
    if (chunked_ && chunked_->decoded_length() > call_->body_limit)
      return fail(ErrorKind::too_large, "Your proposed upload exceeds the maximum allowed object size.",
                  "EntityTooLarge");
    return {};
  }

  /// If the client says what the hash of the body is, the signature can be checked before the body is read.
  Result<void> check_payload_hash() {
    declared_hash_ = std::string(header_value(head_.headers, "x-amz-content-sha256"));
    const bool is_s3 = service_->has_s3_payloads();
    if (authorization_.is_presigned && is_s3) declared_hash_ = kUnsignedPayload;
    if (declared_hash_.starts_with("STREAMING-")) return begin_chunked();
    if (declared_hash_.empty()) {
      if (is_s3)
        return fail(ErrorKind::invalid_input, "Missing required header for this request: x-amz-content-sha256",
                    "InvalidArgument");
      return {};
    }
    if (declared_hash_ == kUnsignedPayload && !is_s3 && !head_.is_body_protected)
      return fail(
          ErrorKind::unauthenticated,
          "An unsigned payload is accepted over TLS, from the server's own machine and from trusted proxies only.",
          "SignatureDoesNotMatch");
    if (!verify(authorization_, signable(), declared_hash_, secret_)) return wrong_signature();
    declared_hash_ = declared_hash_ == kUnsignedPayload ? declared_hash_ : to_lower(declared_hash_);
    is_verified_ = true;
    return {};
  }

  /// Begins a chunked body. The signature of the head covers the head as it is; chunks and trailer follow, and each may
  /// have a signature of its own.
  Result<void> begin_chunked() {
    const auto format = parse_chunked_format(declared_hash_);
    if (!format || !service_->has_s3_payloads())
      return fail(ErrorKind::unsupported, "This server does not offer the payload signature " + declared_hash_ + ".",
                  "NotImplemented");
    const auto length = parse_integer(trim(header_value(head_.headers, "x-amz-decoded-content-length")));
    if (!length || *length < 0)
      return fail(ErrorKind::invalid_input, "You must provide the x-amz-decoded-content-length HTTP header.",
                  "MissingContentLength");
    if (!verify(authorization_, signable(), declared_hash_, secret_)) return wrong_signature();
    is_verified_ = true;
    chunked_.emplace(*format, static_cast<std::uint64_t>(*length), authorization_, secret_);
    return {};
  }

  Result<Response> run(AuditEvent& event) {
    try {
      return call_->run(body_, event);
    } catch (const std::exception& e) {
      return error_of(e);  // the client gets the error in the service's own form
    }
  }

  void write_audit(AuditEvent& event) const {
    const auto& caller = identity_.caller;
    event.account = caller.account;
    event.user = caller.user;
    event.user_arn = caller.arn();
    event.access_key_id = caller.access_key_id;
    event.source_key_id = caller.source_key_id;
    event.region = identity_.scope.region;
    event.source_ip = head_.remote_address;
    event.user_agent = std::string(header_value(head_.headers, "user-agent").substr(0, kLongestUserAgent));
    event.request_id = identity_.request_id;
    if (event.error_code == "InternalServerException") event.error_message = "The server failed.";
    pipeline_.audit_.write(event);
  }

  Response refuse(Error error) const {
    if (error.kind == ErrorKind::internal) {
      // Details of the failure (paths, messages of the system) go only into the log, where the request id finds them.
      log::error("internal error", {{"reason", error.message}});
      error.message = "The server failed. Its log says more under the request id " + identity_.request_id + ".";
    }
    auto response = service_->encode_error(error, head_, identity_.request_id);
    // The node that passed the call on may find another one; otherwise it lets the client wait.
    if (error.kind == ErrorKind::throttled && passed_on_by_.empty()) response.hold = kThrottledHold;
    return response;
  }

  /// Completes every answer: gives it the request id and the times of its stages, and logs one line. An answer of
  /// another node has all that.
  Response done(Response r) {
    if (!r.answered_by.empty()) {
      if (r.status == kThrottledStatus) r.hold = kThrottledHold;
      times_.spent_in(StageClock::work);
      log_answer(r);
      r.log_context = context_;
      return r;
    }
    r.headers.emplace_back(service_ ? service_->request_id_header() : "x-amzn-RequestId", identity_.request_id);
    if (service_ && !header_value(head_.headers, "origin").empty()) {
      try {
        service_->add_cors_headers(head_, r);
      } catch (const std::exception& e) {
        log::error("CORS", {{"reason", e.what()}});
      }
    }
    r.headers.emplace_back("date", to_http_date(pipeline_.clock_.now()));
    r.headers.emplace_back("server", "Vedette");
    times_.spent_in(StageClock::work);
    if (!r.stages.empty()) r.headers.emplace_back("server-timing", to_server_timing(all_stages(r.stages)));
    log_answer(r);
    r.log_context = context_;
    return r;
  }

  /// Returns the stages before the operation, those of the operation itself, and the whole time.
  [[nodiscard]] Stages all_stages(const Stages& operation) const {
    Stages all = {{"body", times_.ms(StageClock::body)},
                  {"wait", times_.ms(StageClock::wait)},
                  {"verify", times_.ms(StageClock::verify)}};
    all.insert(all.end(), operation.begin(), operation.end());
    all.emplace_back("total", times_.total_ms());
    return all;
  }

  void log_answer(const Response& r) const {
    const auto text = [](double ms) { return fmt::format("{:.2f}", ms); };
    std::vector<log::Field> fields = {{"operation", call_ ? call_->operation : "-"},
                                      {"method", head_.method},
                                      {"path", head_.path.substr(0, 300)},
                                      {"status", std::to_string(r.status)},
                                      {"ms", text(times_.total_ms())},
                                      {"body_ms", text(times_.ms(StageClock::body))},
                                      {"wait_ms", text(times_.ms(StageClock::wait))},
                                      {"verify_ms", text(times_.ms(StageClock::verify))},
                                      {"work_ms", text(times_.ms(StageClock::work))}};
    std::vector<std::string> names;
    for (const auto& [name, ms] : r.stages) names.push_back(name + "_ms");
    for (std::size_t i = 0; i < names.size(); ++i) fields.emplace_back(names[i], text(r.stages[i].second));
    const auto& user = identity_.caller.user;
    // The name of a caller who was not verified is not logged, because anybody can claim a name.
    fields.emplace_back("caller", is_verified_ && !user.empty() ? user : "-");
    fields.emplace_back("claimed", is_verified_ || user.empty() ? "-" : user);
    fields.emplace_back("remote", head_.remote_address);
    if (!passed_on_by_.empty()) fields.emplace_back("passed_on_by", passed_on_by_);
    if (!r.answered_by.empty()) {
      fields.emplace_back("passed_on_to", r.answered_by);
      for (const auto& [name, value] : r.headers)
        if (equals_ignore_case(name, service_->request_id_header())) fields.emplace_back("answered_as", value);
    }
    log::info("request", fields);
  }

  Pipeline& pipeline_;
  RequestHead head_;
  StageClock times_;
  bool is_handed_over_ = false;
  std::string passed_on_by_;  // the address of the node that passed the call on, if one did
  CallIdentity identity_;
  log::Context context_;
  WireService* service_ = nullptr;  // the service whose form errors have; set before any error occurs
  Authorization authorization_;
  std::string secret_, declared_hash_;
  bool is_verified_ = false;
  std::optional<ChunkedDecoder> chunked_;
  std::unique_ptr<PendingCall> call_;
  std::string body_;
};

WireService* Pipeline::service_named(std::string_view signing_name) const {
  for (auto* service : services_)
    if (service->signing_name() == signing_name) return service;
  return nullptr;
}

std::unique_ptr<Exchange> Pipeline::open(RequestHead head) {
  return std::make_unique<PipelineExchange>(*this, std::move(head));
}

}  // namespace vedette
