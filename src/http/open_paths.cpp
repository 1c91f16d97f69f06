#include "http/open_paths.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string_view>

#include "api/client_model.hpp"
#include "api/s3/messages.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "http/peer_address.hpp"

namespace vedette {
namespace {

Response text(int status, std::string body, const char* type = "text/plain; charset=utf-8") {
  Response r;
  r.status = status;
  r.headers.emplace_back("content-type", type);
  r.body = std::move(body);
  return r;
}

Response answer_metrics(const RequestHead& head, const MetricsAccess& access, const std::string& token_hash,
                        const std::function<std::string()>& metrics) {
  using Kind = MetricsAccess::Kind;
  if (access.kind == Kind::loopback && !is_loopback(head.remote_address))
    return text(403, "The metrics are for callers on the server's own machine (--metrics-access).\n");
  // Both hashes have the same length, whatever was sent, so that the time of the comparison tells nothing about the
  // token.
  if (access.kind == Kind::token &&
      !equal_in_constant_time(sha256_hex(header_value(head.headers, "authorization")), token_hash)) {
    auto r = text(401, "The metrics want a token (--metrics-token-file).\n");
    r.headers.emplace_back("www-authenticate", "Bearer");
    return r;
  }
  return text(200, metrics(), "text/plain; version=0.0.4; charset=utf-8");
}

/// Returns the service models that SDKs load, by path: /client-models/SERVICE/VERSION/FILE.
std::map<std::string, std::string> client_models(const std::vector<const ApiModel*>& models) {
  std::map<std::string, std::string> files;
  for (const auto* model : models)
    for (auto& file : botocore_model(*model))
      files["/client-models/" + model->service() + "/" + model->version() + "/" + file.name] = std::move(file.content);
  return files;
}

std::vector<OpenRoute> open_routes(const std::vector<const ApiModel*>& models, const std::string& version,
                                   std::function<std::string()> metrics, const MetricsAccess& access,
                                   std::function<std::optional<std::string>()> trouble, std::vector<OpenRoute> routes) {
  const std::vector<OpenRoute> others = {
      {"/healthz", [](const RequestHead&) { return text(200, "ok\n"); }},
      {"/readyz",
       [trouble = std::move(trouble)](const RequestHead&) {
         const auto reason = trouble();
         return reason ? text(503, *reason + "\n") : text(200, "ok\n");
       }},
      {"/metrics", [metrics = std::move(metrics), access, token_hash = sha256_hex("Bearer " + access.token)](
                       const RequestHead& head) { return answer_metrics(head, access, token_hash, metrics); }},
      {"/openapi.json", [document = openapi_document(models, version)](
                            const RequestHead&) { return text(200, document, "application/json"); }},
      {"/client-models/",
       [files = client_models(models)](const RequestHead& head) -> std::optional<Response> {
         const auto file = files.find(head.path);
         return file == files.end() ? std::nullopt : std::optional(text(200, file->second, "application/json"));
       }},
      // Only browsers get the page. For any other program this request is S3's ListBuckets without a key, which must
      // not look as if it had succeeded.
      {"/",
       [](const RequestHead& head) -> std::optional<Response> {
         if (!is_browser(head)) return std::nullopt;
         return text(200,
                     "Vedette is running. Point an AWS client for lookoutvision and s3 at this address.\n"
                     "The API: /openapi.json; models for SDKs: vedette client-model install.\n");
       }},
  };
  routes.insert(routes.end(), others.begin(), others.end());
  return routes;
}

bool is_at(const OpenRoute& route, std::string_view path) {
  const bool is_folder = route.path.size() > 1 && route.path.ends_with('/');
  return is_folder ? path.starts_with(route.path) : path == route.path;
}

/// Returns whether a request is signed. A signed request is for a service: its host may name a bucket that has an
/// object of the same path.
bool is_signed(const RequestHead& head) {
  const auto authorization = header_value(head.headers, "authorization");
  const bool is_bearer = authorization.starts_with("Bearer ");
  return (!authorization.empty() && !is_bearer) || head.query.find("Signature=") != std::string::npos;
}

}  // namespace

bool is_browser(const RequestHead& head) {
  return header_value(head.headers, "accept").find("text/html") != std::string_view::npos;
}

OpenPaths::OpenPaths(const std::vector<const ApiModel*>& models, const std::string& version,
                     std::function<std::string()> metrics, const MetricsAccess& metrics_access,
                     std::function<std::optional<std::string>()> trouble, std::vector<OpenRoute> console)
    : OpenPaths(
          open_routes(models, version, std::move(metrics), metrics_access, std::move(trouble), std::move(console))) {}

OpenPaths::OpenPaths(std::vector<OpenRoute> routes) : routes_(std::move(routes)) {
  for (const auto& route : routes_)
    if (const auto name = split(std::string_view(route.path).substr(1), '/').front(); s3::is_bucket_name(name))
      throw std::logic_error("a bucket could have the name of the open path " + route.path);
}

std::optional<Response> OpenPaths::answer(const RequestHead& head) const {
  if ((head.method != "GET" && head.method != "HEAD") || is_signed(head)) return std::nullopt;
  const auto route = std::ranges::find_if(routes_, [&](const auto& r) { return is_at(r, head.path); });
  if (route == routes_.end()) return std::nullopt;
  auto answer = route->answer(head);
  if (answer && head.method == "HEAD") {
    answer->head_length = answer->body.size();
    answer->body.clear();
  }
  return answer;
}

}  // namespace vedette
