#include <fmt/format.h>

#include <map>

#include "annotations/json_items.hpp"
#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"

namespace vedette {
namespace {

/// An annotation before its picture and category are known: they may follow in the file.
struct PendingAnnotation {
  std::string id, image, category;
  std::size_t index = 0;
  Region region;
  int height = 0, width = 0;  ///< The size that its runs state, or 0.
  std::string fault;          ///< why it cannot be used
};

/// Reads a polygon: a list x, y, x, y … of at least three corners.
std::optional<Ring> read_ring(const Json& list) {
  if (!list.is_array() || list.size() < 6 || list.size() % 2 != 0) return std::nullopt;
  Ring ring;
  ring.reserve(list.size() / 2);
  for (std::size_t i = 0; i < list.size(); i += 2) {
    const auto x = coordinate_of(&list[i]), y = coordinate_of(&list[i + 1]);
    if (!x || !y) return std::nullopt;
    ring.push_back({*x, *y});
  }
  return ring;
}

/// Reads {"size": [height, width], "counts": [lengths] or text}.
std::string read_runs(const Json& segmentation, PendingAnnotation& out) {
  const auto* size = find_member(segmentation, "size");
  const auto* counts = find_member(segmentation, "counts");
  if (size == nullptr || !size->is_array() || size->size() != 2 || counts == nullptr)
    return "its segmentation has no size [height, width] or no counts";
  const auto height = count_of(&(*size)[0]), width = count_of(&(*size)[1]);
  Runs runs;
  runs.by_columns = true;
  runs.height = height && *height <= kMostSide ? static_cast<int>(*height) : 0;
  runs.width = width && *width <= kMostSide ? static_cast<int>(*width) : 0;
  if (counts->is_string()) {
    auto lengths = parse_coco_counts(counts->get_ref<const std::string&>());
    if (!lengths) return "its compressed counts are broken";
    runs.lengths = std::move(*lengths);
  } else if (counts->is_array()) {
    runs.lengths.reserve(counts->size());
    for (const auto& count : *counts) {
      const auto length = count_of(&count);
      if (!length) return "one of its counts is no number from 0 to 2^32 - 1";
      runs.lengths.push_back(*length);
    }
  } else {
    return "its counts are neither a list nor text";
  }
  if (!check_runs(runs)) return "its counts do not add up to its size";
  out.height = runs.height, out.width = runs.width;
  out.region.runs = std::move(runs);
  return {};
}

/// Reads the place of an annotation. Returns why it cannot be used, or an empty text.
std::string read_region(const Json& item, PendingAnnotation& out) {
  const auto* segmentation = find_member(item, "segmentation");
  if (segmentation != nullptr && segmentation->is_object()) return read_runs(*segmentation, out);
  if (segmentation != nullptr && segmentation->is_array() && !segmentation->empty()) {
    // Some tools write a single polygon without the list around it.
    if (segmentation->front().is_number()) {
      auto ring = read_ring(*segmentation);
      if (!ring) return "its polygon is not a list of three or more corners x, y";
      out.region.rings.push_back(std::move(*ring));
      return {};
    }
    for (const auto& part : *segmentation) {
      auto ring = read_ring(part);
      if (!ring) return "one of its polygons is not a list of three or more corners x, y";
      out.region.rings.push_back(std::move(*ring));
    }
    return {};
  }
  const auto* box = find_member(item, "bbox");
  if (box == nullptr || !box->is_array() || box->empty()) return {};  // It labels the picture as a whole.
  double sides[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const auto value = box->size() == 4 ? coordinate_of(&(*box)[i]) : std::nullopt;
    if (!value) return "its bbox is not x, y, width, height";
    sides[i] = *value;
  }
  if (sides[2] < 0 || sides[3] < 0) return "its bbox has a negative side";
  if (sides[2] == 0 || sides[3] == 0) return {};
  out.region.rings.push_back(rectangle(sides[0], sides[1], sides[0] + sides[2], sides[1] + sides[3]));
  out.region.is_box = true;
  return {};
}

PendingAnnotation read_annotation(const Json& item, std::size_t index) {
  PendingAnnotation out;
  out.id = id_of(find_member(item, "id"));
  out.image = id_of(find_member(item, "image_id"));
  out.category = id_of(find_member(item, "category_id"));
  out.index = index;
  out.fault = read_region(item, out);
  return out;
}

/// Reads a category's colour, which some tools write as "#rrggbb" and others as [r, g, b].
std::string color_of(const Json& item) {
  const auto* color = find_member(item, "color");
  if (color == nullptr) return {};
  if (color->is_string()) {
    const auto parsed = parse_color(color->get_ref<const std::string&>());
    return parsed ? to_text(*parsed) : std::string();
  }
  Rgb rgb{};
  if (!color->is_array() || color->size() != rgb.size()) return {};
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    const auto value = count_of(&(*color)[i]);
    if (!value || *value > 255) return {};
    rgb[i] = static_cast<std::uint8_t>(*value);
  }
  return to_text(rgb);
}

}  // namespace

