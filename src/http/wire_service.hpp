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

/// Describes a service as the pipeline sees it: the service recognises an operation by the head, says what body it
/// wants, and runs it.
namespace vedette {

/// Says who calls. Until the signature is verified, only the key that the request names is known.
struct CallIdentity {
  Caller caller;
  Scope scope;
  std::string request_id;
  std::stop_token abandoned;  ///< requested when the caller hangs up
  bool is_passed_on = false;  ///< by another node, which has counted the call in its part of the rate
};

/// One call, from its head to its answer. Only one thread at a time may use it.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  std::string operation = "-";  ///< the operation's name for the log
  std::uint64_t body_limit = 1 << 20;
  std::unique_ptr<StagedObject> content;  ///< if set, the body is written there and not kept in memory
  HeaderList trailers;                    ///< trailers of an aws-chunked body; set before run()
  std::optional<Error> oversize_error;    ///< the error for a body above the limit, if it is not too_large

  /// Runs the operation. The body is complete, and its hash and the signature are verified. `audit` holds only what the
  /// pipeline knows; if its name is set when this returns, the pipeline writes it.
  virtual Result<Response> run(std::string_view body, AuditEvent& audit) = 0;
};

class WireService {
 public:
  virtual ~WireService() = default;
  /// The service's name in credential scopes, such as "lookoutvision".
  [[nodiscard]] virtual std::string_view signing_name() const = 0;
  /// Returns whether the call may wait in a model's queue. The request need not be a valid call.
  [[nodiscard]] virtual bool waits_for_model(const RequestHead&) const { return false; }
  /// Recognises the operation. It must do nothing that costs much or changes anything, because the signature may not be
  /// verified yet.
  virtual Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) = 0;
  [[nodiscard]] virtual Response encode_error(const Error& error, const RequestHead& head,
                                              const std::string& request_id) const = 0;
  /// Returns the region for which presigned URLs of Signature Version 2, which name none, are valid. Returns nothing if
  /// the service does not accept such URLs.
  [[nodiscard]] virtual std::optional<std::string> presigned_v2_region() const { return std::nullopt; }
  /// Returns the path that Version 2 signs (SignableRequest::resource).
  [[nodiscard]] virtual std::string signed_resource(const RequestHead& head) const { return head.path; }
  /// Returns the error for a request without any signature.
  [[nodiscard]] virtual Error unsigned_error(const RequestHead&, const Error& error) const { return error; }
  /// Returns the answer to a browser that asks, without a signature, what a page of another origin may do here (CORS).
  virtual std::optional<Response> preflight(const RequestHead&) { return std::nullopt; }
  /// Adds the headers that a browser needs to show an answer or an error to a page of another origin.
  virtual void add_cors_headers(const RequestHead&, Response&) {}
  /// The name of the header that carries the request id.
  [[nodiscard]] virtual std::string_view request_id_header() const { return "x-amzn-RequestId"; }
  /// Returns whether S3's rules for payloads apply: x-amz-content-sha256 must be there and may be UNSIGNED-PAYLOAD, and
  /// presigned URLs do not sign the body. In all other services every body is signed, unless the client says over TLS
  /// that it is not.
  [[nodiscard]] virtual bool has_s3_payloads() const { return false; }
};

}  // namespace vedette
