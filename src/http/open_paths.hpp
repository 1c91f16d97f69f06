#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/model.hpp"
#include "http/exchange.hpp"

namespace vedette {

/// Who may read /metrics, which names projects.
struct MetricsAccess {
  enum class Kind { open, loopback, token } kind = Kind::open;
  std::string token;  ///< that "Authorization: Bearer" must carry
};

/// The reserved paths that unsigned requests reach: health, metrics, the descriptions of the API. Buckets may not take
/// their names. Thread-safe.
class OpenPaths {
 public:
  /// `is_ready` says whether this node can serve: its database answers.
  OpenPaths(const std::vector<const ApiModel*>& models, const std::string& version,
            std::function<std::string()> metrics, MetricsAccess metrics_access, std::function<bool()> is_ready);
  /// An answer, or nothing if the path is not one of them.
  std::optional<Response> answer(const RequestHead& head) const;

 private:
  [[nodiscard]] Response answer_metrics(const RequestHead& head) const;

  std::map<std::string, std::string> documents_;  // by path; JSON
  std::function<std::string()> metrics_;
  const MetricsAccess metrics_access_;
  const std::function<bool()> is_ready_;
};

}  // namespace vedette