Result<void> read_coco(std::string_view text, const std::string& file, AnnotationSet& set) {
  const auto split = split_of(file);
  std::map<std::string, std::size_t> pictures;  // by id
  std::map<std::string, std::string> categories;
  std::vector<PendingAnnotation> pending;
  bool has_images = false;
  const auto on_item = [&](const std::string& list, std::size_t index, const Json& item) {
    if (list == "images") {
      has_images = true;
      AnnotatedPicture picture;
      picture.name = text_of(item, "file_name");
      picture.height = side_of(item, "height"), picture.width = side_of(item, "width");
      picture.split = split;
      const auto id = id_of(find_member(item, "id"));
      if (picture.name.empty() || id.empty()) {
        set.problems.add(fmt::format("{}: /images/{} has no file_name or no id", file, index));
      } else if (!set.keep(2 * sizeof(id) + id.size())) {
        return;
      } else if (!pictures.emplace(id, set.pictures.size()).second) {
        set.problems.add(fmt::format("{}: /images/{} has the id {}, as another one has", file, index, id));
      } else if (set.pictures.size() < kMostPictures) {
        set.add(std::move(picture));
      }
    } else if (list == "annotations") {
      auto annotation = read_annotation(item, index);
      if (set.keep(sizeof(PendingAnnotation) + bytes_of(annotation.region))) pending.push_back(std::move(annotation));
    } else if (list == "categories") {
      const auto id = id_of(find_member(item, "id"));
      const auto name = text_of(item, "name");
      if (id.empty() || name.empty()) {
        set.problems.add(fmt::format("{}: /categories/{} has no name or no id", file, index));
      } else if (set.keep(4 * sizeof(id) + id.size() + name.size())) {
        categories[id] = name;
        if (const auto color = color_of(item); !color.empty()) set.add_color(name, color);
      }
    }
  };
  if (auto ok = for_each_item(text, file, 2, set.limits.json_values, on_item); !ok) return ok;
  if (!has_images) return invalid_input(file + " has no images, so that it is no COCO file");
  for (auto& annotation : pending) {
    const auto report = [&](const std::string& reason) {
      set.problems.add(fmt::format("{}: annotation {} (/annotations/{}): {}", file,
                                   annotation.id.empty() ? "without an id" : annotation.id, annotation.index, reason));
    };
    const auto picture = pictures.find(annotation.image);
    if (picture == pictures.end() || picture->second >= set.pictures.size()) {
      report(annotation.image.empty() ? "it has no image_id"
                                      : "there is no image with its image_id " + annotation.image);
      continue;
    }
    auto& owner = set.pictures[picture->second];
    const auto category = categories.find(annotation.category);
    if (annotation.fault.empty() && category == categories.end())
      annotation.fault = annotation.category.empty()
                             ? "it has no category_id"
                             : "there is no category with its category_id " + annotation.category;
    if (annotation.fault.empty() && annotation.height > 0 && owner.height > 0 &&
        (annotation.height != owner.height || annotation.width != owner.width))
      annotation.fault = fmt::format("its segmentation is of {} x {} pixels, but its image is of {} x {}",
                                     annotation.width, annotation.height, owner.width, owner.height);
    if (!annotation.fault.empty()) {
      report(annotation.fault);
      owner.has_bad_entry = true;
      continue;
    }
    if (owner.height == 0) owner.height = annotation.height, owner.width = annotation.width;
    auto& region = annotation.region;
    if (!set.keep(category->second.size())) break;
    region.label = category->second;
    if (region.rings.empty() && !region.runs) {
      owner.class_labels.push_back(region.label);
    } else {
      owner.regions.push_back(std::move(region));
    }
  }
  return {};
}

}  // namespace vedette
