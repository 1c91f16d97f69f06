#include "service/greengrass.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "vision/artifact/artifact.hpp"

namespace vedette {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kManifestLimit = 16ULL << 20;

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 6 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Whether the text is so many numbers with dots between them.
bool is_version(const std::string& text, std::size_t numbers) {
  const auto parts = split(text, '.');
  return parts.size() == numbers && std::ranges::all_of(parts, is_number);
}

/// Whether the text is a name of a processor or of one of its abilities.
bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool is_ability(const Json& value) {
  if (!value.is_string()) return false;
  const std::string_view text = value.get_ref<const std::string&>();
  return (text.starts_with('+') || text.starts_with('-')) && is_name(text.substr(1));
}

Result<void> check_accelerator_options(const Json& options) {
  for (const char* name : {"gpu-code", "trt-ver", "cuda-ver"})
    if (!options.contains(name) || !options[name].is_string())
      return invalid_input("With the accelerator NVIDIA, CompilerOptions must name gpu-code, trt-ver and cuda-ver.");
  const auto text = [&](const char* name) { return options[name].get<std::string>(); };
  if (!text("gpu-code").starts_with("sm_") || !is_number(std::string_view(text("gpu-code")).substr(3)))
    return invalid_input("The gpu-code of CompilerOptions must have the form sm_72.");
  if (!is_version(text("trt-ver"), 3))
    return invalid_input("The trt-ver of CompilerOptions must have three numbers, as 7.1.3 has.");
  if (!is_version(text("cuda-ver"), 2))
    return invalid_input("The cuda-ver of CompilerOptions must have two numbers, as 10.2 has.");
  return {};
}

Result<void> check_processor_options(const Json& options) {
  if (options.contains("mcpu") && (!options["mcpu"].is_string() || !is_name(options["mcpu"].get<std::string>())))
    return invalid_input("The mcpu of CompilerOptions must be the name of a processor.");
  if (const auto mattr = options.find("mattr");
      mattr != options.end() && (!mattr->is_array() || !std::ranges::all_of(*mattr, is_ability)))
    return invalid_input("The mattr of CompilerOptions must be a list of names that begin with + or -.");
  return {};
}

/// Returns what Greengrass calls the architecture that the job is for.
const char* architecture(const Json& greengrass) {
  const auto platform = greengrass.find("TargetPlatform");
  return platform != greengrass.end() && platform->value("Arch", "") == "X86_64" ? "amd64" : "aarch64";
}

}  // namespace

Result<Json> parse_compiler_options(std::string text) {
  auto options = Json::parse(text, nullptr, false);
  if (options.is_discarded()) {
    std::replace(text.begin(), text.end(), '\'', '"');
    options = Json::parse(text, nullptr, false);
  }
  if (!options.is_object()) return invalid_input("CompilerOptions must hold a JSON object.");
  return options;
}

Result<void> check_compiler_options(const std::string& text, bool has_accelerator) {
  const auto options = parse_compiler_options(text);
  if (!options) return options.error();
  return has_accelerator ? check_accelerator_options(*options) : check_processor_options(*options);
}

ComponentKeys component_keys(const std::string& prefix, const std::string& component, const std::string& version) {
  const auto start = prefix + component + "/" + version + "/" + component + "-" + version;
  return {start + "-greengrass_model_component.zip", start + "-recipe.json"};
}

std::string component_recipe(const PackagingJob& job, const std::string& archive_uri) {
  const auto greengrass = Json::parse(job.configuration).at("Greengrass");
  // The archive is unpacked into a folder that is named after it.
  const auto archive = archive_uri.substr(archive_uri.rfind('/') + 1);
  const auto unpacked = "{artifacts:decompressedPath}/" + archive.substr(0, archive.size() - 4);
  const std::string place = "{configuration:/ModelsFolder}/" + job.component_name;
  const auto model = place + "/" + job.component_version;
  // The copy gets its name in one step, so that the agent never sees half a model.
  const auto script = "test -d '" + model + "' || { mkdir -p '" + place + "' && rm -rf '" + place +
                      "/.arriving' && cp -r '" + unpacked + "' '" + place + "/.arriving' && mv -T '" + place +
                      "/.arriving' '" + model + "'; }";
  const Json recipe = {
      {"RecipeFormatVersion", "2020-01-25"},
      {"ComponentName", job.component_name},
      {"ComponentVersion", job.component_version},
      {"ComponentType", "aws.greengrass.generic"},
      {"ComponentDescription",
       greengrass.value("ComponentDescription", "A model that finds defects in pictures of parts.")},
      {"ComponentPublisher", "Vedette"},
      {"ComponentConfiguration", {{"DefaultConfiguration", {{"ModelsFolder", "/var/lib/vedette-edge/models"}}}}},
      {"ComponentDependencies",
       {{"aws.iot.lookoutvision.EdgeAgent", {{"VersionRequirement", ">=0.1.0 <2.0.0"}, {"DependencyType", "HARD"}}}}},
      {"Manifests", Json::array({{{"Platform", {{"os", "linux"}, {"architecture", architecture(greengrass)}}},
                                  {"Lifecycle", {{"Install", {{"Script", script}, {"RequiresPrivilege", true}}}}},
                                  {"Artifacts", Json::array({{{"Uri", archive_uri}, {"Unarchive", "ZIP"}}})}}})}};
  return recipe.dump(1) + "\n";
}

Result<void> add_device_facts(const std::filesystem::path& folder) {
  const auto text = read_file(folder / "manifest.json", kManifestLimit);
  if (!text) return text.error();
  const auto manifest = parse_manifest(as_text(*text));
  if (!manifest) return manifest.error();
  // The rest of the file stays as it is, also if an older version wrote it.
  Json json = Json::parse(as_text(*text));
  json["dataset"] = {{"image_height", manifest->image_height}, {"image_width", manifest->image_width}};
  Json facts = {{"stages", Json::array({{{"type", "vedette-model"}}})}, {"threshold", manifest->threshold}};
  if (manifest->segmentation) {
    facts["pixel_level_classes"]["names"] = Json::array();
    for (const auto& label : manifest->segmentation->labels)
      facts["pixel_level_classes"]["names"].push_back(label.name);
  }
  json["model_graph"] = std::move(facts);
  return write_file_atomically(folder / "manifest.json", json.dump(1) + "\n");
}

}  // namespace vedette
