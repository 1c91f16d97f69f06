#include <fmt/format.h>

#include <cmath>

#include "annotations/json_items.hpp"
#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"
#include "vision/image/mask_file.hpp"

namespace vedette {
namespace {

std::optional<Ring> points_of(const Json& shape) {
  const auto* list = find_member(shape, "points");
  if (list == nullptr || !list->is_array()) return std::nullopt;
  Ring ring;
  for (const auto& point : *list) {
    const auto x = point.is_array() && point.size() == 2 ? coordinate_of(&point[0]) : std::nullopt;
    const auto y = x ? coordinate_of(&point[1]) : std::nullopt;
    if (!y) return std::nullopt;
    ring.push_back({*x, *y});
  }
  return ring;
}

constexpr std::size_t kMostRuns = 10'000'000;  // of a mask: more is no area that anybody marked

/// Reads a shape of the type "mask": a picture in base64, whose first pixel lies at the first point.
std::string read_mask(const Json& shape, const Ring& points, int longest_side, Region& out) {
  const auto bytes = from_base64(text_of(shape, "mask"));
  if (!bytes || points.empty()) return "its mask is no base64";
  const auto picture = read_mask_file(*bytes, {1, longest_side});
  if (!picture) return "its mask is no picture: " + picture.error().message;
  if (std::abs(points[0].x) > kMostSide || std::abs(points[0].y) > kMostSide)
    return "its mask lies far outside of the picture";
  RunBuilder runs;
  for (const auto index : picture->pixels.values) {
    const auto& color = picture->palette.shades[index].color;
    runs.add(color != MaskColor16{}, 1);
    if (runs.size() > kMostRuns) return "its mask has too many edges";
  }
  out.runs = Runs{.left = static_cast<int>(std::lround(points[0].x)),
                  .top = static_cast<int>(std::lround(points[0].y)),
                  .height = picture->pixels.height,
                  .width = picture->pixels.width,
                  .by_columns = false,
                  .lengths = runs.take()};
  return {};
}

std::string read_shape(const Json& shape, int longest_side, Region& out) {
  out.label = text_of(shape, "label");
  if (out.label.empty()) return "it has no label";
  auto type = text_of(shape, "shape_type");
  auto points = points_of(shape);
  if (!points) return "its points are not a list of x, y";
  if (type.empty() || type == "polygon" || type == "oriented_rectangle") {
    if (points->size() < 3) return "it has less than three points";
    out.is_box = type == "oriented_rectangle";
    out.rings.push_back(std::move(*points));
  } else if (type == "rectangle") {
    if (points->size() < 2) return "a rectangle needs two points";
    const auto &a = points->front(), &b = points->back();
    // Some versions write all four corners.
    const auto c = points->size() == 4 ? (*points)[2] : b;
    out.rings.push_back(rectangle(std::min(a.x, c.x), std::min(a.y, c.y), std::max(a.x, c.x), std::max(a.y, c.y)));
    out.is_box = true;
  } else if (type == "circle") {
    if (points->size() != 2) return "a circle needs two points";
    const auto &centre = (*points)[0], &edge = (*points)[1];
    const double radius = std::hypot(edge.x - centre.x, edge.y - centre.y);
    if (radius > kMostCoordinate / 2) return "it lies far outside of the picture";
    out.rings.push_back(ellipse(centre, radius, radius, 0));
  } else if (type == "mask") {
    return read_mask(shape, *points, longest_side, out);
  } else {
    return "a shape of the type \"" + type.substr(0, 40) + "\" marks no area";
  }
  return {};
}

}  // namespace

Result<void> read_labelme(std::string_view text, const std::string& file, AnnotationSet& set) {
  const auto document = parse_one_item(text, file, set.limits.json_values);
  if (!document) return document.error();
  const auto* shapes = find_member(*document, "shapes");
  if (shapes == nullptr || !shapes->is_array())
    return invalid_input(file + " has no list of shapes, so that it is no LabelMe file");
  set.shows_turned = true;
  set.omits_pictures = true;
  AnnotatedPicture picture;
  picture.name = text_of(*document, "imagePath");
  picture.height = side_of(*document, "imageHeight"), picture.width = side_of(*document, "imageWidth");
  picture.split = split_of(file);
  if (picture.name.empty()) return invalid_input(file + " has no imagePath");
  for (std::size_t i = 0; i < shapes->size(); ++i) {
    Region region;
    if (const auto fault = read_shape((*shapes)[i], set.limits.longest_side, region); !fault.empty()) {
      set.problems.add(fmt::format("{}: /shapes/{}: {}", file, i, fault));
      picture.has_bad_entry = true;
      continue;
    }
    set.add(std::move(region), picture.regions);
  }
  if (const auto* flags = find_member(*document, "flags"); flags != nullptr && flags->is_object())
    for (const auto& [name, value] : flags->items())
      if (value.is_boolean() && value.get<bool>()) picture.class_labels.push_back(name);
  set.add(std::move(picture));
  return {};
}

}  // namespace vedette
