#pragma once

#include <functional>
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

/// A path that requests reach without a signature.
struct OpenRoute {
  /// "/healthz"; or, ending in '/', whatever lies below that path. "/" is only itself.
  std::string path;
  /// The answer to GET; nothing if there is no such document. HEAD and the choice of the route are not its concern.
  std::function<std::optional<Response>(const RequestHead&)> answer;
};

/// The one table of paths that are open without a signature: health, metrics, the descriptions of the API. Thread-safe.
class OpenPaths {
 public:
  /// `is_ready` says whether this node can serve: its database answers. Throws std::logic_error if a bucket could have
  /// the name of a route, because unsigned requests for its objects would not reach it.
  OpenPaths(const std::vector<const ApiModel*>& models, const std::string& version,
            std::function<std::string()> metrics, MetricsAccess metrics_access, std::function<bool()> is_ready);
  /// For a table of one's own.
  explicit OpenPaths(std::vector<OpenRoute> routes);
  /// An answer to a GET or HEAD request that is not signed and whose path is in the table; otherwise nothing.
  std::optional<Response> answer(const RequestHead& head) const;

 private:
  const std::vector<OpenRoute> routes_;
};

}  // namespace vedette
