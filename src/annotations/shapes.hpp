#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "annotations/annotations.hpp"
#include "vision/image/image.hpp"

/// Geometry of annotations. The functions are pure; any thread may call them.
namespace vedette {

/// Marks what lies in a ring. The result is that of COCO's own tools (rleFrPoly of cocodataset/cocoapi), which CVAT's
/// and Label Studio's exports go through as well: corners are rounded to a fifth of a pixel, and a pixel is marked if
/// its centre lies inside by the rule of even and odd. What lies outside the picture is cut off.
class Canvas {
 public:
  /// A canvas of unmarked pixels. The sides are 1 … kMostSide.
  Canvas(int height, int width);
  /// Returns false, and marks nothing, if all calls together cost too much: more than 400 steps per pixel of the picture
  /// and ten million, where steps go along edges and over the rectangles of what is marked. Coordinates lie within
  /// ± kMostCoordinate.
  [[nodiscard]] bool fill(const Ring& ring);
  /// Runs that reach out of the picture are cut off. The runs must fit their rectangle (check_runs()).
  [[nodiscard]] bool fill(const Runs& runs);
  /// Calls `mark(y, x)` for every marked pixel, and clears the canvas.
  template <typename Mark>
  void take(const Mark& mark) {
    for (int y = top_; y < bottom_; ++y)
      for (int x = left_; x < right_; ++x)
        if (auto& pixel = pixels_.at(y, x); pixel != 0) {
          pixel = 0;
          mark(y, x);
        }
    top_ = pixels_.height, bottom_ = 0, left_ = pixels_.width, right_ = 0;
  }

 private:
  void walk(Point from, Point to);
  void extend(int top, int bottom, int left, int right);

  Grid<std::uint8_t> pixels_;  ///< Bit 0 is the marked area, bit 1 holds the crossings of the ring at hand.
  std::int64_t steps_left_;
  int top_, bottom_, left_, right_;  ///< What lies outside of these rows and columns is unmarked.
};

/// Whether runs fit their rectangle: sides of 1 … kMostSide, and lengths that add up to its area.
bool check_runs(const Runs& runs);

Ring rectangle(double left, double top, double right, double bottom);
/// Turns a ring clockwise (as seen, since y points down) about a centre.
void turn(Ring& ring, Point centre, double degrees);
/// An ellipse as a ring of 720 corners, which differ from it by less than a hundredth of a pixel per thousand pixels of
/// radius. It is turned clockwise about its centre.
Ring ellipse(Point centre, double radius_x, double radius_y, double degrees);

/// Turns labels that were drawn on the picture as its EXIF orientation (2 … 8) shows it to the raw grid.
Grid<std::uint8_t> to_raw_grid(const Grid<std::uint8_t>& shown, int orientation);

/// Reads COCO's compressed counts: differences to the length before the last, in digits of five bits, the lowest first.
/// Returns nothing if the text is broken or a length is not 0 … 2^32 − 1.
std::optional<std::vector<std::uint32_t>> parse_coco_counts(std::string_view text);
std::string to_coco_counts(std::span<const std::uint32_t> lengths);

/// Reads a brush of Label Studio: runs of RGBA values as the library rle-pack packs them bit by bit (32 bits: the number
/// of values; 5: their bits − 1; four times 4: the bits of lengths − 1; then pieces). A pixel is marked if its alpha is
/// not 0. Returns nothing if the bytes are broken or are not height × width pixels.
std::optional<Runs> parse_label_studio_brush(std::span<const std::uint8_t> bytes, int height, int width);

/// Collects pixels into runs.
class RunBuilder {
 public:
  void add(bool is_marked, std::uint32_t count) {
    if (count == 0) return;
    if (is_marked != is_marked_ || lengths_.empty()) {
      if (lengths_.empty() && is_marked) lengths_.push_back(0);
      lengths_.push_back(0);
      is_marked_ = is_marked;
    }
    lengths_.back() += count;
  }
  [[nodiscard]] std::size_t size() const { return lengths_.size(); }
  std::vector<std::uint32_t> take() { return std::move(lengths_); }

 private:
  std::vector<std::uint32_t> lengths_;
  bool is_marked_ = false;
};

/// One connected area (by sides, not by corners) of pixels that have one label.
struct TracedArea {
  std::uint8_t label = 0;
  std::int64_t pixels = 0;
  int left = 0, top = 0, right = 0, bottom = 0;  ///< the pixels' rectangle; right and bottom are one past the last
  /// The outline along the sides of pixels. Holes are joined to it by a line there and back, so that it is one ring,
  /// which COCO's tools, and all that fill by the rule of even and odd, fill exactly.
  Ring outline;
};
/// Traces all areas of labels other than 0, in the order of their first pixels.
std::vector<TracedArea> trace_areas(const Grid<std::uint8_t>& labels);

}  // namespace vedette
