#include "http/sts_service.hpp"

#include <nlohmann/json.hpp>

#include "api/sts/messages.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kFormLimit = 64 << 10;

class StsCall : public PendingCall {
 public:
  StsCall(KeyRing& keys, const RequestHead& head, const CallIdentity& identity)
      : keys_(keys), head_(head), identity_(identity) {
    operation = "sts";
    body_limit = kFormLimit;
  }
  Result<Response> run(std::string_view body, AuditEvent& audit) override {
    const auto request = sts::parse_request(body.empty() ? std::string_view(head_.query) : body);
    if (!request) return request.error();
    audit.source = "sts.amazonaws.com";
    audit.needs_no_right = true;
    Response r;
    r.headers.emplace_back("content-type", "text/xml");
    if (request->action == sts::Request::Action::get_caller_identity) {
      audit.name = operation = "GetCallerIdentity";
      const auto& caller = identity_.caller;
      r.body = sts::encode_caller_identity(caller.account, caller.user, caller.arn(), identity_.request_id);
      return r;
    }
    audit.name = operation = "GetSessionToken";
    const auto made = keys_.create_session(identity_.caller, request->duration);
    audit.request_parameters = audit_parameters({{"DurationSeconds", request->duration.count()}});
    if (!made) {
      audit.error_code = sts::encode_error(made.error(), identity_.request_id).code;
      audit.error_message = made.error().message;
      return made.error();
    }
    audit.response_elements =
        audit_parameters({{"AccessKeyId", made->access_key_id}, {"Expiration", to_extended_iso8601(made->expires)}});
    r.headers.emplace_back("cache-control", "no-store");
    r.body = sts::encode_session_token({made->access_key_id, made->secret, made->session_token, made->expires},
                                       identity_.request_id);
    return r;
  }

 private:
  KeyRing& keys_;
  const RequestHead& head_;
  const CallIdentity& identity_;
};

}  // namespace

Result<std::unique_ptr<PendingCall>> StsService::open(const RequestHead& head, const CallIdentity& identity) {
  if (head.path != "/" || (head.method != "POST" && head.method != "GET"))
    return fail(ErrorKind::invalid_input, "The query protocol takes POST / with a form.", "InvalidAction");
  return std::unique_ptr<PendingCall>(std::make_unique<StsCall>(keys_, head, identity));
}

Response StsService::encode_error(const Error& error, const RequestHead&, const std::string& request_id) const {
  auto wire = sts::encode_error(error, request_id);
  Response r;
  r.status = wire.status;
  r.headers.emplace_back("content-type", "text/xml");
  r.body = std::move(wire.body);
  return r;
}

}  // namespace vedette
