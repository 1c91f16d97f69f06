#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.hpp"
#include "domain/domain.hpp"

/// What makes a packaged model a component of AWS IoT Greengrass version 2. The functions are pure, apart from the
/// folder that add_device_facts() changes.
namespace vedette {

/// Reads the compiler options of a packaging job as JSON. The original's documents print them with single quotes, which
/// are accepted, too. Fails with invalid_input unless they are an object.
Result<nlohmann::json> parse_compiler_options(std::string text);

/// Checks compiler options: with an accelerator gpu-code (sm_72), trt-ver (7.1.3) and cuda-ver (10.2) must be there;
/// without one mcpu (a name) and mattr (a list of names that begin with + or -) may be. Fails with invalid_input and
/// names what is wrong.
Result<void> check_compiler_options(const std::string& text, bool has_accelerator);

/// The keys of what a job writes below its prefix. The file name of the archive ends as devices look for it.
struct ComponentKeys {
  std::string archive, recipe;
};
ComponentKeys component_keys(const std::string& prefix, const std::string& component, const std::string& version);

/// Returns the component recipe, JSON of the format 2020-01-25, whose artifact is the archive at this s3:// address.
/// Installing the component copies the unpacked model into the models folder of the edge agent, as
/// <component>/<version>; what lies there already stays.
///   https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html
std::string component_recipe(const PackagingJob& job, const std::string& archive_uri);

/// Adds to the manifest.json of a model's folder what devices of the original look for in it: `dataset` with the size
/// of the training pictures, and `model_graph` with the threshold and the names of the labels. Fails with invalid_input
/// if the folder holds no model.
Result<void> add_device_facts(const std::filesystem::path& folder);

}  // namespace vedette
