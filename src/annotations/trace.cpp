#include <algorithm>
#include <array>

#include "annotations/shapes.hpp"

namespace vedette {
namespace {

struct Pixel {
  int y, x;
};

enum Direction : int { kRight, kDown, kLeft, kUp };
constexpr std::array<Pixel, 4> kSteps = {{{0, 1}, {1, 0}, {0, -1}, {-1, 0}}};

/// Numbers the areas that are connected by sides, from 1 on; pixels without a label have 0.
class Areas {
 public:
  explicit Areas(const Grid<std::uint8_t>& labels) : labels_(labels), numbers_(labels.height, labels.width) {
    for (int y = 0; y < labels.height; ++y)
      for (int x = 0; x < labels.width; ++x)
        if (labels.at(y, x) != 0 && numbers_.at(y, x) == 0) flood({y, x});
  }
  [[nodiscard]] int number(int y, int x) const {
    return y < 0 || x < 0 || y >= numbers_.height || x >= numbers_.width ? 0 : numbers_.at(y, x);
  }
  std::vector<TracedArea> found;

 private:
  void flood(Pixel start) {
    const int number = static_cast<int>(found.size()) + 1;
    TracedArea area{labels_.at(start.y, start.x), 0, start.x, start.y, start.x + 1, start.y + 1, {}};
    std::vector<Pixel> open = {start};
    numbers_.at(start.y, start.x) = number;
    while (!open.empty()) {
      const auto p = open.back();
      open.pop_back();
      ++area.pixels;
      area.left = std::min(area.left, p.x), area.right = std::max(area.right, p.x + 1);
      area.top = std::min(area.top, p.y), area.bottom = std::max(area.bottom, p.y + 1);
      for (const auto& step : kSteps) {
        const Pixel next{p.y + step.y, p.x + step.x};
        if (next.y < 0 || next.x < 0 || next.y >= labels_.height || next.x >= labels_.width) continue;
        if (numbers_.at(next.y, next.x) != 0 || labels_.at(next.y, next.x) != area.label) continue;
        numbers_.at(next.y, next.x) = number;
        open.push_back(next);
      }
    }
    found.push_back(std::move(area));
  }

  const Grid<std::uint8_t>& labels_;
  Grid<int> numbers_;
};

/// Follows one border of an area, with the area on the right, from the upper left corner of a pixel to the right. Where
/// two pixels of the area meet at a corner only, the border stays with its own pixel. `seen` notes the upper sides of
/// pixels that have been passed.
Ring follow(const Areas& areas, int number, Pixel start, Grid<std::uint8_t>& seen) {
  Ring ring;
  Pixel corner = start;
  int direction = kRight;
  do {
    if (direction == kRight) seen.at(corner.y, corner.x) = 1;
    corner = {corner.y + kSteps[static_cast<std::size_t>(direction)].y,
              corner.x + kSteps[static_cast<std::size_t>(direction)].x};
    // The two pixels that lie before the corner, on the right and on the left of the direction.
    static constexpr std::array<Pixel, 4> kRightAhead = {{{0, 0}, {0, -1}, {-1, -1}, {-1, 0}}};
    const auto ahead = [&](int d) {
      const auto& offset = kRightAhead[static_cast<std::size_t>(d % 4)];
      return areas.number(corner.y + offset.y, corner.x + offset.x) == number;
    };
    const int before = direction;
    if (!ahead(direction)) {
      direction = (direction + 1) % 4;  // to the right, around the own pixel
    } else if (ahead(direction + 3)) {
      direction = (direction + 3) % 4;  // to the left, because the area goes on there
    }
    if (direction != before) ring.push_back({static_cast<double>(corner.x), static_cast<double>(corner.y)});
  } while (corner.y != start.y || corner.x != start.x || direction != kRight);
  return ring;
}

}  // namespace

std::vector<TracedArea> trace_areas(const Grid<std::uint8_t>& labels) {
  Areas areas(labels);
  Grid<std::uint8_t> seen(labels.height, labels.width);
  for (int y = 0; y < labels.height; ++y)
    for (int x = 0; x < labels.width; ++x) {
      const int number = areas.number(y, x);
      if (number == 0 || areas.number(y - 1, x) == number || seen.at(y, x) != 0) continue;
      auto& outline = areas.found[static_cast<std::size_t>(number) - 1].outline;
      auto ring = follow(areas, number, {y, x}, seen);
      // The first border of an area that is met is its outer one; the others are holes.
      if (outline.empty()) {
        outline = std::move(ring);
        continue;
      }
      const auto anchor = outline.front(), hole = ring.front();
      outline.push_back(anchor);
      outline.insert(outline.end(), ring.begin(), ring.end());
      outline.push_back(hole);
    }
  return std::move(areas.found);
}

}  // namespace vedette
