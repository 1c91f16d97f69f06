#include "http/open_paths.hpp"

#include "api/client_model.hpp"
#include "base/digest.hpp"
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

}  // namespace

OpenPaths::OpenPaths(const std::vector<const ApiModel*>& models, const std::string& version,
                     std::function<std::string()> metrics, MetricsAccess metrics_access, std::function<bool()> is_ready)
    : metrics_(std::move(metrics)), metrics_access_(std::move(metrics_access)), is_ready_(std::move(is_ready)) {
  documents_["/openapi.json"] = openapi_document(models, version);
  for (const auto* model : models)
    for (auto& file : botocore_model(*model))
      documents_["/client-models/" + model->service() + "/" + model->version() + "/" + file.name] =
          std::move(file.content);
}

Response OpenPaths::answer_metrics(const RequestHead& head) const {
  using Kind = MetricsAccess::Kind;
  if (metrics_access_.kind == Kind::loopback && !is_loopback(head.remote_address))
    return text(403, "The metrics are for callers on the server's own machine (--metrics-access).\n");
  if (metrics_access_.kind == Kind::token) {
    const auto authorization = header_value(head.headers, "authorization");
    // Of the same length whatever was sent, so that the time tells nothing.
    if (!equal_in_constant_time(sha256_hex(authorization), sha256_hex("Bearer " + metrics_access_.token))) {
      auto r = text(401, "The metrics want a token (--metrics-token-file).\n");
      r.headers.emplace_back("www-authenticate", "Bearer");
      return r;
    }
  }
  return text(200, metrics_(), "text/plain; version=0.0.4; charset=utf-8");
}

std::optional<Response> OpenPaths::answer(const RequestHead& head) const {
  if (head.method != "GET" && head.method != "HEAD") return std::nullopt;
  // A signed request means a service: by its host it may name an object of this path.
  const auto authorization = header_value(head.headers, "authorization");
  const bool is_bearer = authorization.substr(0, 7) == "Bearer ";
  const bool is_presigned = head.query.find("Signature=") != std::string::npos;
  if ((!authorization.empty() && !is_bearer) || is_presigned) return std::nullopt;
  const auto shown = [&](Response r) {
    if (head.method == "HEAD") {
      r.head_length = r.body.size();
      r.body.clear();
    }
    return r;
  };
  if (head.path == "/healthz") return shown(text(200, "ok\n"));
  if (head.path == "/readyz") {
    const bool ready = is_ready_();
    return shown(text(ready ? 200 : 503, ready ? "ok\n" : "the database does not answer\n"));
  }
  if (head.path == "/metrics") return shown(answer_metrics(head));
  if (const auto it = documents_.find(head.path); it != documents_.end())
    return shown(text(200, it->second, "application/json"));
  // For a browser only: to a program this is S3's ListBuckets without a key, which must not look as if it had succeeded.
  if (head.path == "/" && header_value(head.headers, "accept").find("text/html") != std::string_view::npos)
    return shown(text(200,
                      "Vedette is running. Point an AWS client for lookoutvision and s3 at this address.\n"
                      "The API: /openapi.json; models for SDKs: vedette client-model install.\n"));
  return std::nullopt;
}

}  // namespace vedette
