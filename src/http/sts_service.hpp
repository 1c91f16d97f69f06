#pragma once

#include "http/wire_service.hpp"

namespace vedette {

/// Serves GetCallerIdentity, so that `aws sts get-caller-identity` says whose keys these are. Anybody with a key may
/// ask. It is thread-safe.
class StsService : public WireService {
 public:
  [[nodiscard]] std::string_view signing_name() const override { return "sts"; }
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) override;
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead& head,
                                      const std::string& request_id) const override;
};

}  // namespace vedette
