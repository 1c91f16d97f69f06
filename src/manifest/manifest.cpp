#include "manifest/manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace vedette {
namespace {

using Json = nlohmann::ordered_json;  // This type keeps the order of the user's members.

constexpr std::string_view kMetadata = "-metadata", kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kMostLineBytes = 4 * kManifestLineLimit;  // a character has at most four bytes
constexpr const char* kMaskType = "groundtruth/semantic-segmentation";
// A message names at most this many classes, with at most this many bytes of each name.
constexpr std::size_t kMostNames = 5, kLongestName = 64;
// A mask has at most this many labels, not counting the background.
constexpr std::size_t kMostLabels = 20;

std::string text_member(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<bool> class_of(const std::string& name) {
  if (equals_ignore_case(trim(name), "normal")) return false;
  if (equals_ignore_case(trim(name), "anomaly")) return true;
  return std::nullopt;
}

/// Whether a text of the line has a zero byte, be it the name of a member or its value. JSON can spell what no database
/// holds as text.
bool has_nul(std::string_view line) {
  if (line.find("\\u0000") == std::string_view::npos) return false;
  bool is_found = false;
  [[maybe_unused]] const auto document = Json::parse(
      line,
      [&](int /*depth*/, Json::parse_event_t /*event*/, const Json& parsed) {
        is_found |= parsed.is_string() && parsed.get_ref<const std::string&>().find('\0') != std::string::npos;
        return true;
      },
      false);
  return is_found;
}

struct Mask {
  std::string reference;
  std::vector<ManifestColor> colors;
};

/// Reads the mask that a metadata member describes.
Result<Mask> read_mask(const Json& line, const std::string& attribute, const std::string& name, const Json& metadata) {
  Mask mask{text_member(line, attribute.c_str()), {}};
  if (mask.reference.empty()) return invalid_input(attribute + " is missing beside " + name);
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
    // The API returns label names, and its pattern for them allows only letters and digits.
    const bool is_plain = color.name.size() <= 256 &&
                          color.name.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == std::string::npos;
    if (!is_background && !is_plain)
      return invalid_input("the anomaly label \"" + color.name + "\" may hold only letters and digits");
    mask.colors.push_back(std::move(color));
  }
  if (mask.colors.size() > kMostLabels + 1)
    return invalid_input("internal-color-map names more than 20 anomaly labels");
  return mask;
}

}  // namespace

void ClassTally::add(const ManifestLine& line) {
  ++lines_;
  if (line.is_anomalous) ++labelled_;
  if (!line.other_class.empty()) ++others_[line.other_class];
}

std::string ClassTally::describe() const {
  if (others_.empty()) return {};
  std::vector<std::pair<std::size_t, std::string>> names;
  std::size_t others = 0;
  for (const auto& [name, count] : others_) names.emplace_back(count, name), others += count;
  std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    auto name = names[i].second.substr(0, kLongestName);
    while (!is_utf8(name)) name.pop_back();  // The name was cut within a character.
    list += (i > 0 ? ", " : "") + name + " (" + std::to_string(names[i].first) + ")";
  }
  if (names.size() > kMostNames) list += " and " + std::to_string(names.size() - kMostNames) + " more";
  const auto all = std::to_string(lines_);
  if (labelled_ == 0)
    return "None of the " + all + " lines is labelled normal or anomaly; their class names are: " + list + ".";
  return std::to_string(others) + " of the " + all +
         " lines count as unlabelled, because their class names are neither normal nor anomaly: " + list + ".";
}

ManifestLines::Iterator ManifestLines::begin() const {
  auto text = text_;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return Iterator(text);
}

void ManifestLineFeed::keep(std::string_view part) {
  // White space before a line is not kept in memory, however much there is.
  while (line_.empty() && !part.empty() && trim(part.substr(0, 1)).empty()) part.remove_prefix(1);
  line_ += part.substr(0, kMostLineBytes + 1 - std::min(line_.size(), kMostLineBytes + 1));
}

Result<void> ManifestLineFeed::add(std::string_view piece) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    keep(piece.substr(0, end));
    if (end == std::string_view::npos) return {};
    if (auto ok = finish(); !ok) return ok;
    piece.remove_prefix(end + 1);
  }
  return {};
}

