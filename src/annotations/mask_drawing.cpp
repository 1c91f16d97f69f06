#include "annotations/mask_drawing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "annotations/shapes.hpp"

namespace vedette {
namespace {

Error too_many_labels() {
  return fail(
      ErrorKind::quota_exceeded,
      fmt::format("the source has more than {} labels, which is the most that a project may have", kMostProjectLabels));
}

std::uint32_t to_8_bit(const MaskColor16& color) {
  return static_cast<std::uint32_t>(color[0] >> 8) << 16 | static_cast<std::uint32_t>(color[1] >> 8) << 8 |
         static_cast<std::uint32_t>(color[2] >> 8);
}

std::uint32_t grey(std::uint32_t color) {
  return color & 0xFF;
}

bool is_grey(std::uint32_t color) {
  return (color & 0xFF) * 0x010101U == color;
}

}  // namespace

Result<DrawnMask> draw_regions(const AnnotatedPicture& picture, int height, int width, LabelTable& table) {
  DrawnMask out{Grid<std::uint8_t>(height, width), false, 0};
  Canvas canvas(height, width);
  for (const auto& region : picture.regions) {
    bool is_affordable = true;
    for (const auto& ring : region.rings) {
      Ring pixels = ring;
      if (picture.is_in_shares)
        for (auto& p : pixels) p = {p.x * width, p.y * height};
      is_affordable = is_affordable && canvas.fill(pixels);
    }
    if (region.runs) is_affordable = is_affordable && canvas.fill(*region.runs);
    if (!is_affordable) return invalid_input("has outlines that are too long for its size");
    std::uint8_t number = 0;
    if (!is_background_label(region.label)) {
      const auto found = table.number_of(region.label);
      if (!found) return too_many_labels();
      number = *found;
    }
    bool is_empty = true;
    canvas.take([&](int y, int x) {
      auto& pixel = out.labels.at(y, x);
      out.has_overlap |= pixel != 0 && pixel != number;
      pixel = number;
      is_empty = false;
    });
    out.empty_areas += is_empty ? 1 : 0;
  }
  return out;
}

Result<DrawnMask> draw_label_file(const MaskFile& mask, const LabelFile& file,
                                  const std::optional<MaskColor16>& background, LabelTable& table) {
  DrawnMask out{Grid<std::uint8_t>(mask.pixels.height, mask.pixels.width), false, 0};
  const auto& shades = mask.palette.shades;
  std::vector<std::string> labels(shades.size());  // The label of each shade; background has none.
  if (file.colors.empty()) {
    if (shades.size() == 1 && (!background || shades[0].color == *background)) return out;
    const auto marks = marked_shades(mask.palette, background);
    if (!marks) return invalid_input(marks.error().message);
    for (std::size_t i = 0; i < shades.size(); ++i)
      if (marks->is_marked[i] != 0) labels[i] = file.mark;
  } else {
    const auto label_of = [&](std::uint32_t color) -> const std::string* {
      for (const auto& [known, label] : file.colors)
        if (known == color) return &label;
      return nullptr;
    };
    // A file of indices has levels of grey that are no colours of the palette.
    const bool is_indexed =
        file.may_be_indices &&
        std::all_of(shades.begin(), shades.end(), [&](const auto& s) { return is_grey(to_8_bit(s.color)); }) &&
        std::any_of(shades.begin(), shades.end(),
                    [&](const auto& s) { return label_of(to_8_bit(s.color)) == nullptr; });
    for (std::size_t i = 0; i < shades.size(); ++i) {
      const auto color = to_8_bit(shades[i].color);
      const std::string* label = label_of(color);
      if (is_indexed) label = grey(color) < file.colors.size() ? &file.colors[grey(color)].second : nullptr;
      // Black is background, and the palette of VOC has #E0E0C0 around objects (index 255); no class need name them.
      const bool is_void = color == 0 || color == 0xE0E0C0 || (is_indexed && grey(color) == 255);
      if (label == nullptr && !is_void && !shades[i].is_transparent)
        return invalid_input(fmt::format("holds the colour #{:06X}, which is that of no class", color));
      if (label != nullptr && !is_void && !is_background_label(*label)) labels[i] = *label;
    }
  }
  std::vector<std::uint8_t> numbers(shades.size());
  for (std::size_t i = 0; i < shades.size(); ++i)
    if (!labels[i].empty()) {
      const auto number = table.number_of(labels[i]);
      if (!number) return too_many_labels();
      numbers[i] = *number;
    }
  std::transform(mask.pixels.values.begin(), mask.pixels.values.end(), out.labels.values.begin(),
                 [&](std::uint8_t shade) { return numbers[shade]; });
  return out;
}

}  // namespace vedette
