#pragma once

#include "auth/key_ring.hpp"
#include "http/wire_service.hpp"

namespace vedette {

/// Serves GetCallerIdentity, so that `aws sts get-caller-identity` says whose keys these are, and GetSessionToken, which
/// exchanges a key for temporary credentials. Anybody with a key may ask for both. It is thread-safe.
class StsService : public WireService {
 public:
  explicit StsService(KeyRing& keys) : keys_(keys) {}
  [[nodiscard]] std::string_view signing_name() const override { return "sts"; }
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) override;
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead& head,
                                      const std::string& request_id) const override;

 private:
  KeyRing& keys_;
};

}  // namespace vedette
