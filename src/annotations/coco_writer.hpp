#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vision/image/image.hpp"

namespace vedette {

/// How areas are written: as outlines, in which holes are joined to the outline by a line there and back, or as runs of
/// pixels, one per picture and label, in COCO's compressed form.
enum class CocoShapes { polygons, runs };

/// Writes a COCO file of object detection. COCO's tools make exactly the same masks of it again.
/// Used by one thread.
class CocoWriter {
 public:
  /// `labels` become the categories 1, 2 … in their order, with their colours, which COCO does not name but allows.
  CocoWriter(std::vector<MaskLabel> labels, CocoShapes shapes);

  /// Adds a picture without annotations, as a normal one is.
  void add_picture(std::string_view file_name, int height, int width);
  /// Adds the areas of the picture that was added last. `mask` has the picture's size; its values are 0 or the index of
  /// a label + 1.
  void add_areas(const Grid<std::uint8_t>& mask);
  /// Says that the picture that was added last is anomalous, by an annotation of the category "anomaly" without an area.
  void add_verdict();
  /// How long the file's text is by now, without its ends.
  [[nodiscard]] std::size_t size_bytes() const { return images_.size() + annotations_.size(); }
  /// Returns the file's text. Nothing may be added after that.
  std::string finish();

 private:
  void add_annotation(std::size_t category, const std::string& segmentation, std::int64_t area, int left, int top,
                      int width, int height);

  std::vector<MaskLabel> labels_;
  const CocoShapes shapes_;
  std::string images_, annotations_;
  std::int64_t pictures_ = 0, areas_ = 0;
};

}  // namespace vedette
