#include "api/client_model.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "api/lookoutvision/messages.hpp"
#include "api/vedette/messages.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

/// Collects every {"shape": …} or {"$ref": …} below a value.
void collect(const Json& value, const char* name, std::set<std::string>& out) {
  if (value.is_object()) {
    const auto it = value.find(name);
    if (it != value.end() && it->is_string()) out.insert(it->get<std::string>());
  }
  if (value.is_structured())
    for (const auto& child : value) collect(child, name, out);
}

TEST(ClientModel, EveryShapeThatIsNamedExists) {
  for (const auto* model : {&lookoutvision::api_model(), &extension::api_model()}) {
    const auto files = botocore_model(*model);
    ASSERT_EQ(files.size(), 3U);
    const auto service = Json::parse(files[0].content);
    EXPECT_EQ(service["operations"].size(), model->operations().size());
    std::set<std::string> named;
    collect(service, "shape", named);
    EXPECT_GT(named.size(), 20U);
    for (const auto& name : named) EXPECT_TRUE(service["shapes"].contains(name)) << name;
    for (const auto& [name, shape] : service["shapes"].items())
      EXPECT_TRUE(named.contains(name)) << name << " is unused";
    const auto paginators = Json::parse(files[1].content)["pagination"];
    for (const auto& [name, p] : paginators.items()) EXPECT_TRUE(service["operations"].contains(name));
    const auto waiters = Json::parse(files[2].content)["waiters"];
    for (const auto& [name, w] : waiters.items()) EXPECT_TRUE(service["operations"].contains(w["operation"])) << name;
  }
}

TEST(ClientModel, OpenApiReferencesResolveAndIdsAreUnique) {
  const auto document = Json::parse(openapi_document({&lookoutvision::api_model(), &extension::api_model()}, "1.2.3"));
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> references;
  collect(document, "$ref", references);
  for (const auto& reference : references)
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  std::set<std::string> ids;
  std::size_t operations = 0;
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      ++operations;
      ids.insert(operation["operationId"]);
      EXPECT_TRUE(operation.contains("responses"));
      for (const auto& parameter : operation.value("parameters", Json::array()))
        if (parameter["in"] == "path") {
          EXPECT_NE(path.find("{" + parameter["name"].get<std::string>() + "}"), std::string::npos);
        }
    }
  EXPECT_EQ(ids.size(), operations);
  EXPECT_EQ(operations, lookoutvision::api_model().operations().size() + extension::api_model().operations().size());
}

}  // namespace
}  // namespace vedette
