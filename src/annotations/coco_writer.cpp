#include "annotations/coco_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "annotations/shapes.hpp"

namespace vedette {
namespace {

constexpr const char* kVerdict = "anomaly";

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump();
}

}  // namespace

CocoWriter::CocoWriter(std::vector<MaskLabel> labels, CocoShapes shapes)
    : labels_(std::move(labels)), shapes_(shapes) {}

void CocoWriter::add_picture(std::string_view file_name, int height, int width) {
  images_ += fmt::format("{}\n{{\"id\":{},\"file_name\":{},\"width\":{},\"height\":{}}}", pictures_ == 0 ? "" : ",",
                         pictures_ + 1, json_text(file_name), width, height);
  ++pictures_;
}

void CocoWriter::add_annotation(std::size_t category, const std::string& segmentation, std::int64_t area, int left,
                                int top, int width, int height) {
  annotations_ += fmt::format(
      "{}\n{{\"id\":{},\"image_id\":{},\"category_id\":{},\"iscrowd\":0,\"area\":{},\"bbox\":[{},{},{},{}],"
      "\"segmentation\":{}}}",
      areas_ == 0 ? "" : ",", areas_ + 1, pictures_, category, area, left, top, width, height, segmentation);
  ++areas_;
}

void CocoWriter::add_areas(const Grid<std::uint8_t>& mask) {
  if (shapes_ == CocoShapes::polygons) {
    for (const auto& area : trace_areas(mask)) {
      std::string ring;
      for (const auto& p : area.outline) ring += fmt::format("{}{:.0f},{:.0f}", ring.empty() ? "" : ",", p.x, p.y);
      add_annotation(area.label, "[[" + ring + "]]", area.pixels, area.left, area.top, area.right - area.left,
                     area.bottom - area.top);
    }
    return;
  }
  for (std::size_t label = 1; label <= labels_.size(); ++label) {
    RunBuilder runs;
    std::int64_t area = 0;
    int left = mask.width, top = mask.height, right = 0, bottom = 0;
    for (int x = 0; x < mask.width; ++x)
      for (int y = 0; y < mask.height; ++y) {
        const bool is_marked = mask.at(y, x) == label;
        runs.add(is_marked, 1);
        if (!is_marked) continue;
        ++area;
        left = std::min(left, x), right = std::max(right, x + 1), top = std::min(top, y),
        bottom = std::max(bottom, y + 1);
      }
    if (area == 0) continue;
    const auto counts = to_coco_counts(runs.take());
    add_annotation(label, fmt::format("{{\"size\":[{},{}],\"counts\":{}}}", mask.height, mask.width, json_text(counts)),
                   area, left, top, right - left, bottom - top);
  }
}

void CocoWriter::add_verdict() {
  auto category =
      std::find_if(labels_.begin(), labels_.end(), [](const auto& label) { return label.name == kVerdict; });
  if (category == labels_.end()) category = labels_.insert(labels_.end(), MaskLabel{kVerdict, {0, 0, 0}});
  add_annotation(static_cast<std::size_t>(category - labels_.begin()) + 1, "[]", 0, 0, 0, 0, 0);
}

std::string CocoWriter::finish() {
  std::string categories;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    categories += fmt::format("{}\n{{\"id\":{},\"name\":{}", i == 0 ? "" : ",", i + 1, json_text(labels_[i].name));
    // Black stands for the verdict, which has no areas.
    if (labels_[i].color != Rgb{0, 0, 0}) categories += ",\"color\":" + json_text(to_text(labels_[i].color));
    categories += "}";
  }
  return "{\"images\":[" + images_ + "],\n\"annotations\":[" + annotations_ + "],\n\"categories\":[" + categories +
         "]}\n";
}

}  // namespace vedette
