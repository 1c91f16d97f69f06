#include <fmt/format.h>

#include <map>

#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"
#include "annotations/xml_document.hpp"

namespace vedette {
namespace {

constexpr std::uint64_t kMostListBytes = 64U << 20;
constexpr int kVoid = 255;  // The outlines of objects have this index.

std::string_view base_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return without_suffix(slash == std::string_view::npos ? name : name.substr(slash + 1));
}

/// Whether a folder of this name is on the way to the file.
bool lies_in(std::string_view name, std::string_view folder) {
  for (std::size_t at = name.find(folder); at != std::string_view::npos; at = name.find(folder, at + 1))
    if ((at == 0 || name[at - 1] == '/') && at + folder.size() < name.size() && name[at + folder.size()] == '/')
      return true;
  return false;
}

/// The colour of an index, 0xRRGGBB, in the palette of Pascal VOC: the bits of the index, three by three from the
/// lowest, are the bits of R, G and B from the highest.
std::uint32_t palette_color(unsigned index) {
  std::uint32_t r = 0, g = 0, b = 0;
  for (unsigned bit = 0; bit < 8; ++bit, index >>= 3) {
    r |= (index & 1U) << (7 - bit), g |= (index >> 1 & 1U) << (7 - bit), b |= (index >> 2 & 1U) << (7 - bit);
  }
  return r << 16 | g << 8 | b;
}

/// Reads the names of the classes: labelmap.txt (name:r,g,b::) of CVAT, or class_names.txt of LabelMe, one per line, by
/// index; else the indices are the names.
Result<std::vector<std::pair<std::uint32_t, std::string>>> read_classes(const AnnotationFiles& files,
                                                                        AnnotationSet& set) {
  std::vector<std::pair<std::uint32_t, std::string>> out;
  for (const auto& name : files.names()) {
    const bool is_map = name == "labelmap.txt" || name.ends_with("/labelmap.txt");
    if (!is_map && name != "class_names.txt" && !name.ends_with("/class_names.txt")) continue;
    const auto bytes = files.read(name, std::min(kMostListBytes, set.limits.tree_bytes));
    if (!bytes) return bytes.error();
    if (!is_utf8(as_text(*bytes))) return invalid_input(name + " is not UTF-8 text");
    std::size_t number = 0;
    for (const auto raw : split(as_text(*bytes), '\n')) {
      const auto line = trim(raw);
      ++number;
      if (line.empty() || line.starts_with('#') || out.size() > 256) continue;
      if (!is_map) {
        out.emplace_back(palette_color(static_cast<unsigned>(out.size())), line);
        continue;
      }
      const auto fields = split(line, ':');
      const auto levels = fields.size() > 1 ? split(fields[1], ',') : std::vector<std::string_view>();
      std::uint32_t color = 0;
      bool is_good = levels.size() == 3;
      for (const auto level : levels) {
        const auto value = parse_integer(trim(level));
        is_good = is_good && value && *value >= 0 && *value <= 255;
        color = color << 8 | static_cast<std::uint32_t>(value.value_or(0) & 0xFF);
      }
      if (!is_good) {
        set.problems.add(fmt::format("{}, line {}: it is not name:r,g,b::", name, number));
      } else {
        out.emplace_back(color, fields[0]);
      }
    }
    return out;
  }
  for (unsigned i = 0; i < 256; ++i)
    out.emplace_back(palette_color(i), i == 0 ? "background" : "class" + std::to_string(i));
  out[kVoid].second = "background";
  return out;
}

/// Reads the lists of ImageSets. Returns the split of each picture's name without folders and suffix.
Result<std::map<std::string, Split, std::less<>>> read_splits(const AnnotationFiles& files, AnnotationSet& set) {
  std::map<std::string, Split, std::less<>> out;
  for (const auto& name : files.names()) {
    if (!lies_in(name, "ImageSets") || !name.ends_with(".txt")) continue;
    const auto base = base_of(name);
    // Lists of one class (cat_train.txt) say the same again.
    if (base != "train" && base != "val" && base != "test") continue;
    const auto bytes = files.read(name, std::min(kMostListBytes, set.limits.tree_bytes));
    if (!bytes) return bytes.error();
    for (const auto raw : split(as_text(*bytes), '\n')) {
      const auto line = trim(raw);
      const auto word = line.substr(0, line.find(' '));
      if (!word.empty() && set.keep(2 * sizeof(std::string) + word.size())) out[std::string(word)] = split_of(base);
    }
    if (auto ok = set.check(name); !ok) return ok.error();
  }
  return out;
}

}  // namespace

