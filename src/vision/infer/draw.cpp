// What turns maps into labelled masks.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "vision/infer/infer.hpp"

namespace vedette {
namespace {

/// Returns for each region the part of the picture that its cells and their neighbours cover.
std::vector<Window> region_windows(const Grid<int>& regions, int count, int height, int width) {
  struct Bounds {
    int top = 1 << 30, left = 1 << 30, bottom = -1, right = -1;
  };
  std::vector<Bounds> bounds(static_cast<std::size_t>(count));
  for (int y = 0; y < regions.height; ++y)
    for (int x = 0; x < regions.width; ++x) {
      if (regions.at(y, x) == 0) continue;
      auto& b = bounds[static_cast<std::size_t>(regions.at(y, x) - 1)];
      b = {std::min(b.top, y), std::min(b.left, x), std::max(b.bottom, y), std::max(b.right, x)};
    }
  std::vector<Window> out;
  for (const auto& b : bounds) {
    // Pixel p lies in cell p · cells / pixels, rounded down, so the first pixel of a cell is cell · pixels / cells,
    // rounded up.
    const auto first = [](int cell, int cells, int pixels) { return (cell * pixels + cells - 1) / cells; };
    const int top = first(std::max(0, b.top - 1), regions.height, height),
              left = first(std::max(0, b.left - 1), regions.width, width);
    out.push_back({top, left, first(std::min(regions.height, b.bottom + 2), regions.height, height) - top,
                   first(std::min(regions.width, b.right + 2), regions.width, width) - left});
  }
  return out;
}

}  // namespace

Grid<float> details_of(const PixelMaps& details, std::optional<std::int64_t> fold) {
  Grid<float> out(details.height, details.width);
  const auto plane = out.values.size();
  const auto folds = static_cast<std::size_t>(details.folds);
  const auto first = fold ? static_cast<std::size_t>(*fold) : 0, end = fold ? first + 1 : folds;
  for (auto f = first; f < end; ++f)
    for (std::size_t i = 0; i < plane; ++i)
      out.values[i] += static_cast<float>(details.values[f * plane + i]) / (255 * static_cast<float>(end - first));
  return out;
}

Grid<float> highest_pixels(const Grid<float>& pixels, int height, int width) {
  Grid<float> out(height, width);
  for (int y = 0; y < pixels.height; ++y)
    for (int x = 0; x < pixels.width; ++x) {
      auto& cell = out.at(y * height / pixels.height, x * width / pixels.width);
      cell = std::max(cell, pixels.at(y, x));
    }
  return out;
}

int region_near(const Grid<int>& regions, int y, int x) {
  if (regions.at(y, x) != 0) return regions.at(y, x);
  for (int ny = std::max(0, y - 1); ny <= std::min(regions.height - 1, y + 1); ++ny)
    for (int nx = std::max(0, x - 1); nx <= std::min(regions.width - 1, x + 1); ++nx)
      if (regions.at(ny, nx) != 0) return regions.at(ny, nx);
  return 0;
}

Grid<int> find_regions(const Grid<float>& map, double threshold, double peak, int& count) {
  Grid<int> regions(map.height, map.width);
  count = 0;
  // The cells of one region; the neighbours of those from `next` on are still to be looked at.
  std::vector<std::pair<int, int>> region;
  for (int y = 0; y < map.height; ++y)
    for (int x = 0; x < map.width; ++x) {
      if (regions.at(y, x) != 0 || !(map.at(y, x) >= threshold)) continue;
      region = {{y, x}};
      regions.at(y, x) = count + 1;
      double highest = map.at(y, x);
      for (std::size_t next = 0; next < region.size(); ++next) {
        const auto [cy, cx] = region[next];
        for (int ny = std::max(0, cy - 1); ny <= std::min(map.height - 1, cy + 1); ++ny)
          for (int nx = std::max(0, cx - 1); nx <= std::min(map.width - 1, cx + 1); ++nx)
            if (regions.at(ny, nx) == 0 && map.at(ny, nx) >= threshold) {
              regions.at(ny, nx) = count + 1;
              highest = std::max<double>(highest, map.at(ny, nx));
              region.emplace_back(ny, nx);
            }
      }
      if (highest >= peak) {
        ++count;
      } else {
        // These cells were looked at and belong to no region.
        for (const auto& [cy, cx] : region) regions.at(cy, cx) = -1;
      }
    }
  for (auto& r : regions.values) r = std::max(r, 0);
  return regions;
}

std::vector<std::uint8_t> classify_regions(const Grid<float>& map, const Grid<int>& regions, int count,
                                           std::span<const Planes> class_maps, std::optional<std::int64_t> fold) {
  const auto labels = static_cast<std::size_t>(class_maps[0].channels);
  std::vector<std::vector<double>> votes(static_cast<std::size_t>(count) + 1, std::vector<double>(labels));
  for (std::size_t f = 0; f < class_maps.size(); ++f) {
    if (fold && static_cast<std::size_t>(*fold) != f) continue;
    const auto& logits = class_maps[f];
    const auto plane = static_cast<std::size_t>(logits.height) * static_cast<std::size_t>(logits.width);
    std::vector<double> shares(labels);
    for (int y = 0; y < regions.height; ++y)
      for (int x = 0; x < regions.width; ++x) {
        const int region = regions.at(y, x);
        if (region == 0) continue;
        const auto cell = static_cast<std::size_t>(y * logits.height / regions.height * logits.width +
                                                   x * logits.width / regions.width);
        const double weight = static_cast<double>(map.at(y, x)) * map.at(y, x);
        double highest = -HUGE_VAL, sum = 0;
        for (std::size_t l = 0; l < labels; ++l) highest = std::max<double>(highest, logits.values[l * plane + cell]);
        for (std::size_t l = 0; l < labels; ++l) sum += shares[l] = std::exp(logits.values[l * plane + cell] - highest);
        for (std::size_t l = 0; l < labels; ++l) votes[static_cast<std::size_t>(region)][l] += weight * shares[l] / sum;
      }
  }
  std::vector<std::uint8_t> out = {0};
  for (auto v = votes.begin() + 1; v != votes.end(); ++v)
    out.push_back(static_cast<std::uint8_t>(std::max_element(v->begin(), v->end()) - v->begin() + 1));
  return out;
}

Grid<std::uint8_t> draw_labels(const Manifest& m, const Grid<float>& map, std::span<const Planes> class_maps,
                               const PixelMaps& details, std::optional<std::int64_t> fold) {
  const auto& s = *m.segmentation;
  // The strictest thresholds come first, and labels with equal thresholds share a pass.
  std::map<std::array<double, 4>, std::vector<bool>, std::greater<>> passes;
  for (std::size_t l = 0; l < s.labels.size(); ++l) {
    const auto& t = s.thresholds[l];
    auto& members = passes[{t.map, t.peak, t.pixel, t.pixel_peak}];
    members.resize(s.labels.size() + 1);
    members[l + 1] = true;
  }
  Grid<std::uint8_t> out(m.image_height, m.image_width);
  // Draws what `enlarged` shows of the regions of `cells`, but not in the regions `taken` and the cells beside them.
  const auto draw = [&](const Grid<float>& cells, const Grid<float>& enlarged, double threshold, double peak,
                        const std::vector<bool>& members, const Grid<int>* taken) {
    int count = 0;
    auto regions = find_regions(cells, threshold, peak, count);
    if (count == 0) return regions;
    const auto label_of = classify_regions(cells, regions, count, class_maps, fold);
    // Most of a picture lies in no region, so maps are enlarged only where there is one.
    for (const auto& part : region_windows(regions, count, out.height, out.width)) {
      const auto seen = resize_map(enlarged, out.height, out.width, part);
      for (int y = part.top; y < part.top + part.height; ++y) {
        const int cy = y * cells.height / out.height;
        for (int x = part.left; x < part.left + part.width; ++x) {
          if (!(seen.at(y - part.top, x - part.left) >= threshold) || out.at(y, x) != 0) continue;
          const int cx = x * cells.width / out.width;
          if (taken && region_near(*taken, cy, cx) != 0) continue;
          // Edges may lie up to a cell beyond the region, so the neighbours are asked, too.
          if (const auto label = label_of[static_cast<std::size_t>(region_near(regions, cy, cx))];
              label != 0 && members[label])
            out.at(y, x) = label;
        }
      }
    }
    return regions;
  };
  const bool has_pixels = !details.values.empty();
  const auto pixels = has_pixels ? details_of(details, fold) : Grid<float>();
  const auto highest = highest_pixels(pixels, map.height, map.width);
  for (const auto& [thresholds, members] : passes) {
    const auto taken = has_pixels ? draw(highest, pixels, thresholds[2], thresholds[3], members, nullptr)
                                  : Grid<int>(map.height, map.width);
    draw(map, map, thresholds[0], thresholds[1], members, &taken);
  }
  return out;
}

}  // namespace vedette
