#include "annotations/annotations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "annotations/readers.hpp"

namespace vedette {
namespace {

constexpr std::array<std::pair<AnnotationFormat, std::string_view>, 8> kFormats = {
    {{AnnotationFormat::coco, "coco"},
     {AnnotationFormat::label_studio, "label-studio"},
     {AnnotationFormat::labelme, "labelme"},
     {AnnotationFormat::cvat, "cvat"},
     {AnnotationFormat::voc, "voc"},
     {AnnotationFormat::yolo, "yolo"},
     {AnnotationFormat::mvtec, "mvtec"},
     {AnnotationFormat::masks, "masks"}}};
constexpr std::size_t kBeginning = 1U << 20;

bool has_suffix(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && equals_ignore_case(name.substr(name.size() - suffix.size()), suffix);
}

/// Returns the format of a JSON or XML file by its beginning and, if need be, the whole.
std::optional<AnnotationFormat> format_of_json(const AnnotationFiles& files, const std::string& name) {
  auto bytes = files.read_beginning(name, kBeginning);
  if (!bytes) return std::nullopt;
  const auto tell = [](std::string_view text) -> std::optional<AnnotationFormat> {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    text = trim(text);
    if (text.starts_with('[')) return AnnotationFormat::label_studio;
    if (!text.starts_with('{')) return std::nullopt;
    if (text.find("\"shapes\"") != std::string_view::npos) return AnnotationFormat::labelme;
    if (text.find("\"images\"") != std::string_view::npos || text.find("\"annotations\"") != std::string_view::npos)
      return AnnotationFormat::coco;
    return std::nullopt;
  };
  if (auto format = tell(as_text(*bytes)); format || bytes->size() < kBeginning) return format;
  // A long list of licences, or a picture that LabelMe embeds, may come first.
  bytes = files.read(name, kAnnotationFileLimit);
  return bytes ? tell(as_text(*bytes)) : std::nullopt;
}

std::optional<AnnotationFormat> format_of_xml(const AnnotationFiles& files, const std::string& name) {
  const auto bytes = files.read_beginning(name, kBeginning);
  if (!bytes) return std::nullopt;
  const auto text = as_text(*bytes);
  if (text.find("<annotations") != std::string_view::npos) return AnnotationFormat::cvat;
  if (text.find("<annotation") != std::string_view::npos) return AnnotationFormat::voc;
  return std::nullopt;
}

bool lies_below(std::string_view name, std::string_view folder) {
  return name.starts_with(folder) || name.find("/" + std::string(folder)) != std::string_view::npos;
}

using TextReader = Result<void> (*)(std::string_view, const std::string&, AnnotationSet&);

/// Reads all files of a format that are among the files. Returns how many there were.
Result<std::size_t> read_files(const AnnotationFiles& files, AnnotationFormat format, TextReader reader,
                               AnnotationSet& set) {
  const bool is_xml = format == AnnotationFormat::cvat || format == AnnotationFormat::voc;
  const bool is_single = files.names().size() == 1;
  std::size_t count = 0;
  for (const auto& name : files.names()) {
    if (!has_suffix(name, is_xml ? ".xml" : ".json")) continue;
    // Beside annotations a folder may hold other JSON and XML files.
    if (!is_single && (is_xml ? format_of_xml(files, name) : format_of_json(files, name)) != format) continue;
    const bool is_in_pieces = format == AnnotationFormat::coco || format == AnnotationFormat::label_studio;
    const auto most = is_in_pieces ? kAnnotationFileLimit : set.limits.tree_bytes;
    const auto bytes = files.read(name, is_xml ? std::min(most, kXmlFileLimit) : most);
    if (!bytes) return bytes.error();
    auto text = as_text(*bytes);
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    ++count;
    const auto first = set.pictures.size();
    if (auto ok = reader(text, name, set); !ok) {
      // Of many small files a broken one costs only itself.
      const bool is_one_picture = format == AnnotationFormat::labelme || format == AnnotationFormat::voc;
      if (!is_one_picture || is_single) return ok.error();
      set.problems.add(ok.error().message);
    }
    if (auto ok = set.check(name); !ok) return ok.error();
    for (auto i = first; i < set.pictures.size(); ++i) set.pictures[i].beside = name.substr(0, name.rfind('/') + 1);
  }
  return count;
}

}  // namespace

std::string_view to_text(AnnotationFormat format) {
  return std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& f) { return f.first == format; })->second;
}

std::optional<AnnotationFormat> parse_annotation_format(std::string_view text) {
  for (const auto& [format, name] : kFormats)
    if (name == text) return format;
  return std::nullopt;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 400;
  std::string out(text.substr(0, kLongest));
  // A cut within a character leaves at most three bytes of it.
  for (int i = 0; i < 3 && text.size() > kLongest && !is_utf8(out); ++i) out.pop_back();
  const bool is_text = is_utf8(out);
  for (auto& c : out)
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7F || (!is_text && byte >= 0x80))
      c = '?';
  return out;
}

void Problems::add(std::string_view text) {
  if (wants_text()) first_.push_back(printable(text));
  ++count_;
}

std::size_t bytes_of(const Region& region) {
  auto bytes = sizeof(Region) + region.label.size();
  for (const auto& ring : region.rings) bytes += sizeof(Ring) + ring.size() * sizeof(Point);
  if (region.runs) bytes += region.runs->lengths.size() * sizeof(std::uint32_t);
  return bytes;
}

