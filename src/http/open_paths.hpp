#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/model.hpp"
#include "http/exchange.hpp"

namespace vedette {

/// Says who may read /metrics, which contains the names of projects.
struct MetricsAccess {
  enum class Kind { open, loopback, token } kind = Kind::open;
  std::string token;  ///< the token that "Authorization: Bearer" must carry
};

/// A path that clients can read without a signature.
struct OpenRoute {
  /// "/healthz", for example. A path that ends in '/' stands for all paths below it, except that "/" stands only for
  /// itself.
  std::string path;
  /// Returns the answer to GET, or nothing if there is no such document. The caller has already chosen the route and
  /// treats HEAD.
  std::function<std::optional<Response>(const RequestHead&)> answer;
};

/// Returns whether a request may come from a browser that opens a page.
bool is_browser(const RequestHead& head);

/// The one table of paths that clients can read without a signature: the console, health, metrics, and descriptions of
/// the API. It is thread-safe.
class OpenPaths {
 public:
  /// The routes of the console (console_files.hpp) come before the others. `trouble` returns in
  /// words why this node should get no requests, or nothing if it is ready. Throws std::logic_error if
  /// a bucket could have the name of a route, because unsigned requests for the bucket's objects would not reach it.
  OpenPaths(const std::vector<const ApiModel*>& models, const std::string& version,
            std::function<std::string()> metrics, const MetricsAccess& metrics_access,
            std::function<std::optional<std::string>()> trouble, std::vector<OpenRoute> console);
  /// Makes a table of other routes.
  explicit OpenPaths(std::vector<OpenRoute> routes);
  /// Returns the answer to a GET or HEAD request that is not signed and whose path is in the table; otherwise returns
  /// nothing.
  std::optional<Response> answer(const RequestHead& head) const;

 private:
  const std::vector<OpenRoute> routes_;
};

}  // namespace vedette
