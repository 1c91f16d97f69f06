#include "api/client_model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vedette {
namespace {

using Json = nlohmann::ordered_json;

std::string input_name(const Json& operation) {
  return operation["name"].get<std::string>() + "Request";
}
std::string output_name(const Json& operation) {
  return operation["name"].get<std::string>() + "Response";
}

/// Returns a structure in botocore's form, made from members with "type" and "required".
Json botocore_structure(const Json& members) {
  Json out = {{"type", "structure"}};
  Json required = Json::array(), shaped = Json::object();
  for (const auto& [name, member] : members.items()) {
    shaped[name] = {{"shape", member["type"]}};
    if (member.contains("header")) {
      shaped[name]["location"] = "header";
      shaped[name]["locationName"] = member["header"];
    }
    if (member.value("required", false)) required.push_back(name);
  }
  if (!required.empty()) out["required"] = std::move(required);
  out["members"] = std::move(shaped);
  return out;
}

Json botocore_type(const Json& type) {
  const auto& kind = type["type"].get_ref<const std::string&>();
  if (kind == "structure") return botocore_structure(type["members"]);
  Json out = {{"type", kind}};
  if (kind == "list") out["member"] = {{"shape", type["item"]}};
  for (const char* limit : {"min", "max", "pattern", "enum"})
    if (type.contains(limit)) out[limit] = type[limit];
  if (type.value("streaming", false)) {
    out["requiresLength"] = true;
    out["streaming"] = true;
  }
  return out;
}

Json botocore_input(const Json& operation) {
  Json out = {{"type", "structure"}};
  Json required = Json::array(), members = Json::object();
  for (const auto& m : operation["input"]) {
    const std::string name = m["name"], place = m["in"];
    Json member = {{"shape", m["type"]}};
    if (name == "ClientToken") member["idempotencyToken"] = true;
    if (place == "path" || place == "query" || place == "header") {
      member["location"] = place == "path" ? "uri" : place == "query" ? "querystring" : "header";
      member["locationName"] = m["wire"];
    }
    if (place == "payload") out["payload"] = name;
    if (m.value("required", false)) required.push_back(name);
    members[name] = std::move(member);
  }
  if (!required.empty()) out["required"] = std::move(required);
  out["members"] = std::move(members);
  return out;
}

Json botocore_service(const Json& model) {
  const std::string service = model["service"], version = model["version"];
  Json out = {{"version", "2.0"},
              {"metadata",
               {{"apiVersion", version},
                {"endpointPrefix", service},
                {"jsonVersion", "1.1"},
                {"protocol", "rest-json"},
                {"serviceFullName", model["title"]},
                {"serviceId", model["service_id"]},
                {"signatureVersion", "v4"},
                {"signingName", model["signing_name"]},
                {"uid", service + "-" + version}}}};
  Json operations = Json::object(), shapes = Json::object();
  for (const auto& [name, type] : model["types"].items()) shapes[name] = botocore_type(type);
  for (const auto& op : model["operations"]) {
    Json http = {{"method", op["method"]}, {"requestUri", op["path"]}};
    if (op["status"] != 200) http["responseCode"] = op["status"];
    Json errors = Json::array();
    for (const auto& error : op["errors"]) errors.push_back({{"shape", error}});
    operations[op["name"].get<std::string>()] = {{"name", op["name"]},
                                                 {"http", std::move(http)},
                                                 {"input", {{"shape", input_name(op)}}},
                                                 {"output", {{"shape", output_name(op)}}},
                                                 {"errors", std::move(errors)},
                                                 {"documentation", op["summary"]}};
    shapes[input_name(op)] = botocore_input(op);
    Json output = Json::object();
    for (const auto& m : op["output"]) output[m["name"].get<std::string>()] = {{"type", m["type"]}};
    shapes[output_name(op)] = botocore_structure(output);
  }
  for (const auto& [name, error] : model["errors"].items()) {
    Json shape = botocore_structure(error["members"]);
    shape["error"] = {{"httpStatusCode", error["status"]}};
    shape["exception"] = true;
    if (error["status"] == 500) shape["fault"] = true;
    shapes[name] = std::move(shape);
  }
  out["operations"] = std::move(operations);
  out["shapes"] = std::move(shapes);
  out["documentation"] = model["summary"];
  return out;
}

Json botocore_paginators(const Json& model) {
  Json out = Json::object();
  for (const auto& op : model["operations"])
    if (op.contains("paged"))
      out[op["name"].get<std::string>()] = {{"input_token", "NextToken"},
                                            {"output_token", "NextToken"},
                                            {"limit_key", "MaxResults"},
                                            {"result_key", op["paged"]}};
  return {{"pagination", std::move(out)}};
}

Json botocore_waiters(const Json& model) {
  Json out = Json::object();
  const Json waiters = model.value("waiters", Json::object());
  for (const auto& [name, w] : waiters.items()) {
    Json acceptors = Json::array();
    for (const char* outcome : {"success", "failure"})
      for (const auto& status : w[outcome])
        acceptors.push_back({{"state", outcome}, {"matcher", "path"}, {"argument", w["path"]}, {"expected", status}});
    if (w.contains("success_error"))
      acceptors.push_back({{"state", "success"}, {"matcher", "error"}, {"expected", w["success_error"]}});
    out[name] = {{"operation", w["operation"]},
                 {"delay", w["delay"]},
                 {"maxAttempts", w["attempts"]},
                 {"acceptors", std::move(acceptors)}};
  }
  return {{"version", 2}, {"waiters", std::move(out)}};
}

/// Two services may have different types of one name: each service keeps its own.
std::string component(const Json& model, const std::string& type) {
  return model["service_id"].get<std::string>() + "." + type;
}
Json reference(const Json& model, const Json& type) {
  return {{"$ref", "#/components/schemas/" + component(model, type.get<std::string>())}};
}

/// Returns the JSON Schema 2020-12 of a type. Its patterns match anywhere in a text, so those of the API model are
/// anchored.
Json schema_of(const Json& model, const Json& type) {
  const auto& kind = type["type"].get_ref<const std::string&>();
  Json out = Json::object();
  if (kind == "structure") {
    out = {{"type", "object"}, {"properties", Json::object()}};
    Json required = Json::array();
    for (const auto& [name, member] : type["members"].items()) {
      if (member.contains("header")) continue;
      out["properties"][name] = reference(model, member["type"]);
      if (member.value("required", false)) required.push_back(name);
    }
    if (!required.empty()) out["required"] = std::move(required);
    return out;
  }
  const auto limit = [&](const char* from, const char* to) {
    if (type.contains(from)) out[to] = type[from];
  };
  if (kind == "list") {
    out = {{"type", "array"}, {"items", reference(model, type["item"])}};
    limit("min", "minItems");
    limit("max", "maxItems");
  } else if (kind == "string") {
    out = {{"type", "string"}};
    limit("min", "minLength");
    limit("max", "maxLength");
    limit("enum", "enum");
    if (type.contains("pattern")) out["pattern"] = "^(?:" + type["pattern"].get<std::string>() + ")$";
  } else if (kind == "integer" || kind == "long") {
    out = {{"type", "integer"}, {"format", kind == "long" ? "int64" : "int32"}};
    limit("min", "minimum");
    limit("max", "maximum");
  } else if (kind == "float" || kind == "double") {
    out = {{"type", "number"}, {"format", kind}};
  } else if (kind == "timestamp") {
    out = {{"type", "number"}, {"description", "Seconds since 1970-01-01T00:00:00Z, with a fraction."}};
  } else if (kind == "blob" && !type.value("streaming", false)) {
    out = {{"type", "string"}, {"contentEncoding", "base64"}};
  } else if (kind == "boolean") {
    out = {{"type", "boolean"}};
  }
  return out;
}

Json openapi_operation(const Json& model, const Json& op) {
  Json parameters = Json::array(), properties = Json::object(), required = Json::array();
  Json body;
  for (const auto& m : op["input"]) {
    const std::string place = m["in"];
    const bool is_required = m.value("required", false);
    if (place == "payload") {
      const Json binary = {{"schema", Json::object()}};
      body = {{"required", true}, {"content", {{"image/jpeg", binary}, {"image/png", binary}}}};
    } else if (place == "body") {
      properties[m["wire"].get<std::string>()] = reference(model, m["type"]);
      if (is_required) required.push_back(m["wire"]);
    } else if (m["wire"] != "Content-Type") {  // OpenAPI has its own way to say the content type.
      Json schema = reference(model, m["type"]);
      if (model["types"][m["type"].get<std::string>()]["type"] == "timestamp")
        schema = {{"type", "string"}, {"format", "date-time"}};
      parameters.push_back(
          {{"name", m["wire"]}, {"in", place}, {"required", is_required}, {"schema", std::move(schema)}});
    }
  }
  if (!properties.empty()) {
    Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
    if (!required.empty()) schema["required"] = required;
    body = {{"required", !required.empty()}, {"content", {{"application/json", {{"schema", std::move(schema)}}}}}};
  }
  Json output = Json::object();
  for (const auto& m : op["output"]) output[m["name"].get<std::string>()] = reference(model, m["type"]);
  Json responses;
  responses[std::to_string(op["status"].get<int>())] = {
      {"description", "Success"},
      {"content", {{"application/json", {{"schema", {{"type", "object"}, {"properties", std::move(output)}}}}}}}};
  for (const auto& name : op["errors"]) {
    const auto& error = model["errors"][name.get<std::string>()];
    responses[std::to_string(error["status"].get<int>())] = {
        {"description", name},
        {"headers", {{"x-amzn-ErrorType", {{"schema", {{"type", "string"}, {"const", name}}}}}}},
        {"content", {{"application/json", {{"schema", reference(model, name)}}}}}};
  }
  Json out = {{"operationId", component(model, op["name"])},
              {"tags", Json::array({model["service_id"]})},
              {"summary", op["summary"]}};
  if (op["action"] != "") out["x-iam-action"] = op["action"];
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (!body.is_null()) out["requestBody"] = std::move(body);
  out["responses"] = std::move(responses);
  return out;
}

}  // namespace