Result<void> read_voc(std::string_view text, const std::string& file, AnnotationSet& set) {
  pugi::xml_document document;
  if (auto ok = parse_xml(text, file, document); !ok) return ok;
  const auto root = document.child("annotation");
  if (!root) return invalid_input(file + " has no <annotation>, so that it is no VOC file");
  AnnotatedPicture picture;
  picture.name = root.child_value("filename");
  if (picture.name.empty()) picture.name = base_of(file);  // Some tools leave it out.
  picture.height = parse_side(root.child("size").child_value("height"));
  picture.width = parse_side(root.child("size").child_value("width"));
  picture.split = split_of(file);
  for (const auto& object : root.children("object")) {
    Region region;
    region.label = object.child_value("name");
    const auto box = object.child("bndbox");
    const auto left = parse_coordinate(box.child_value("xmin")), top = parse_coordinate(box.child_value("ymin")),
               right = parse_coordinate(box.child_value("xmax")), bottom = parse_coordinate(box.child_value("ymax"));
    std::string fault;
    if (region.label.empty()) fault = "it has no name";
    if (box && (!left || !top || !right || !bottom)) fault = "its bndbox lacks a number";
    if (box && fault.empty() && (*right < *left || *bottom < *top)) fault = "its bndbox ends before it begins";
    if (!fault.empty()) {
      report(object, text, file, "<object>: " + fault, set.problems);
      picture.has_bad_entry = true;
    } else if (box) {
      // The first pixel has the number 1, and the last one belongs to the box.
      region.rings.push_back(rectangle(*left - 1, *top - 1, *right, *bottom));
      region.is_box = true;
      set.add(std::move(region), picture.regions);
    } else {
      picture.class_labels.push_back(std::move(region.label));
    }
  }
  set.add(std::move(picture));
  return {};
}

Result<void> read_voc_folder(const AnnotationFiles& annotations, AnnotationSet& set) {
  const auto splits = read_splits(annotations, set);
  if (!splits) return splits.error();
  const auto classes = read_classes(annotations, set);
  if (!classes) return classes.error();
  std::size_t class_bytes = 0;
  for (const auto& entry : *classes) class_bytes += sizeof(entry) + entry.second.size();
  std::map<std::string, std::size_t, std::less<>> by_base;
  for (std::size_t i = 0; i < set.pictures.size(); ++i) by_base.emplace(base_of(set.pictures[i].name), i);
  for (const auto& name : annotations.names()) {
    if (!lies_in(name, "SegmentationClass") || !name.ends_with(".png")) continue;
    const std::string base(base_of(name));
    auto found = by_base.find(base);
    if (found == by_base.end()) {
      AnnotatedPicture picture;
      picture.name = base;
      found = by_base.emplace(base, set.pictures.size()).first;
      set.pictures.push_back(std::move(picture));
    }
    if (!set.keep(sizeof(AnnotatedPicture) + class_bytes)) return set.check(name);
    set.pictures[found->second].label_file = LabelFile{name, *classes, {}, true};
  }
  for (auto& picture : set.pictures)
    if (const auto it = splits->find(base_of(picture.name)); it != splits->end()) picture.split = it->second;
  return {};
}

}  // namespace vedette
