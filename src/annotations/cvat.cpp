#include <fmt/format.h>

#include <algorithm>

#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"
#include "annotations/xml_document.hpp"

namespace vedette {
namespace {

std::optional<double> number_of(const pugi::xml_node& node, const char* name) {
  return parse_coordinate(node.attribute(name).value());
}

/// Reads "x,y;x,y;…".
std::optional<Ring> points_of(std::string_view text) {
  Ring ring;
  for (const auto pair : split(text, ';')) {
    const auto comma = pair.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    const auto x = parse_coordinate(pair.substr(0, comma)), y = parse_coordinate(pair.substr(comma + 1));
    if (!x || !y) return std::nullopt;
    ring.push_back({*x, *y});
  }
  return ring;
}

/// Reads "n, n, …": lengths along the rows of the rectangle left, top, width, height.
std::string read_runs(const pugi::xml_node& node, Region& out) {
  Runs runs;
  const auto left = number_of(node, "left"), top = number_of(node, "top");
  if (!left || !top || std::abs(*left) > kMostSide || std::abs(*top) > kMostSide)
    return "its left or top is no number of pixels";
  runs.left = static_cast<int>(*left), runs.top = static_cast<int>(*top);
  runs.width = parse_side(node.attribute("width").value());
  runs.height = parse_side(node.attribute("height").value());
  for (const auto text : split(node.attribute("rle").value(), ',')) {
    const auto length = parse_integer(trim(text));
    if (!length || *length < 0 || *length > UINT32_MAX) return "its rle is not a list of lengths";
    runs.lengths.push_back(static_cast<std::uint32_t>(*length));
  }
  // The runs end with the last marked pixel, or with the rectangle.
  const auto area = static_cast<std::uint64_t>(runs.width) * static_cast<std::uint64_t>(runs.height);
  std::uint64_t sum = 0;
  for (const auto length : runs.lengths) sum += length;
  if (sum < area) {
    if (runs.lengths.size() % 2 == 1) runs.lengths.push_back(0);
    runs.lengths.push_back(static_cast<std::uint32_t>(area - sum));
  }
  if (!check_runs(runs)) return "its rle does not fit its width and height";
  out.runs = std::move(runs);
  return {};
}

std::string read_shape(const pugi::xml_node& node, Region& out) {
  const std::string_view kind = node.name();
  out.label = node.attribute("label").value();
  if (out.label.empty()) return "it has no label";
  const double degrees = number_of(node, "rotation").value_or(0);
  if (kind == "polygon") {
    auto ring = points_of(node.attribute("points").value());
    if (!ring || ring->size() < 3) return "its points are not three or more corners x,y";
    out.rings.push_back(std::move(*ring));
  } else if (kind == "box") {
    const auto left = number_of(node, "xtl"), top = number_of(node, "ytl"), right = number_of(node, "xbr"),
               bottom = number_of(node, "ybr");
    if (!left || !top || !right || !bottom) return "one of its corners is missing";
    auto ring = rectangle(*left, *top, *right, *bottom);
    turn(ring, {(*left + *right) / 2, (*top + *bottom) / 2}, degrees);
    out.rings.push_back(std::move(ring));
    out.is_box = true;
  } else if (kind == "ellipse") {
    const auto x = number_of(node, "cx"), y = number_of(node, "cy"), rx = number_of(node, "rx"),
               ry = number_of(node, "ry");
    if (!x || !y || !rx || !ry || *rx < 0 || *ry < 0) return "its centre or a radius is missing";
    out.rings.push_back(ellipse({*x, *y}, *rx, *ry, degrees));
  } else if (kind == "mask") {
    return read_runs(node, out);
  } else {
    return fmt::format("a {} marks no area", kind);
  }
  for (const auto& ring : out.rings)
    for (const auto& p : ring)
      if (!(std::abs(p.x) <= kMostCoordinate && std::abs(p.y) <= kMostCoordinate))
        return "it lies far outside of the picture";
  return {};
}

AnnotatedPicture read_image(const pugi::xml_node& image, std::string_view text, const std::string& file,
                            AnnotationSet& set) {
  AnnotatedPicture picture;
  picture.name = image.attribute("name").value();
  picture.height = parse_side(image.attribute("height").value());
  picture.width = parse_side(image.attribute("width").value());
  const std::string_view subset = image.attribute("subset").value();
  picture.split = split_of(subset.empty() ? std::string_view(file) : subset);
  struct Layer {
    double z;
    Region region;
  };
  std::vector<Layer> layers;
  for (const auto& node : image.children()) {
    if (node.type() != pugi::node_element) continue;
    if (std::string_view(node.name()) == "tag") {
      picture.class_labels.emplace_back(node.attribute("label").value());
      continue;
    }
    Region region;
    if (const auto fault = read_shape(node, region); !fault.empty()) {
      report(node, text, file,
             fmt::format("<{}> of {}: {}", std::string_view(node.name()).substr(0, 40), picture.name, fault),
             set.problems);
      picture.has_bad_entry = true;
      continue;
    }
    if (set.keep(bytes_of(region))) layers.push_back({number_of(node, "z_order").value_or(0), std::move(region)});
  }
  std::stable_sort(layers.begin(), layers.end(), [](const Layer& a, const Layer& b) { return a.z < b.z; });
  for (auto& layer : layers) picture.regions.push_back(std::move(layer.region));
  return picture;
}

}  // namespace

Result<void> read_cvat(std::string_view text, const std::string& file, AnnotationSet& set) {
  pugi::xml_document document;
  if (auto ok = parse_xml(text, file, document); !ok) return ok;
  const auto root = document.child("annotations");
  if (!root) return invalid_input(file + " has no <annotations>, so that it is no CVAT file");
  if (root.child("track"))
    return invalid_input(file + " is an export for videos; export from CVAT as \"CVAT for images 1.1\"");
  set.shows_turned = true;
  for (const auto* owner : {"task", "project", "job"})
    for (const auto& label : root.child("meta").child(owner).child("labels").children("label"))
      if (const auto color = parse_color(label.child_value("color")))
        set.add_color(label.child_value("name"), to_text(*color));
  for (const auto& image : root.children("image")) {
    auto picture = read_image(image, text, file, set);
    if (picture.name.empty() || set.pictures.size() >= kMostPictures) {
      report(image, text, file, "an <image> has no name", set.problems);
      continue;
    }
    set.add(std::move(picture));
  }
  return {};
}

}  // namespace vedette
