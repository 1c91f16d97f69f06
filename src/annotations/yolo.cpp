#include <fmt/format.h>

#include <map>
#include <set>

#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"
#include "annotations/xml_document.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kMostListBytes = 1U << 20;
constexpr std::uint64_t kMostLabelBytes = 64U << 20;
constexpr std::size_t kMostClasses = 10'000;

std::string_view last_part(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

std::string_view without_quotes(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

/// Cuts a comment off, which begins with # at the beginning or after a space.
std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
    if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return line.substr(0, at);
  return line;
}

/// Reads the member `names` of data.yaml, in the forms that occur: [a, b], {0: a, 1: b}, lines "- a", lines "0: a".
/// Other members are passed over; this is no reader of all YAML.
std::vector<std::string> names_in_yaml(std::string_view text) {
  std::map<std::int64_t, std::string> names;
  std::int64_t next = 0;
  const auto add = [&](std::string_view entry) {
    entry = trim(entry);
    if (entry.empty() || names.size() >= kMostClasses) return;
    const auto colon = entry.find(':');
    const auto index =
        colon == std::string_view::npos ? std::nullopt : parse_integer(without_quotes(entry.substr(0, colon)));
    if (index && *index >= 0 && *index < static_cast<std::int64_t>(kMostClasses)) {
      names[*index] = without_quotes(entry.substr(colon + 1));
    } else {
      names[next++] = without_quotes(entry);
    }
  };
  bool is_inside = false, is_in_brackets = false;
  for (auto line : split(text, '\n')) {
    line = without_comment(line);
    const auto bare = trim(line);
    if (bare.empty()) continue;
    std::string_view rest;
    if (is_in_brackets) {
      rest = bare;
    } else if (line.starts_with("names:")) {
      is_inside = true;
      rest = trim(line.substr(6));
      if (rest.empty()) continue;
      if (rest.front() != '[' && rest.front() != '{') break;
      is_in_brackets = true;
      rest.remove_prefix(1);
    } else if (is_inside && (line.front() == ' ' || line.front() == '\t' || line.front() == '-')) {
      add(bare.starts_with('-') ? bare.substr(1) : bare);
      continue;
    } else {
      if (is_inside) break;
      continue;
    }
    const auto end = rest.find_first_of("]}");
    for (const auto entry : split(rest.substr(0, end), ',')) add(entry);
    if (end != std::string_view::npos) break;
  }
  std::vector<std::string> out;
  for (auto& [index, name] : names) {
    out.resize(static_cast<std::size_t>(index) + 1);
    out.back() = std::move(name);
  }
  return out;
}

/// Reads the names of the classes from data.yaml, or from classes.txt or obj.names, one per line.
Result<std::vector<std::string>> read_names(const AnnotationFiles& files) {
  for (const auto& name : files.names())
    if (name.ends_with(".yaml") || name.ends_with(".yml")) {
      const auto bytes = files.read(name, kMostListBytes);
      if (!bytes) return bytes.error();
      if (!is_utf8(as_text(*bytes))) return invalid_input(name + " is not UTF-8 text");
      if (auto found = names_in_yaml(as_text(*bytes)); !found.empty()) return found;
    }
  for (const auto& name : files.names())
    if (last_part(name) == "classes.txt" || last_part(name) == "obj.names") {
      const auto bytes = files.read(name, kMostListBytes);
      if (!bytes) return bytes.error();
      if (!is_utf8(as_text(*bytes))) return invalid_input(name + " is not UTF-8 text");
      std::vector<std::string> out;
      for (const auto line : split(as_text(*bytes), '\n'))
        if (out.size() < kMostClasses) out.emplace_back(trim(line));
      return out;
    }
  return invalid_input("there is no data.yaml with names, no classes.txt and no obj.names among the files of YOLO");
}

/// The file of labels that belongs to a picture: the last folder "images" becomes "labels".
std::string labels_of(std::string_view picture) {
  std::string name(without_suffix(picture));
  const auto folder = ("/" + name).rfind("/images/");
  if (folder != std::string::npos) name.replace(folder, 6, "labels");
  return name + ".txt";
}

/// Reads one line: a class and a box (centre and size) or the corners of a polygon, in shares of the sides 0 … 1.
std::string read_line(std::string_view line, const std::vector<std::string>& names, Region& out) {
  std::vector<std::string_view> fields;
  for (const auto field : split(line, ' '))
    if (!trim(field).empty()) fields.push_back(trim(field));
  const auto index = fields.empty() ? std::nullopt : parse_integer(fields[0]);
  if (!index || *index < 0) return "it does not begin with the number of a class";
  if (*index >= static_cast<std::int64_t>(names.size()) || names[static_cast<std::size_t>(*index)].empty())
    return fmt::format("there is no name for the class {}", *index);
  out.label = names[static_cast<std::size_t>(*index)];
  std::vector<double> values;
  for (std::size_t i = 1; i < fields.size(); ++i) {
    const auto value = parse_coordinate(fields[i]);
    if (!value || *value < -1 || *value > 2) return "one of its numbers is no share of the picture's side";
    values.push_back(*value);
  }
  if (values.size() == 4) {
    const double w = values[2] / 2, h = values[3] / 2;
    if (w < 0 || h < 0) return "its box has a negative side";
    out.rings.push_back(rectangle(values[0] - w, values[1] - h, values[0] + w, values[1] + h));
    out.is_box = true;
    return {};
  }
  if (values.size() < 6 || values.size() % 2 != 0)
    return "it is neither a box (4 numbers) nor a polygon (6, 8, 10 … numbers)";
  Ring ring;
  for (std::size_t i = 0; i < values.size(); i += 2) ring.push_back({values[i], values[i + 1]});
  out.rings.push_back(std::move(ring));
  return {};
}

}  // namespace

Result<void> read_yolo(const AnnotationFiles& annotations, const AnnotationFiles& pictures, AnnotationSet& set) {
  const auto names = read_names(annotations);
  if (!names) return names.error();
  set.shows_turned = true;  // YOLO's trainer turns pictures before it uses their labels.
  const std::set<std::string, std::less<>> files(annotations.names().begin(), annotations.names().end());
  std::set<std::string> used;
  for (const auto& name : pictures.names()) {
    if (!is_picture_name(name) || set.pictures.size() >= kMostPictures) continue;
    AnnotatedPicture picture;
    picture.name = name;
    picture.split = split_of(name.substr(0, name.rfind('/') == std::string::npos ? 0 : name.rfind('/')));
    picture.is_in_shares = true;
    const auto labels = labels_of(name);
    if (files.contains(labels)) {
      used.insert(labels);
      const auto bytes = annotations.read(labels, std::min(kMostLabelBytes, set.limits.tree_bytes));
      if (!bytes) return bytes.error();
      std::size_t number = 0;
      for (const auto line : split(as_text(*bytes), '\n')) {
        ++number;
        if (trim(line).empty()) continue;
        Region region;
        if (const auto fault = read_line(line, *names, region); !fault.empty()) {
          set.problems.add(fmt::format("{}, line {}: {}", labels, number, fault));
          picture.has_bad_entry = true;
        } else {
          set.add(std::move(region), picture.regions);
        }
      }
      if (auto ok = set.check(labels); !ok) return ok;
    }
    set.add(std::move(picture));
  }
  for (const auto& name : annotations.names())
    if (("/" + name).find("/labels/") != std::string::npos && name.ends_with(".txt") && !used.contains(name))
      set.problems.add(name + ": there is no picture for these labels");
  return {};
}

}  // namespace vedette
