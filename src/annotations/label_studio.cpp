#include <fmt/format.h>

#include <set>

#include "annotations/json_items.hpp"
#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"

namespace vedette {
namespace {

constexpr double kWhole = 100;  // Coordinates are per cent.

/// Reads numbers of `value`; nothing if one of them is missing.
std::optional<std::vector<double>> numbers_of(const Json& value, std::initializer_list<const char*> names) {
  std::vector<double> out;
  for (const auto* name : names) {
    const auto number = coordinate_of(find_member(value, name));
    if (!number) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

/// What one entry of a task's result says. An entry without an area and without labels says nothing about defects.
struct Entry {
  std::vector<std::string> labels;
  Region region;
  bool has_area = false;
  std::string fault;
};

std::vector<std::string> labels_of(const Json& value, const std::string& type) {
  std::vector<std::string> out;
  const auto* list = find_member(value, type.c_str());
  if (list == nullptr || !list->is_array()) return out;
  for (const auto& label : *list)
    if (label.is_string()) out.push_back(label.get<std::string>());
  return out;
}

std::string read_brush(const Json& list, int height, int width, Region& out) {
  Bytes bytes;
  bytes.reserve(list.size());
  for (const auto& item : list) {
    const auto byte = count_of(&item);
    if (!byte || *byte > 255) return "its rle holds something else than bytes";
    bytes.push_back(static_cast<std::uint8_t>(*byte));
  }
  out.runs = parse_label_studio_brush(bytes, height, width);
  return out.runs ? "" : "its rle is broken or not of the picture's size";
}

/// Reads the area of an entry, whose kind shows in its members. Returns why it cannot be used.
std::string read_area(const Json& result, const Json& value, int height, int width, Entry& out) {
  const auto* rle = find_member(value, "rle");
  const auto* points = find_member(value, "points");
  out.has_area = true;
  if (height == 0 || width == 0) return "its original_width or original_height is missing";
  if (const auto turned = coordinate_of(find_member(result, "image_rotation")); turned && *turned != 0)
    return "its picture was turned in Label Studio (image_rotation)";
  const double sx = width / kWhole, sy = height / kWhole;
  const double degrees = coordinate_of(find_member(value, "rotation")).value_or(0);
  if (rle != nullptr && rle->is_array()) return read_brush(*rle, height, width, out.region);
  if (points != nullptr && points->is_array()) {
    Ring ring;
    for (const auto& point : *points) {
      const auto x = point.is_array() && point.size() == 2 ? coordinate_of(&point[0]) : std::nullopt;
      const auto y = x ? coordinate_of(&point[1]) : std::nullopt;
      if (!y) return "one of its points is not x, y";
      ring.push_back({*x * sx, *y * sy});
    }
    if (ring.size() < 3) return "its polygon has less than three points";
    out.region.rings.push_back(std::move(ring));
    return {};
  }
  if (const auto e = numbers_of(value, {"x", "y", "radiusX", "radiusY"})) {
    const auto& v = *e;
    if (v[2] < 0 || v[3] < 0) return "one of its radii is negative";
    out.region.rings.push_back(ellipse({v[0] * sx, v[1] * sy}, v[2] * sx, v[3] * sy, degrees));
    return {};
  }
  if (const auto r = numbers_of(value, {"x", "y", "width", "height"})) {
    const auto& v = *r;
    if (v[2] < 0 || v[3] < 0) return "one of its sides is negative";
    const Point corner{v[0] * sx, v[1] * sy};
    auto ring = rectangle(corner.x, corner.y, corner.x + v[2] * sx, corner.y + v[3] * sy);
    turn(ring, corner, degrees);  // It is turned about its first corner.
    out.region.rings.push_back(std::move(ring));
    out.region.is_box = true;
    return {};
  }
  return "it is no polygon, brush, ellipse or rectangle, so that it marks no area";
}

Entry read_entry(const Json& result, AnnotatedPicture& picture) {
  Entry out;
  const auto type = text_of(result, "type");
  const auto* value = find_member(result, "value");
  if (value == nullptr || !value->is_object()) return out;
  if (type == "choices") {
    out.labels = labels_of(*value, type);
    return out;
  }
  const bool is_labelled = type.ends_with("labels");
  const bool is_bare =
      type == "rectangle" || type == "polygon" || type == "ellipse" || type == "brush" || type == "bitmask";
  if (!is_labelled && !is_bare) return out;  // texts, ratings, relations
  out.labels = labels_of(*value, type);
  const int height = side_of(result, "original_height"), width = side_of(result, "original_width");
  if (picture.height == 0) picture.height = height, picture.width = width;
  out.fault = read_area(result, *value, height, width, out);
  if (out.fault.empty() && (height != picture.height || width != picture.width))
    out.fault = "its original size is another one than that of the entries before it";
  if (out.fault.empty()) {
    // Coordinates were bounded as per cent; now they are pixels.
    for (const auto& ring : out.region.rings)
      for (const auto& p : ring)
        if (!(std::abs(p.x) <= kMostCoordinate && std::abs(p.y) <= kMostCoordinate))
          out.fault = "it lies far outside of the picture";
  }
  return out;
}

/// Chooses which of several people's annotations counts: the ground truth, else the last one that was not cancelled.
const Json* choose(const Json& task, std::size_t& usable) {
  const auto* list = find_member(task, "annotations");
  if (list == nullptr) list = find_member(task, "completions");  // the name in exports of before 2021
  if (list == nullptr || !list->is_array()) return nullptr;
  const Json* chosen = nullptr;
  bool is_truth = false;
  const auto is_set = [](const Json& item, const char* name) {
    const auto* flag = find_member(item, name);
    return flag != nullptr && flag->is_boolean() && flag->get<bool>();
  };
  for (const auto& item : *list) {
    if (!item.is_object() || is_set(item, "was_cancelled")) continue;
    ++usable;
    if (is_truth && !is_set(item, "ground_truth")) continue;
    chosen = &item;
    is_truth = is_set(item, "ground_truth");
  }
  return chosen;
}

/// Finds the picture of a task: the member of its data that names one.
std::string picture_of(const Json& task) {
  const auto* data = find_member(task, "data");
  if (data == nullptr || !data->is_object()) return {};
  for (const auto* name : {"image", "img", "picture", "photo", "url"})
    if (auto text = text_of(*data, name); !text.empty()) return text;
  for (const auto& [name, value] : data->items())
    if (value.is_string() && is_picture_name(value.get_ref<const std::string&>())) return value.get<std::string>();
  return {};
}

}  // namespace

Result<void> read_label_studio(std::string_view text, const std::string& file, AnnotationSet& set) {
  std::size_t several = 0, tasks = 0;
  set.shows_turned = true;
  const auto on_task = [&](const std::string&, std::size_t index, const Json& task) {
    const auto id = id_of(find_member(task, "id"));
    const auto report = [&](std::size_t entry, const std::string& reason) {
      set.problems.add(fmt::format("{}: task {} (/{}), entry {} of its result: {}", file,
                                   id.empty() ? "without an id" : id, index, entry, reason));
    };
    if (find_member(task, "data") == nullptr) return;
    ++tasks;
    AnnotatedPicture picture;
    picture.name = picture_of(task);
    picture.split = Split::train;
    if (picture.name.empty() || set.pictures.size() >= kMostPictures) {
      set.problems.add(fmt::format("{}: task {} (/{}) names no picture in its data", file, id, index));
      return;
    }
    std::size_t usable = 0;
    const auto* annotation = choose(task, usable);
    several += usable > 1 ? 1 : 0;
    const auto* results = annotation == nullptr ? nullptr : find_member(*annotation, "result");
    if (results != nullptr && results->is_array()) {
      // Where labels and shapes are tags of their own, an area comes twice: bare, and again with its labels.
      std::set<std::string> labelled;
      for (const auto& result : *results)
        if (text_of(result, "type").ends_with("labels")) labelled.insert(id_of(find_member(result, "id")));
      for (std::size_t i = 0; i < results->size(); ++i) {
        const auto& result = (*results)[i];
        auto entry = read_entry(result, picture);
        if (entry.has_area && entry.labels.empty()) {
          if (labelled.contains(id_of(find_member(result, "id"))) && !text_of(result, "type").ends_with("labels"))
            continue;
          if (entry.fault.empty()) entry.fault = "it has no label";
        }
        if (!entry.fault.empty()) {
          report(i, entry.fault);
          picture.has_bad_entry = true;
        } else if (entry.has_area) {
          entry.region.label = entry.labels.back();
          set.add(std::move(entry.region), picture.regions);
        } else {
          for (auto& label : entry.labels) picture.class_labels.push_back(std::move(label));
        }
      }
    }
    set.add(std::move(picture));
  };
  if (auto ok = for_each_item(text, file, 1, set.limits.json_values, on_task); !ok) return ok;
  if (tasks == 0)
    return invalid_input(file +
                         " holds no tasks with data and annotations; export from Label Studio as JSON, not JSON-MIN");
  if (several > 0)
    set.notes.push_back(fmt::format(
        "{} tasks of Label Studio have annotations of several people; the ground truth counts, else the last one.",
        several));
  return {};
}

}  // namespace vedette