Result<void> ManifestLineFeed::finish() {
  std::string_view line = line_;
  if (++number_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  line = trim(line);
  auto outcome = line.empty() ? Result<void>() : on_line_(line, number_);
  line_.clear();
  return outcome;
}

ManifestLines::Iterator& ManifestLines::Iterator::operator++() {
  is_end_ = true;
  while (is_end_ && !rest_.empty()) {
    const auto end = rest_.find('\n');
    line_ = {trim(rest_.substr(0, end)), line_.number + 1};
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    is_end_ = line_.text.empty();
  }
  return *this;
}

std::optional<S3Uri> parse_s3_uri(std::string_view uri) {
  if (!uri.starts_with("s3://")) return std::nullopt;
  uri.remove_prefix(5);
  const auto slash = uri.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == uri.size()) return std::nullopt;
  return S3Uri{std::string(uri.substr(0, slash)), std::string(uri.substr(slash + 1))};
}

Result<ManifestLine> parse_manifest_line(std::string_view line) {
  // The length is checked before anything of the line is read.
  if (line.size() > kMostLineBytes) return invalid_input("it is longer than 8192 characters");
  if (!is_utf8(line)) return invalid_input("it is not UTF-8 text");
  if (utf8_length(line) > kManifestLineLimit) return invalid_input("it is longer than 8192 characters");
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return invalid_input("it is not a JSON object");
  if (has_nul(line)) return invalid_input("one of its texts has a NUL character (\\u0000)");
  ManifestLine out;
  out.source_ref = text_member(json, "source-ref");
  if (out.source_ref.empty()) return invalid_input("source-ref is missing");

  bool is_from_human = false;
  for (auto& [name, metadata] : json.items()) {
    if (!metadata.is_object() || !name.ends_with(kMetadata) || name.size() == kMetadata.size()) continue;
    const std::string attribute = name.substr(0, name.size() - kMetadata.size());
    const std::string type = text_member(metadata, "type");
    if (type.empty() && (metadata.contains("class-name") || metadata.contains("internal-color-map")))
      return invalid_input(name + " has no type");
    if (metadata.contains("internal-color-map") && type != kMaskType)
      return invalid_input(name + " has an internal-color-map, but its type is not " + kMaskType);
    if (type == "groundtruth/image-classification") {
      const auto it = json.find(attribute);
      if (it == json.end()) return invalid_input(attribute + " is missing beside " + name);
      const auto class_name = text_member(metadata, "class-name");
      const auto label = class_of(class_name);
      if (!label && out.other_class.empty()) out.other_class = class_name;
      // Chained labelling jobs, and evaluation manifests, have several labels: a person's label counts before a
      // model's, then the first one counts.
      const bool by_human = !equals_ignore_case(text_member(metadata, "human-annotated"), "no");
      if (!label || (out.is_anomalous && (is_from_human || !by_human))) continue;
      out.is_anomalous = label;
      is_from_human = by_human;
      out.creation_date = parse_timestamp(text_member(metadata, "creation-date"));
      *it = *label ? 1 : 0;
      metadata["class-name"] = *label ? "anomaly" : "normal";
    } else if (type == kMaskType && !out.mask_ref) {
      auto mask = read_mask(json, attribute, name, metadata);
      if (!mask) return mask.error();
      // If a colour map names only the background, the picture has no marked place, whatever the mask's picture shows.
      const bool has_labels = std::any_of(mask->colors.begin(), mask->colors.end(), [](const auto& color) {
        return !equals_ignore_case(color.name, "background");
      });
      if (!has_labels) continue;
      out.mask_ref = std::move(mask->reference);
      out.mask_colors = std::move(mask->colors);
    }
  }
  // Without its colours a mask would be lost, and nobody would be told. The mask of a normal picture is never used.
  if (out.is_anomalous.value_or(true))
    for (const auto& [name, value] : json.items()) {
      const auto metadata = json.find(name + std::string(kMetadata));
      if (name.ends_with("-ref") && name != "source-ref" && value.is_string() &&
          (metadata == json.end() || !metadata->is_object()))
        return invalid_input(name + std::string(kMetadata) + " is missing beside " + name);
    }
  if (out.is_anomalous) out.other_class.clear();
  out.text = json.dump();
  if (utf8_length(out.text) > kManifestLineLimit) return invalid_input("it is longer than 8192 characters");
  return out;
}

}  // namespace vedette
