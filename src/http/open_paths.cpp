#include "http/open_paths.hpp"

#include "api/client_model.hpp"

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
                     std::function<std::string()> metrics, std::function<bool()> is_ready)
    : metrics_(std::move(metrics)), is_ready_(std::move(is_ready)) {
  documents_["/openapi.json"] = openapi_document(models, version);
  for (const auto* model : models)
    for (auto& file : botocore_model(*model))
      documents_["/client-models/" + model->service() + "/" + model->version() + "/" + file.name] =
          std::move(file.content);
}

std::optional<Response> OpenPaths::answer(const RequestHead& head) const {
  if (head.method != "GET" && head.method != "HEAD") return std::nullopt;
  // A signed request means a service: by its host it may name an object of this path.
  if (!header_value(head.headers, "authorization").empty() || head.query.find("X-Amz-Signature") != std::string::npos)
    return std::nullopt;
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
  if (head.path == "/metrics") return shown(text(200, metrics_(), "text/plain; version=0.0.4; charset=utf-8"));
  if (const auto it = documents_.find(head.path); it != documents_.end())
    return shown(text(200, it->second, "application/json"));
  if (head.path == "/")
    return shown(text(200,
                      "Vedette is running. Point an AWS client for lookoutvision and s3 at this address.\n"
                      "The API: /openapi.json; models for SDKs: vedette client-model install.\n"));
  return std::nullopt;
}

}  // namespace vedette
