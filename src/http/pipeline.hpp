#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "audit/audit.hpp"
#include "auth/authenticator.hpp"
#include "base/clock.hpp"
#include "http/exchange.hpp"
#include "http/open_paths.hpp"
#include "http/rate_limiter.hpp"
#include "http/relay.hpp"
#include "http/wire_service.hpp"

namespace vedette {

/// Leads a request from its head and body to its answer: it finds the service by the credential scope, verifies the
/// signature and runs the operation. It is thread-safe.
class Pipeline : public RequestHandler {
 public:
  /// If `regions` is empty, every region that a caller signs for is accepted. `relay` tells who the client is of a call
  /// that another node passed on; it is null if there are no other nodes. `nodes` tells how many nodes share the wrong
  /// signatures that are answered.
  Pipeline(Authenticator& authenticator, const Clock& clock, std::vector<WireService*> services,
           const OpenPaths& open_paths, AuditLog& audit, std::vector<std::string> regions, const Relay* relay = nullptr,
           std::function<std::size_t()> nodes = {})
      : authenticator_(authenticator),
        clock_(clock),
        services_(std::move(services)),
        open_paths_(open_paths),
        audit_(audit),
        regions_(std::move(regions)),
        relay_(relay),
        failures_(kFailuresPerSecond, kFailuresAtOnce, std::move(nodes)) {}
  std::unique_ptr<Exchange> open(RequestHead head) override;

 private:
  friend class PipelineExchange;
  [[nodiscard]] WireService* service_named(std::string_view signing_name) const;

  Authenticator& authenticator_;
  const Clock& clock_;
  const std::vector<WireService*> services_;
  const OpenPaths& open_paths_;
  AuditLog& audit_;
  const std::vector<std::string> regions_;
  const Relay* const relay_;
  static constexpr double kFailuresPerSecond = 1, kFailuresAtOnce = 30;
  RateLimiter failures_;  // limits wrong signatures by key and network
};

}  // namespace vedette
