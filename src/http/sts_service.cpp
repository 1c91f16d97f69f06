#include "http/sts_service.hpp"

#include "api/sts/messages.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kFormLimit = 64 << 10;

class StsCall : public PendingCall {
 public:
  StsCall(const RequestHead& head, const CallIdentity& identity) : head_(head), identity_(identity) {
    operation = "sts";
    body_limit = kFormLimit;
  }
  Result<Response> run(std::string_view body, AuditEvent& audit) override {
    if (auto ok = sts::parse_action(body.empty() ? std::string_view(head_.query) : body); !ok) return ok.error();
    audit.name = operation = "GetCallerIdentity";
    audit.source = "sts.amazonaws.com";
    audit.needs_no_right = true;
    const auto& caller = identity_.caller;
    Response r;
    r.headers.emplace_back("content-type", "text/xml");
    r.body = sts::encode_caller_identity(caller.account, caller.user, caller.arn(), identity_.request_id);
    return r;
  }

 private:
  const RequestHead& head_;
  const CallIdentity& identity_;
};

}  // namespace

Result<std::unique_ptr<PendingCall>> StsService::open(const RequestHead& head, const CallIdentity& identity) {
  if (head.path != "/" || (head.method != "POST" && head.method != "GET"))
    return fail(ErrorKind::invalid_input, "The query protocol takes POST / with a form.", "InvalidAction");
  return std::unique_ptr<PendingCall>(std::make_unique<StsCall>(head, identity));
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
