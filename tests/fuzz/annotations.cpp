// This target fuzzes what other labelling tools export. The first byte chooses the format. Whatever is read must become a
// dataset, or be refused; its lines must be lines of a manifest, and each mask a picture of the right size.
#include <cstdlib>

#include "annotations/dataset.hpp"
#include "annotations/memory_files.hpp"
#include "annotations/readers.hpp"
#include "annotations/shapes.hpp"
#include "manifest/manifest.hpp"
#include "vision/image/image.hpp"

namespace {

using namespace vedette;

constexpr int kHeight = 6, kWidth = 9;

/// Files of which two are pictures, and one is the fuzzed text under the name that its format has.
MemoryFiles files_of(AnnotationFormat format, const std::string& text) {
  static const std::string picture = [] {
    const RgbImage image{kHeight, kWidth, std::vector<std::uint8_t>(kHeight * kWidth * 3, 90)};
    return std::string(as_text(*encode_png(image)));
  }();
  MemoryFiles files;
  files.put("a.png", picture);
  files.put("b/a.png", picture);
  switch (format) {
    case AnnotationFormat::cvat:
    case AnnotationFormat::voc:
      files.put("a.xml", text);
      break;
    case AnnotationFormat::yolo: {
      // What follows a zero byte is the labels, what stands before it the names.
      const auto end = text.find('\0');
      files.put("data.yaml", text.substr(0, end));
      files.put("a.txt", end == std::string::npos ? "" : text.substr(end + 1));
      break;
    }
    case AnnotationFormat::mvtec:
    case AnnotationFormat::masks:
      files.put("train/good/a.png", picture);
      files.put("test/dent/a.png", picture);
      files.put("ground_truth/dent/a_mask.png", text);
      break;
    default:
      files.put("a.json", text);
  }
  return files;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<AnnotationFormat>(data[0] % 8);
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Counts that are read must be printed so that they are read again.
  if (const auto lengths = parse_coco_counts(text))
    if (parse_coco_counts(to_coco_counts(*lengths)) != lengths) std::abort();
  if (const auto runs = parse_label_studio_brush(as_bytes(text), kHeight, kWidth))
    if (!check_runs(*runs)) std::abort();
  const auto files = files_of(format, text);
  (void)detect_annotation_format(files).has_value();
  auto set = read_annotations(files, files, format);
  if (!set) return 0;
  const auto write = [&](const std::string& name, std::string_view content) -> Result<void> {
    if (name.find("..") != std::string::npos) std::abort();
    if (name.ends_with(".png")) {
      const auto mask = decode_image(as_bytes(content), {1, 64});
      if (!mask || mask->height != kHeight || mask->width != kWidth) std::abort();
    } else {
      for (const auto line : manifest_lines(content))
        if (!parse_manifest_line(line.text)) std::abort();
    }
    return {};
  };
  (void)write_dataset(std::move(*set), files, files, DatasetRules(), write).has_value();
  return 0;
}
