#include "http/operations.hpp"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;
using namespace lookoutvision;  // NOLINT: the request types' own namespace

/// An operation with its members decoded.
struct Invocation {
  LookoutVision& service;
  const CallContext& context;
  const Json& members;
  const RequestHead& head;
  std::string_view body;
};

/// Turns a service function's result into an answer by one expression.
template <typename T, typename F>
Result<Json> encoded(Result<T> result, F&& encode) {
  if (!result) return result.error();
  return encode(*result);
}
Result<Json> empty(const Result<void>& result) {
  if (!result) return result.error();
  return Json::object();
}

template <typename T, typename F>
Json encode_page(const Page<T>& page, const char* name, F&& encode) {
  Json out = {{name, Json::array()}};
  for (const auto& item : page.items) out[name].push_back(encode(item));
  if (!page.next_token.empty()) out["NextToken"] = page.next_token;
  return out;
}

const std::map<std::string, std::function<Result<Json>(const Invocation&)>>& operations() {
  static const std::map<std::string, std::function<Result<Json>(const Invocation&)>> table = {
      {"CreateProject",
       [](const Invocation& i) {
         return encoded(i.service.create_project(i.context, CreateProjectRequest(i.members)), [&](const Project& p) {
           return Json{{"ProjectMetadata", encode_project_metadata(i.context.scope, p)}};
         });
       }},
      {"DescribeProject",
       [](const Invocation& i) {
         return encoded(i.service.describe_project(i.context, ProjectRequest(i.members)), [&](const auto& d) {
           return Json{{"ProjectDescription", encode_project_description(i.context.scope, d.project, d.datasets)}};
         });
       }},
      {"ListProjects",
       [](const Invocation& i) {
         return encoded(i.service.list_projects(i.context, PageRequest(i.members)), [&](const auto& page) {
           return encode_page(page, "Projects",
                              [&](const Project& p) { return encode_project_metadata(i.context.scope, p); });
         });
       }},
      {"DeleteProject",
       [](const Invocation& i) -> Result<Json> {
         const ProjectRequest request(i.members);
         if (auto ok = i.service.delete_project(i.context, request); !ok) return ok.error();
         return Json{{"ProjectArn", project_arn(i.context.scope, request.project_name)}};
       }},
      {"CreateDataset",
       [](const Invocation& i) {
         return encoded(i.service.create_dataset(i.context, CreateDatasetRequest(i.members)), [](const Dataset& d) {
           return Json{{"DatasetMetadata", encode_dataset_metadata(d)}};
         });
       }},
      {"DescribeDataset",
       [](const Invocation& i) {
         return encoded(i.service.describe_dataset(i.context, DatasetRequest(i.members)), [](const Dataset& d) {
           return Json{{"DatasetDescription", encode_dataset_description(d)}};
         });
       }},
      {"ListDatasetEntries",
       [](const Invocation& i) {
         return encoded(
             i.service.list_dataset_entries(i.context, ListDatasetEntriesRequest(i.members)), [](const auto& page) {
               return encode_page(page, "DatasetEntries", [](const std::string& line) { return Json(line); });
             });
       }},
      {"DeleteDataset",
       [](const Invocation& i) { return empty(i.service.delete_dataset(i.context, DatasetRequest(i.members))); }},
      {"CreateModel",
       [](const Invocation& i) {
         return encoded(i.service.create_model(i.context, CreateModelRequest(i.members)), [&](const Model& m) {
           return Json{{"ModelMetadata", encode_model_metadata(i.context.scope, m)}};
         });
       }},
      {"DescribeModel",
       [](const Invocation& i) {
         return encoded(i.service.describe_model(i.context, ModelRequest(i.members)), [&](const Model& m) {
           return Json{{"ModelDescription", encode_model_description(i.context.scope, m)}};
         });
       }},
      {"ListModels",
       [](const Invocation& i) {
         return encoded(i.service.list_models(i.context, ListModelsRequest(i.members)), [&](const auto& page) {
           return encode_page(page, "Models",
                              [&](const Model& m) { return encode_model_metadata(i.context.scope, m); });
         });
       }},
      {"DeleteModel",
       [](const Invocation& i) {
         const ModelRequest request(i.members);
         return encoded(i.service.delete_model(i.context, request), [&](std::int64_t version) {
           return Json{{"ModelArn", model_arn(i.context.scope, request.project_name, version)}};
         });
       }},
      {"StartModel",
       [](const Invocation& i) {
         return encoded(i.service.start_model(i.context, StartModelRequest(i.members)), [](ModelStatus s) {
           return Json{{"Status", to_text(s)}};
         });
       }},
      {"StopModel",
       [](const Invocation& i) {
         return encoded(i.service.stop_model(i.context, ModelRequest(i.members)), [](ModelStatus s) {
           return Json{{"Status", to_text(s)}};
         });
       }},
      {"DetectAnomalies",
       [](const Invocation& i) {
         return encoded(
             i.service.detect_anomalies(i.context, ModelRequest(i.members),
                                        i.members.at("ContentType").get_ref<const std::string&>(), as_bytes(i.body)),
             [](const DetectionResult& r) { return encode_detection(r); });
       }},
  };
  return table;
}

/// The resource that a policy must allow the action on.
Result<std::string> resource_of(const LookoutVisionCall& call, const Json& members) {
  const auto& kind = call.route.operation->resource;
  if (kind == "project") return project_arn(call.scope, members.at("ProjectName").get_ref<const std::string&>());
  if (kind == "model") {
    const std::string project = members.at("ProjectName");
    const std::string prefix =
        "arn:aws:lookoutvision:" + call.scope.region + ":" + call.scope.account + ":model/" + project + "/";
    if (!members.contains("ModelVersion")) return prefix + "*";
    const std::string version = members.at("ModelVersion");
    if (version != "latest") return prefix + version;
    const auto number = call.service.resolve_version(call.scope, project, version);
    return prefix + (number ? std::to_string(*number) : version);
  }
  return std::string("*");
}

}  // namespace

Result<Response> run_lookoutvision(const LookoutVisionCall& call) {
  const auto& operation = *call.route.operation;
  OperationInput input;
  input.path_labels = call.route.labels;
  for (auto part : split(call.head.query, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = uri_decode(part.substr(0, equals));
    auto value = uri_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!name) return name.error();
    if (!value) return value.error();
    input.query.emplace_back(std::move(*name), std::move(*value));
  }
  input.headers = call.head.headers;
  input.body = call.body;
  const auto it = operations().find(operation.name);
  if (it == operations().end())
    return fail(ErrorKind::not_found, "The operation " + operation.name + " is not offered by this server yet.",
                "UnknownOperationException");
  auto members = api_model().decode(operation, input);
  if (!members) return members.error();
  const auto resource = resource_of(call, *members);
  if (!resource) return resource.error();
  if (auto ok = authorize(call.caller, operation.action, *resource); !ok) return ok.error();

  CallContext context{call.caller, call.scope, members->value("ClientToken", ""), ""};
  if (!context.client_token.empty()) {
    Json parameters = *members;
    parameters.erase("ClientToken");
    context.parameters_hash = sha256_hex(parameters.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  auto answer = it->second({call.service, context, *members, call.head, call.body});
  if (!answer) return answer.error();
  Response response;
  response.status = operation.success_status;
  response.headers.emplace_back("content-type", "application/json");
  response.body = answer->dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

}  // namespace vedette
