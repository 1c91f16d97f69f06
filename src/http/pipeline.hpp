#pragma once

#include "auth/auth.hpp"
#include "base/clock.hpp"
#include "http/exchange.hpp"
#include "service/service.hpp"
#include "store/objects/objects.hpp"

namespace vedette {

struct PipelineOptions {
  std::string account;  ///< 12 digits
};

/// From a request's head and body to its answer: service by credential scope, signature, operation. Thread-safe.
class Pipeline : public RequestHandler {
 public:
  Pipeline(KeyRing& keys, const Clock& clock, LookoutVision& lookout_vision, ObjectStore& objects,
           PipelineOptions options)
      : keys_(keys), clock_(clock), lookout_vision_(lookout_vision), objects_(objects), options_(std::move(options)) {}
  std::unique_ptr<Exchange> open(RequestHead head) override;

 private:
  friend class PipelineExchange;
  KeyRing& keys_;
  const Clock& clock_;
  LookoutVision& lookout_vision_;
  ObjectStore& objects_;
  const PipelineOptions options_;
};

}  // namespace vedette
