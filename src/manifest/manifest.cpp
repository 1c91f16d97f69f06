#include "manifest/manifest.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace vedette {
namespace {

using Json = nlohmann::ordered_json;  // the user's member order is kept

constexpr std::string_view kMetadata = "-metadata";

std::string text_member(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<bool> class_of(const std::string& name) {
  if (equals_ignore_case(trim(name), "normal")) return false;
  if (equals_ignore_case(trim(name), "anomaly")) return true;
  return std::nullopt;
}

}  // namespace

std::vector<std::string_view> manifest_lines(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  for (auto line : split(text, '\n')) {
    line = trim(line);
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

std::optional<S3Uri> parse_s3_uri(std::string_view uri) {
  if (!uri.starts_with("s3://")) return std::nullopt;
  uri.remove_prefix(5);
  const auto slash = uri.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == uri.size()) return std::nullopt;
  return S3Uri{std::string(uri.substr(0, slash)), std::string(uri.substr(slash + 1))};
}

Result<ManifestLine> parse_manifest_line(std::string_view line) {
  if (!is_utf8(line)) return invalid_input("it is not UTF-8 text");
  if (utf8_length(line) > kManifestLineLimit) return invalid_input("it is longer than 8192 characters");
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return invalid_input("it is not a JSON object");
  ManifestLine out;
  out.source_ref = text_member(json, "source-ref");
  if (out.source_ref.empty()) return invalid_input("source-ref is missing");

  for (auto& [name, metadata] : json.items()) {
    if (!metadata.is_object() || !name.ends_with(kMetadata) || name.size() == kMetadata.size()) continue;
    const std::string attribute = name.substr(0, name.size() - kMetadata.size());
    const std::string type = text_member(metadata, "type");
    if (type.empty()) return invalid_input(name + " has no type");
    if (type == "groundtruth/image-classification" && !out.is_anomalous) {
      const auto it = json.find(attribute);
      if (it == json.end()) return invalid_input(attribute + " is missing beside " + name);
      out.is_anomalous = class_of(text_member(metadata, "class-name"));
      out.creation_date = parse_timestamp(text_member(metadata, "creation-date"));
      if (out.is_anomalous) {
        *it = *out.is_anomalous ? 1 : 0;
        metadata["class-name"] = *out.is_anomalous ? "anomaly" : "normal";
      }
    } else if (type == "groundtruth/semantic-segmentation" && !out.mask_ref) {
      const std::string reference = text_member(json, attribute.c_str());
      if (reference.empty()) return invalid_input(attribute + " is missing beside " + name);
      const auto map = metadata.find("internal-color-map");
      if (map == metadata.end() || !map->is_object()) return invalid_input(name + " has no internal-color-map");
      for (const auto& [index, entry] : map->items()) {
        if (!entry.is_object()) return invalid_input("an entry of internal-color-map is not an object");
        ManifestColor color{text_member(entry, "class-name"), text_member(entry, "hex-color")};
        const bool is_color =
            color.color.size() == 7 && color.color[0] == '#' && from_hex(std::string_view(color.color).substr(1));
        if (color.name.empty() || !is_color)
          return invalid_input("an entry of internal-color-map lacks class-name or hex-color (#rrggbb)");
        const bool is_background = equals_ignore_case(color.name, "background");
        // The API returns label names, whose pattern allows only letters and digits.
        const bool is_plain =
            color.name.size() <= 256 &&
            color.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
                std::string::npos;
        if (!is_background && !is_plain)
          return invalid_input("the anomaly label \"" + color.name + "\" may hold only letters and digits");
        out.mask_colors.push_back(std::move(color));
      }
      if (out.mask_colors.size() > 21) return invalid_input("internal-color-map names more than 20 anomaly labels");
      out.mask_ref = reference;
    }
  }
  out.text = json.dump();
  return out;
}

}  // namespace vedette