std::vector<ClientModelFile> botocore_model(const ApiModel& model) {
  const Json json = Json::parse(model.source());
  return {{"service-2.json", botocore_service(json).dump(1) + "\n"},
          {"paginators-1.json", botocore_paginators(json).dump(1) + "\n"},
          {"waiters-2.json", botocore_waiters(json).dump(1) + "\n"}};
}

std::string openapi_document(const std::vector<const ApiModel*>& models, const std::string& version) {
  Json paths = Json::object(), schemas = Json::object(), tags = Json::array();
  for (const auto* source : models) {
    const Json model = Json::parse(source->source());
    tags.push_back({{"name", model["service_id"]},
                    {"description", model["summary"].get<std::string>() +
                                        " Signing name: " + model["signing_name"].get<std::string>() + "."}});
    for (const auto& op : model["operations"]) {
      auto method = op["method"].get<std::string>();
      std::transform(method.begin(), method.end(), method.begin(), [](char c) { return c | 0x20; });
      paths[op["path"].get<std::string>()][method] = openapi_operation(model, op);
    }
    for (const auto& [name, type] : model["types"].items()) schemas[component(model, name)] = schema_of(model, type);
    for (const auto& [name, error] : model["errors"].items())
      schemas[component(model, name)] = schema_of(model, {{"type", "structure"}, {"members", error["members"]}});
  }
  const Json document = {{"openapi", "3.1.0"},
                         {"info",
                          {{"title", "Vedette"},
                           {"version", version},
                           {"description",
                            "Every request is signed with AWS Signature Version 4 under the signing name of its "
                            "service; the region is the "
                            "caller's choice."}}},
                         {"servers", Json::array({{{"url", "/"}}})},
                         {"tags", std::move(tags)},
                         {"security", Json::array({{{"sigv4", Json::array()}}})},
                         {"paths", std::move(paths)},
                         {"components",
                          {{"schemas", std::move(schemas)},
                           {"securitySchemes",
                            {{"sigv4",
                              {{"type", "apiKey"},
                               {"in", "header"},
                               {"name", "Authorization"},
                               {"description", "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…"}}}}}}}};
  return document.dump(1) + "\n";
}

}  // namespace vedette
