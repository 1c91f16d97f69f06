#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "audit/audit.hpp"
#include "auth/auth.hpp"
#include "domain/domain.hpp"
#include "http/exchange.hpp"
#include "store/objects/objects.hpp"

/// A service as the pipeline sees it: it recognises an operation by the head, says what body it wants, and runs it.
namespace vedette {

/// Who calls, known by the key alone until the signature is verified.
struct CallIdentity {
  Caller caller;
  Scope scope;
  std::string request_id;
  std::stop_token abandoned;  ///< requested when the caller hangs up
};

/// One call, from its head to its answer. Used by one thread at a time.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  std::string operation = "-";  ///< for the log
  std::uint64_t body_limit = 1 << 20;
  std::unique_ptr<StagedObject> content;  ///< if set, the body goes there instead of into memory
  HeaderList trailers;                    ///< of a body in the coding aws-chunked; set before run()
  std::optional<Error> oversize_error;    ///< what a body above the limit means, if not simply too_large

  /// The body is whole, its hash and the signature are verified. `audit` is empty but for what the pipeline knows; if
  /// its name is set afterwards, it is written.
  virtual Result<Response> run(std::string_view body, AuditEvent& audit) = 0;
};

class WireService {
 public:
  virtual ~WireService() = default;
  /// In credential scopes: "lookoutvision".
  [[nodiscard]] virtual std::string_view signing_name() const = 0;
  /// Whether the call, if it is one, may wait in a model's queue.
  [[nodiscard]] virtual bool waits_for_model(const RequestHead&) const { return false; }
  /// Nothing that costs much or changes anything happens here: the signature may not be verified yet.
  virtual Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) = 0;
  [[nodiscard]] virtual Response encode_error(const Error& error, const RequestHead& head,
                                              const std::string& request_id) const = 0;
  /// Presigned URLs of Signature Version 2 name no region: the one that they count for, or nothing if they are not accepted.
  [[nodiscard]] virtual std::optional<std::string> presigned_v2_region() const { return std::nullopt; }
  /// What Version 2 signs as the path (SignableRequest::resource).
  [[nodiscard]] virtual std::string signed_resource(const RequestHead& head) const { return head.path; }
  /// Why a request without any signature is refused.
  [[nodiscard]] virtual Error unsigned_error(const RequestHead&, const Error& error) const { return error; }
  /// An answer to a browser that asks, unsigned, what another origin's page may do here (CORS).
  virtual std::optional<Response> preflight(const RequestHead&) { return std::nullopt; }
  /// Adds what a browser needs to show an answer, also an error, to a page of another origin.
  virtual void add_cors_headers(const RequestHead&, Response&) {}
  /// The header that carries the request id.
  [[nodiscard]] virtual std::string_view request_id_header() const { return "x-amzn-RequestId"; }
  /// S3's rules for payloads: x-amz-content-sha256 must be there, and may say UNSIGNED-PAYLOAD; presigned URLs leave the
  /// body unsigned. All others sign every body, and leave it unsigned over TLS only, if the client says so.
  [[nodiscard]] virtual bool has_s3_payloads() const { return false; }
};

}  // namespace vedette
