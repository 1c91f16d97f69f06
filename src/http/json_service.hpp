#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "api/model.hpp"
#include "http/rate_limiter.hpp"
#include "http/relay.hpp"
#include "http/wire_service.hpp"
#include "metrics/metrics.hpp"
#include "service/service.hpp"

/// Serves a service that speaks JSON and is described by an API model. It decodes and checks the members, authorises
/// the call, runs the operation and encodes the answer or the error. It is thread-safe.
namespace vedette {

/// A call of an operation with its decoded members.
struct Invocation {
  const CallContext& context;
  const nlohmann::json& members;
  std::string_view body;  ///< the payload, if the operation has one
  Stages& stages;         ///< takes the stages of the work, if the operation names any
  HeaderList& headers;    ///< takes headers of the answer beyond those that every answer has
};
using JsonOperation = std::function<Result<nlohmann::json>(const Invocation&)>;
/// The operations by name. The table must hold every operation of the model.
using JsonOperations = std::map<std::string, JsonOperation>;

/// Binds each operation of a service to its codec and its service function. This is the one place where that happens.
JsonOperations lookoutvision_operations(LookoutVision& service);
struct ExtensionServices;
JsonOperations extension_operations(ExtensionServices& services);

class JsonService : public WireService {
 public:
  /// `models` resolves the versions and tags of the models that members name. If `metrics` is null, calls are not
  /// counted. If `relay` is null, this node answers every call. Throws std::logic_error if the table lacks an operation
  /// of the model.
  JsonService(const ApiModel& model, JsonOperations operations, LookoutVision& models, RateLimiter& limiter,
              Metrics* metrics, Relay* relay = nullptr);
  [[nodiscard]] std::string_view signing_name() const override { return model_.service(); }
  [[nodiscard]] bool waits_for_model(const RequestHead& head) const override;
  Result<std::unique_ptr<PendingCall>> open(const RequestHead& head, const CallIdentity& identity) override;
  [[nodiscard]] Response encode_error(const Error& error, const RequestHead& head,
                                      const std::string& request_id) const override;

 private:
  friend class JsonCall;
  const ApiModel& model_;
  const JsonOperations operations_;
  LookoutVision& models_;
  RateLimiter& limiter_;
  Metrics* const metrics_;
  Relay* const relay_;
};

}  // namespace vedette
