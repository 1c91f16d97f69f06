#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "api/model.hpp"
#include "http/rate_limiter.hpp"
#include "http/wire_service.hpp"
#include "metrics/metrics.hpp"
#include "service/service.hpp"

/// A service that speaks JSON and is described by an API model: decodes and checks the members, authorises, runs the
/// operation, encodes answer or error. Thread-safe.
namespace vedette {

/// An operation with its members decoded.
struct Invocation {
  const CallContext& context;
  const nlohmann::json& members;
  std::string_view body;  ///< of operations with a payload
  Stages& stages;         ///< of the work, if the operation names any
};
using JsonOperation = std::function<Result<nlohmann::json>(const Invocation&)>;
/// By name. Every operation of the model must be there.
using JsonOperations = std::map<std::string, JsonOperation>;

/// Binds each operation of a service to its codec and its service function: the one place where that happens.
JsonOperations lookoutvision_operations(LookoutVision& service);
struct ExtensionServices;
JsonOperations extension_operations(ExtensionServices& services);

class JsonService : public WireService {
 public:
  /// `models` resolves versions and tags of the models that members name; `metrics` null: calls are not counted. Throws
  /// std::logic_error if an operation of the model is missing.
  JsonService(const ApiModel& model, JsonOperations operations, LookoutVision& models, RateLimiter& limiter,
              Metrics* metrics);
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
};

}  // namespace vedette