bool AnnotationSet::keep(std::size_t bytes) {
  kept_bytes += bytes;
  return kept_bytes <= limits.kept_bytes;
}

void AnnotationSet::add(AnnotatedPicture picture) {
  auto bytes = sizeof(AnnotatedPicture) + picture.name.size();
  for (const auto& label : picture.class_labels) bytes += sizeof(std::string) + label.size();
  if (keep(bytes)) pictures.push_back(std::move(picture));
}

void AnnotationSet::add(Region region, std::vector<Region>& regions) {
  if (keep(bytes_of(region))) regions.push_back(std::move(region));
}

void AnnotationSet::add_color(const std::string& label, const std::string& color) {
  if (keep(sizeof(std::pair<std::string, std::string>) + label.size())) colors.emplace_back(label, color);
}

Result<void> AnnotationSet::check(const std::string& file) const {
  if (kept_bytes <= limits.kept_bytes) return {};
  return invalid_input(fmt::format("The annotations up to those in {} take more than {} MiB of memory: convert a part.",
                                   file, limits.kept_bytes >> 20));
}

Split split_of(std::string_view name) {
  std::string word;
  auto found = Split::train;
  const auto end_word = [&] {
    if (word == "test" || word == "testing") found = Split::test;
    if (word == "val" || word == "valid" || word == "validation") found = Split::validation;
    word.clear();
  };
  for (const char c : to_lower(name)) {
    if (c >= 'a' && c <= 'z') {
      word += c;
    } else {
      end_word();
    }
  }
  end_word();
  return found;
}

bool is_picture_name(std::string_view name) {
  return std::any_of(kPictureSuffixes.begin(), kPictureSuffixes.end(),
                     [&](std::string_view suffix) { return has_suffix(name, suffix); });
}

std::string_view without_suffix(std::string_view name) {
  const auto dot = name.rfind('.'), slash = name.rfind('/');
  if (dot == std::string_view::npos || dot == 0 || (slash != std::string_view::npos && dot <= slash + 1)) return name;
  return name.substr(0, dot);
}

Result<AnnotationFormat> detect_annotation_format(const AnnotationFiles& annotations) {
  const auto& names = annotations.names();
  const auto has = [&](const auto& is) { return std::any_of(names.begin(), names.end(), is); };
  if (has([](const auto& n) { return lies_below(n, "train/good/"); }) &&
      has([](const auto& n) { return lies_below(n, "test/"); }))
    return AnnotationFormat::mvtec;
  const bool has_texts = has([](const auto& n) { return has_suffix(n, ".txt"); });
  if (has_texts && has([](const auto& n) {
        return has_suffix(n, ".yaml") || has_suffix(n, ".yml") || lies_below(n, "classes.txt") ||
               lies_below(n, "obj.names");
      }))
    return AnnotationFormat::yolo;
  if (has([](const auto& n) { return lies_below(n, "SegmentationClass/"); })) return AnnotationFormat::voc;
  for (const auto& name : names)
    if (has_suffix(name, ".xml"))
      if (const auto format = format_of_xml(annotations, name)) return *format;
  for (const auto& name : names)
    if (has_suffix(name, ".json"))
      if (const auto format = format_of_json(annotations, name)) return *format;
  if (has([](const auto& n) { return is_picture_name(n); })) return AnnotationFormat::masks;
  return invalid_input(
      "these files are of no format that is known: COCO, Label Studio, LabelMe, CVAT, Pascal VOC, YOLO, MVTec AD, or "
      "pictures with masks");
}

Result<AnnotationSet> read_annotations(const AnnotationFiles& annotations, const AnnotationFiles& pictures,
                                       AnnotationFormat format, const AnnotationLimits& limits) {
  AnnotationSet set;
  set.limits = limits;
  Result<void> ok;
  Result<std::size_t> files = std::size_t{1};
  switch (format) {
    case AnnotationFormat::coco:
      files = read_files(annotations, format, read_coco, set);
      break;
    case AnnotationFormat::label_studio:
      files = read_files(annotations, format, read_label_studio, set);
      break;
    case AnnotationFormat::labelme:
      files = read_files(annotations, format, read_labelme, set);
      break;
    case AnnotationFormat::cvat:
      files = read_files(annotations, format, read_cvat, set);
      break;
    case AnnotationFormat::voc:
      files = read_files(annotations, format, read_voc, set);
      if (files) ok = read_voc_folder(annotations, set);
      if (files && !set.pictures.empty()) files = std::size_t{1};
      break;
    case AnnotationFormat::yolo:
      ok = read_yolo(annotations, pictures, set);
      break;
    case AnnotationFormat::mvtec:
      ok = read_mvtec(annotations, pictures, set);
      break;
    case AnnotationFormat::masks:
      ok = read_mask_folder(annotations, pictures, set);
      break;
  }
  if (!files) return files.error();
  if (!ok) return ok.error();
  if (*files == 0) return invalid_input(fmt::format("there is no file of the format {} here", to_text(format)));
  if (set.pictures.size() >= kMostPictures)
    return invalid_input(fmt::format("the source has {} pictures or more; convert parts of it", kMostPictures));
  return set;
}

}  // namespace vedette
