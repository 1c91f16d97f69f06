// Tests what makes a packaged model a component of Greengrass.
#include "service/greengrass.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vedette {
namespace {

using Json = nlohmann::json;

TEST(Greengrass, CompilerOptionsFollowTheirRules) {
  for (const char* good :
       {"{}", R"({"mcpu": "skylake-avx512", "mattr": ["+neon", "-vfpv4"]})", "{'mcpu': 'core-avx2'}"})
    EXPECT_TRUE(check_compiler_options(good, false)) << good;
  for (const char* bad : {"[]", "nonsense", R"({"mcpu": 5})", R"({"mcpu": "a b"})", R"({"mattr": "+neon"})",
                          R"({"mattr": ["neon"]})", R"({"mattr": [5]})"})
    EXPECT_EQ(check_compiler_options(bad, false).error().kind, ErrorKind::invalid_input) << bad;
  for (const char* good : {R"({"gpu-code": "sm_80", "trt-ver": "8.2.0", "cuda-ver": "11.2"})",
                           "{'gpu-code': 'sm_72', 'trt-ver': '7.1.3', 'cuda-ver': '10.2'}"})
    EXPECT_TRUE(check_compiler_options(good, true)) << good;
  for (const char* bad : {"{}", R"({"gpu-code": "sm_80", "trt-ver": "8.2.0"})",
                          R"({"gpu-code": "80", "trt-ver": "8.2.0", "cuda-ver": "11.2"})",
                          R"({"gpu-code": "sm_", "trt-ver": "8.2.0", "cuda-ver": "11.2"})",
                          R"({"gpu-code": "sm_80", "trt-ver": "8.2", "cuda-ver": "11.2"})",
                          R"({"gpu-code": "sm_80", "trt-ver": "8.2.0", "cuda-ver": "11.2.1"})",
                          R"({"gpu-code": "sm_80", "trt-ver": "8.2.0", "cuda-ver": 11.2})"})
    EXPECT_EQ(check_compiler_options(bad, true).error().kind, ErrorKind::invalid_input) << bad;
}

TEST(Greengrass, TheRecipeNamesTheArchiveAndTheAgent) {
  PackagingJob job;
  job.component_name = "com.example.part";
  job.component_version = "1.2.3";
  job.configuration =
      R"({"Greengrass": {"TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}, "ComponentDescription": "Parts"}})";
  const auto keys = component_keys("packages/", job.component_name, job.component_version);
  EXPECT_EQ(keys.archive, "packages/com.example.part/1.2.3/com.example.part-1.2.3-greengrass_model_component.zip");
  EXPECT_EQ(keys.recipe, "packages/com.example.part/1.2.3/com.example.part-1.2.3-recipe.json");
  const auto recipe = Json::parse(component_recipe(job, "s3://b/" + keys.archive));
  EXPECT_EQ(recipe["RecipeFormatVersion"], "2020-01-25");
  EXPECT_EQ(recipe["ComponentType"], "aws.greengrass.generic");
  EXPECT_EQ(recipe["ComponentVersion"], "1.2.3");
  EXPECT_EQ(recipe["ComponentDescription"], "Parts");
  EXPECT_EQ(recipe["ComponentDependencies"]["aws.iot.lookoutvision.EdgeAgent"]["DependencyType"], "HARD");
  const auto& manifest = recipe["Manifests"][0];
  EXPECT_EQ(manifest["Platform"], (Json{{"os", "linux"}, {"architecture", "amd64"}}));
  EXPECT_EQ(manifest["Artifacts"][0], (Json{{"Uri", "s3://b/" + keys.archive}, {"Unarchive", "ZIP"}}));
  EXPECT_NE(manifest["Lifecycle"]["Install"]["Script"].get<std::string>().find(
                "{artifacts:decompressedPath}/com.example.part-1.2.3-greengrass_model_component'"),
            std::string::npos);

  job.configuration = R"({"Greengrass": {"TargetDevice": "jetson_xavier"}})";
  EXPECT_EQ(Json::parse(component_recipe(job, "s3://b/a.zip"))["Manifests"][0]["Platform"]["architecture"], "aarch64");
}

}  // namespace
}  // namespace vedette
